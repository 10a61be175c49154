"""The interface of speech engines, of which there are three kinds. Imports no adapter.

An *utterance engine* (Whisper) is given utterances that Steno cut. What it says is a function of their audio alone. It has a
batch face, which splits packing (pure, lazy) from decoding (blocking, thread-safe), so that the caller owns the threads:

    with ThreadPoolExecutor(threads) as pool:
        for pack in engine.packs(utterances):
            pool.submit(engine.decode, pack, options)

and a live face, which recognises utterances that are still being spoken, several together.

A *call engine* (a cloud service, a streaming model) is given a recording or a live call as a whole. It cuts the audio itself
and answers when it likes:

    session = engine.open(channels=2, options=options)
    await session.send(audio)                    # again and again, in one task; then `await session.finish()`
    async for answer in session.answers(): ...   # in another

A *recording engine* (a cloud service's batch API) is given the place of a recording, which it fetches itself, and answers after
minutes or hours. An engine may be both of the latter: then it is given recordings by their place, and live calls as audio.

    answer = await engine.recognise(reference)

What holds for all: ids of phrases follow from call, channel and start, so nothing is published twice; every part of the audio
is given to the engine, or the recording fails.

Errors: Unsupported         the engine cannot serve what was asked of it (permanent)
        └ UnsupportedLocale its model does not know the language
        └ UnsupportedModel  it has another model
        RecognitionFailed   the engine cannot make anything of the recording (permanent)
        EngineUnavailable   the model cannot be loaded or reached (retry, or repair and restart)
"""

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from steno.errors import Permanent, Retryable
from steno.events.recognition import RecognitionOptions
from steno_transcriber.speech import SAMPLES_PER_MS, Recognition, Samples, Utterance, Word

__all__ = [
    "Answer",
    "CallAudio",
    "CallEngine",
    "CallSession",
    "EngineInfo",
    "EngineUnavailable",
    "FinalAnswer",
    "OpenSpeech",
    "Pack",
    "Recognition",
    "RecognitionFailed",
    "RecognitionOptions",
    "RecordingAnswer",
    "RecordingEngine",
    "RecordingReference",
    "SilentUntil",
    "SpeechEngine",
    "Unsupported",
    "UnsupportedLocale",
    "UnsupportedModel",
    "Utterance",
    "UtteranceEngine",
    "Word",
]


class Unsupported(Permanent):
    """The engine cannot serve what was asked of it."""

    error_class = "unsupported_option"


class UnsupportedLocale(Unsupported):
    """The engine's model does not know the language asked for."""

    error_class = "unsupported_locale"


class UnsupportedModel(Unsupported):
    """The engine has another model than the one asked for."""

    error_class = "unsupported_model"


class RecognitionFailed(Permanent):
    """The engine cannot make anything of a recording; the message is the engine's reason, for a person."""

    error_class = "recognition_failed"


class EngineUnavailable(Retryable):
    """The engine's model cannot be loaded or reached."""

    error_class = "engine_unavailable"


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineInfo:
    """The identity of an engine, which is part of every transcript, so that a result can be traced to its model.

    `digest` is the SHA-256 of the model's weights (hex); `languages` are BCP 47 primary languages.
    """

    name: str
    model: str
    digest: str
    languages: frozenset[str]


class SpeechEngine(Protocol):
    """What engines of both kinds have. A process has one instance of each."""

    @property
    def info(self) -> EngineInfo:
        """Name, model, digest and languages."""

    def refusal(self, options: RecognitionOptions) -> Unsupported | None:
        """Why the engine cannot serve these options; None if it can. Cheap: nothing is opened."""

    def close(self) -> None:
        """Release the model. Nothing is recognised afterwards."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """Utterances of one recording that the engine decodes in one go; those of one channel are in order of time."""

    utterances: tuple[Utterance, ...]

    def __post_init__(self) -> None:
        if not self.utterances:
            raise ValueError("a pack holds utterances")


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSpeech:
    """An utterance as far as it is spoken, and what is asked of the engine about it."""

    utterance: Utterance
    options: RecognitionOptions


@runtime_checkable
class UtteranceEngine(SpeechEngine, Protocol):
    """An engine that recognises utterances. Every method may be called from several threads at once.

    Results are a function of the audio and the options alone: not of threads, of order, or of what was decoded before.
    """

    def packs(self, utterances: Iterable[Utterance]) -> Iterator[Pack]:
        """Group utterances for efficient decoding. Pure and lazy: it holds no more than the open packs.

        Utterances of one channel come in order of time; channels may be interleaved. Every utterance is in exactly one
        pack, and those of one channel come out in order of time.
        """

    def decode(self, pack: Pack, options: RecognitionOptions) -> list[Recognition]:
        """Recognise each utterance of the pack, in order. Blocks: call it in a thread.

        Raises:
            Unsupported: the engine cannot serve the options.
        """

    def hypothesis_window_ms(self, duration_ms: int) -> int:
        """How much audio the engine decodes for a hypothesis of so much speech. Those with the same cost less together."""

    def hypotheses(self, spoken: Sequence[OpenSpeech]) -> list[Recognition]:
        """Recognise what was said so far in each, in order. Blocks: call it in a thread.

        May be less exact, and cheaper, than `decode`: words need not have times.

        Raises:
            Unsupported: the engine cannot serve the options of one of them.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class CallAudio:
    """The next audio of a recording or a call: all channels, with `position` samples of the call before it.

    It begins where the audio before it ended, or later: then there is no audio in between, and open utterances have ended.
    `samples` are float32 at 16 kHz, shape (channels, samples).
    """

    position: int
    samples: Samples = field(repr=False, compare=False)

    @property
    def end(self) -> int:
        """The position after it."""
        return self.position + int(self.samples.shape[1])

    @property
    def end_ms(self) -> int:
        """Where the audio ends, in whole milliseconds."""
        return self.end // SAMPLES_PER_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class _Span:
    """A span of a channel, and what was said in it."""

    channel: int
    start_ms: int
    duration_ms: int
    recognition: Recognition
    #: The engine that heard it, where that is not the one of the session.
    engine: EngineInfo | None = None

    @property
    def end_ms(self) -> int:
        """Where the span ends."""
        return self.start_ms + self.duration_ms


