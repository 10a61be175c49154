"""The Speech SDK (`azure-cognitiveservices-speech`), as far as the live engine uses it. Not pure: it has threads and sockets.

It is proprietary and optional: the extra `steno-transcriber[azure]`. No other module imports it. Calls of it block: they are
made in threads. What it reports comes on threads of its own.

Azure's documentation, "Speech SDK for Python"; what is not said there was observed with version 1.53.
"""

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from steno.events.recognition import Profanity, RecognitionOptions
from steno_transcriber.azure.audio_pipe import AudioPipe
from steno_transcriber.azure.live_access import Access
from steno_transcriber.azure.live_results import Result
from steno_transcriber.engines.port import EngineUnavailable
from steno_transcriber.speech import SAMPLE_RATE

_CLOUD_DOMAINS = (".azure.com", ".azure.us", ".azure.cn", ".microsoft.com")
"""Custom domains in these clouds serve the paths of the SDK's `endpoint`, a container those of its `host`."""

_UNTHROTTLED_MS = 86_400_000
"""So much audio the SDK sends as it gets it: its pace is the pipe's."""


_STOPPING_SECONDS = 2.0
"""The SDK says that a session has stopped so long after its failure at the latest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamRequest:
    """What one stream is opened with."""

    access: Access
    channels: int
    options: RecognitionOptions


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """What was said so far."""

    result: Result


@dataclass(frozen=True, slots=True)
class Phrase:
    """What was said."""

    result: Result


@dataclass(frozen=True, slots=True)
class Nothing:
    """Nothing was said, or nothing that was understood."""

    result: Result


@dataclass(frozen=True, slots=True)
class Connected:
    """The service has accepted the connection."""


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The connection is gone; the SDK makes another one by itself and sends what was not answered."""


@dataclass(frozen=True, slots=True)
class Canceled:
    """The stream is over before its end: the SDK's word for the reason, and what the service says."""

    code: str
    details: str


@dataclass(frozen=True, slots=True)
class Ended:
    """All of the audio is answered."""


SdkEvent = Hypothesis | Phrase | Nothing | Connected | Disconnected | Canceled | Ended


class Stream(Protocol):
    """One stream of audio. Both methods block."""

    def start(self) -> None:
        """Connects in the background and begins to take audio."""

    def stop(self) -> None:
        """Ends it and releases what it holds; nothing is reported afterwards."""


OpenStream = Callable[[StreamRequest, AudioPipe, Callable[[SdkEvent], None]], Stream]


def load() -> OpenStream:
    """Imports the SDK.

    Raises:
        EngineUnavailable: it is not installed, or does not run here.
    """
    try:
        import azure.cognitiveservices.speech as sdk
    except ImportError:
        raise EngineUnavailable(
            "live calls by Azure need Microsoft's Speech SDK, which is not installed: pip install 'steno-transcriber[azure]'"
        ) from None
    except OSError as error:
        raise EngineUnavailable(f"Microsoft's Speech SDK does not run on this system: {error}") from error
    return lambda request, pipe, report: _SdkStream(sdk, request, pipe, report)


