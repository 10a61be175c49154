"""The live half of the engine `azure`: calls are recognised by Azure Speech while they are spoken. Used on one event loop."""

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor

from steno.events.recognition import RecognitionOptions
from steno_transcriber.azure.live_access import LiveAccess
from steno_transcriber.azure.live_run import LiveShared
from steno_transcriber.azure.live_session import LiveSession
from steno_transcriber.azure.speech_sdk import OpenStream, load
from steno_transcriber.azure.stream_line import StreamLine
from steno_transcriber.engines.port import EngineInfo, Unsupported, UnsupportedLocale, UnsupportedModel
from steno_transcriber.engines.refusals import asked_locales, languages_of

MOST_CANDIDATES = 10
"""Languages among which the service chooses while people speak ("Language identification")."""

_ENDPOINT_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_THREADS = 32


class AzureLiveEngine:
    """See `CallEngine`."""

    def __init__(
        self,
        info: EngineInfo,
        access: LiveAccess,
        *,
        streams: int,
        stereo: bool,
        open_stream: OpenStream | None = None,
    ) -> None:
        """
        Args:
            streams: How many are open at once at most.
            stereo: Whether the endpoints tell the channels of a stream of two apart; else a channel has a stream of its own.
            open_stream: Opens a stream; by default by the Speech SDK.

        Raises:
            EngineUnavailable: the Speech SDK is not installed.
        """
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="azure")
        self._shared = LiveShared(
            access=access,
            line=StreamLine(streams),
            open_stream=open_stream or load(),
            threads=self._threads,
            stereo=stereo,
        )
        self._info = info

    @property
    def info(self) -> EngineInfo:
        """Name, model and languages."""
        return self._info

    def refusal(self, options: RecognitionOptions) -> Unsupported | None:
        """See `SpeechEngine`."""
        if options.model not in ("", self._info.model) and not _ENDPOINT_ID.fullmatch(options.model):
            return UnsupportedModel(f"the model {options.model} is not the id of a custom endpoint of Azure")
        asked = tuple(asked_locales(options))
        if not asked:
            return UnsupportedLocale("Azure needs a language, or candidates among which it chooses")
        if not languages_of(self._info, options):
            return UnsupportedLocale(f"Azure does not know the language of {', '.join(asked)}")
        if not options.locale and len(asked) > MOST_CANDIDATES:
            return Unsupported(f"Azure chooses among {MOST_CANDIDATES} languages at most, not {len(asked)}")
        return None

    def open(self, *, channels: int, options: RecognitionOptions) -> LiveSession:
        """See `CallEngine`."""
        if (refusal := self.refusal(options)) is not None:
            raise refusal
        known = [locale for locale in options.candidate_locales if locale.split("-")[0].lower() in self._info.languages]
        model = "" if options.model == self._info.model else options.model
        asked = options.model_copy(update={"candidate_locales": tuple(known), "model": model})
        return LiveSession(self._shared, channels=channels, options=asked)

    async def stop(self) -> None:
        """Waits until all streams have ended."""
        self._shared.line.close()
        while self._shared.ending:
            await asyncio.gather(*self._shared.ending, return_exceptions=True)

    def close(self) -> None:
        """See `SpeechEngine`. Streams that do not end are not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)