class FinalAnswer(_Span):
    """What was said in a span of a channel. No later answer on that channel begins before its end."""


class PartialAnswer(_Span):
    """What was said so far in an utterance that is not over. The next one replaces it, and the final answer that has the same
    start ends it. An engine need not give any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SilentUntil:
    """No later answer on a channel begins before `until_ms`, so that less audio is sent again after a crash."""

    channel: int
    until_ms: int


Answer = FinalAnswer | PartialAnswer | SilentUntil


class CallSession(Protocol):
    """A session of a call engine for one recording or one live call. Used on one event loop."""

    async def send(self, audio: CallAudio) -> None:
        """Send the next audio. Returns when the engine can take more.

        Raises:
            EngineUnavailable: the session is lost; the caller opens another one, and sends what was not answered yet.
        """

    async def finish(self) -> None:
        """End the audio."""

    def answers(self) -> AsyncIterator[Answer]:
        """The answers as they come, those of one channel in order of time; they end some time after `finish`.

        Raises:
            EngineUnavailable: as `send`.
        """

    async def close(self) -> None:
        """Release what the session holds, at any time. A second call does nothing."""


@runtime_checkable
class CallEngine(SpeechEngine, Protocol):
    """An engine that takes a recording or a live call as a whole, cuts it itself, and answers when it likes.

    It need not give the same result for the same audio twice. A process that takes over a live call opens another session and
    sends the audio after the last final answers. So answers must depend on the audio since then alone.
    """

    def open(self, *, channels: int, options: RecognitionOptions) -> CallSession:
        """Open a session with a number of channels.

        Raises:
            Unsupported: the engine cannot serve the options.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingReference:
    """Where a recording is, and what is asked of the engine about it.

    `channels` are those that its submitter named, all of which must be answered for; empty: those that it has.
    """

    call_id: str
    recording_id: str
    url: str
    channels: tuple[int, ...]
    options: RecognitionOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingAnswer:
    """All that was said in a recording: in order of start and channel, and no two on a channel with the same start."""

    finals: tuple[FinalAnswer, ...]
    channel_count: int
    duration_ms: int


@runtime_checkable
class RecordingEngine(SpeechEngine, Protocol):
    """An engine that fetches a recording itself and recognises it as a whole. Used on one event loop.

    It need not give the same result for the same recording twice, and is not asked to: a reference that it has answered, or is
    working on, is given to it again after a crash, in this process or another, and is then not recognised (or paid for) anew.
    It answers the same as before. It is a component of the service, with `run` and `stop`.
    """

    async def recognise(self, recording: RecordingReference) -> RecordingAnswer:
        """Recognise a recording. May take hours, and be cancelled at any time: the work goes on, for whoever asks again.

        Raises:
            Unsupported: the engine cannot serve the options, or cannot fetch from such a place.
            RecognitionFailed: it cannot make anything of the recording, or not of all its channels.
            EngineUnavailable: it cannot be reached; ask again later.
        """

    async def forget(self, recording: RecordingReference) -> None:
        """Give up a recording that is no longer wanted, in bounded time. One that it does not have is no error."""

    async def run(self) -> None:
        """Work until `stop`."""

    async def stop(self) -> None:
        """Have `run` return, and calls of `recognise` end with `EngineUnavailable`."""