class _SdkStream:
    """A recogniser of the SDK."""

    def __init__(self, sdk: Any, request: StreamRequest, pipe: AudioPipe, report: Callable[[SdkEvent], None]) -> None:
        """`report` is called on threads of the SDK; it must return at once."""
        self._sdk = sdk
        self._request = request
        self._report = report
        # The SDK keeps neither what it calls nor the stream that it reads; it would go on to use their memory.
        self._pipe = pipe
        self._source: Any = None
        self._recogniser: Any = None
        self._connection: Any = None
        self._stopped = threading.Event()
        self._failed = False
        #: A recogniser that starts while it is released would use memory that is gone.
        self._changing = threading.Lock()
        self._over = False

    def start(self) -> None:
        """See `Stream`. After `stop` it does nothing.

        Raises:
            EngineUnavailable: the SDK refuses what it is given, a malformed host for instance.
        """
        try:
            with self._changing:
                if not self._over:
                    self._start()
        except (RuntimeError, ValueError) as error:
            raise EngineUnavailable(f"the Speech SDK does not start: {_first_line(str(error))}") from error

    def _start(self) -> None:
        sdk, request = self._sdk, self._request
        audio = sdk.audio
        form = audio.AudioStreamFormat(samples_per_second=SAMPLE_RATE, bits_per_sample=16, channels=request.channels)
        self._source = audio.PullAudioInputStream(self._pipe, form)
        source = audio.AudioConfig(stream=self._source)
        options = request.options
        language: dict[str, Any] = {}
        if options.locale:
            endpoint_id = {"endpoint_id": options.model} if options.model else {}
            language["source_language_config"] = sdk.languageconfig.SourceLanguageConfig(options.locale, **endpoint_id)
        elif options.candidate_locales:
            language["auto_detect_source_language_config"] = sdk.languageconfig.AutoDetectSourceLanguageConfig(
                languages=list(options.candidate_locales)
            )
        self._recogniser = recogniser = sdk.SpeechRecognizer(speech_config=self._config(), audio_config=source, **language)
        if options.hints:
            phrases = sdk.PhraseListGrammar.from_recognizer(recogniser)
            for hint in options.hints:
                phrases.addPhrase(hint)
        self._connection = connection = sdk.Connection.from_recognizer(recogniser)
        connection.connected.connect(lambda _: self._report(Connected()))
        connection.disconnected.connect(lambda _: self._report(Disconnected()))
        recogniser.recognizing.connect(lambda told: self._report(Hypothesis(_result(told.result))))
        recogniser.recognized.connect(self._recognised)
        recogniser.canceled.connect(self._canceled)
        recogniser.session_stopped.connect(self._session_stopped)
        recogniser.start_continuous_recognition_async().get()

    def stop(self) -> None:
        """See `Stream`. Waits for a `start` that is under way."""
        self._report = _unheard
        self._pipe.end(at_once=True)
        with self._changing:
            self._over = True
            self._stop()

    def _stop(self) -> None:
        # One that ends by itself would be waited for in vain, for ten seconds.
        stopped = self._stopped.wait(_STOPPING_SECONDS if self._failed else 0.0)
        if self._recogniser is not None and not stopped:
            with contextlib.suppress(RuntimeError):  # the service never answers: it is over anyway
                self._recogniser.stop_continuous_recognition_async().get()
        # In this order, so that nothing is called that is gone.
        self._connection = None
        self._recogniser = None
        self._source = None

    def _config(self) -> Any:
        sdk, request = self._sdk, self._request
        endpoint, credential = request.access.endpoint, request.access.credential
        key = {"subscription": credential.secret} if credential.kind == "key" else {}
        if endpoint.region:
            token = {"auth_token": credential.secret} if credential.kind == "token" else {}
            config = sdk.SpeechConfig(region=endpoint.region, **key, **token)
        else:
            place = "endpoint" if endpoint.host.endswith(_CLOUD_DOMAINS) else "host"
            config = sdk.SpeechConfig(**{place: endpoint.url}, **key)
            if credential.kind == "token":
                config.authorization_token = credential.secret
        config.output_format = sdk.OutputFormat.Detailed
        config.request_word_level_timestamps()
        config.set_profanity(_profanity(sdk, request.options.profanity))
        config.set_property_by_name("SPEECH-TransmitLengthBeforThrottleMs", str(_UNTHROTTLED_MS))
        if request.channels > 1:
            config.set_property_by_name("Speech_EnableMultiChannelProcessing", "true")
        if not request.options.locale:
            config.set_property(sdk.PropertyId.SpeechServiceConnection_LanguageIdMode, "Continuous")
            if request.options.model:
                config.endpoint_id = request.options.model
        return config

    def _recognised(self, told: Any) -> None:
        result = _result(told.result)
        self._report(Phrase(result) if told.result.reason == self._sdk.ResultReason.RecognizedSpeech else Nothing(result))

    def _session_stopped(self, _: Any) -> None:
        self._stopped.set()
        self._report(Ended())

    def _canceled(self, told: Any) -> None:
        details = told.cancellation_details
        # The end of the audio is reported as well, and then that the session has stopped.
        if details.reason == self._sdk.CancellationReason.Error:
            self._failed = True
            self._report(Canceled(details.code.name, _first_line(str(details.error_details))))


def _result(result: Any) -> Result:
    channel = getattr(result, "channel", 0)
    return Result(
        channel=channel if isinstance(channel, int) else 0,
        offset=int(result.offset),
        duration=int(result.duration),
        text=str(result.text or ""),
        detail=str(result.json or ""),
    )


def _profanity(sdk: Any, profanity: Profanity) -> Any:
    match profanity:
        case Profanity.MASKED:
            return sdk.ProfanityOption.Masked
        case Profanity.REMOVED:
            return sdk.ProfanityOption.Removed
        case _:
            return sdk.ProfanityOption.Raw


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0][:300]


def _unheard(_: SdkEvent) -> None:
    """What is reported after the end has no reader."""
