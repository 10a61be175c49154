"""The live half of the engine `azure`: calls are recognised by Azure Speech while they are spoken. Used on one event loop."""

import asyncio
import contextlib
import re
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import structlog

from steno.errors import StenoError
from steno.events.recognition import RecognitionOptions
from steno_transcriber import metrics
from steno_transcriber.azure.availability import Availability
from steno_transcriber.azure.live_access import LiveAccess
from steno_transcriber.azure.live_run import LiveShared
from steno_transcriber.azure.live_session import LiveSession
from steno_transcriber.azure.speech_sdk import OpenStream, load
from steno_transcriber.azure.standby import OpenStandby, StandbySession
from steno_transcriber.azure.stream_line import StreamLine
from steno_transcriber.engines.port import CallAudio, CallSession, EngineInfo, Unsupported, UnsupportedLocale, UnsupportedModel
from steno_transcriber.engines.refusals import asked_locales, languages_of
from steno_transcriber.speech import SAMPLE_RATE

log = structlog.get_logger("steno.transcriber.azure")

MOST_CANDIDATES = 10
"""Languages among which the service chooses while people speak ("Language identification")."""

_ENDPOINT_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_THREADS = 128
"""Few are busy, but a stream that is ended while it connects may hold one for ten seconds."""

PROBE_SECONDS = 5.0
"""How often Azure is tried that did not answer."""

PROBE_LIMIT_SECONDS = 10.0
"""How long such a trial may take."""

PROBE_SAMPLES = SAMPLE_RATE // 2


class AzureLiveEngine:
    """See `CallEngine`."""

    def __init__(
        self,
        info: EngineInfo,
        access: LiveAccess,
        *,
        streams: int,
        stereo: bool,
        fallback_seconds: float = 0.0,
        standby: OpenStandby | None = None,
        open_stream: OpenStream | None = None,
    ) -> None:
        """
        Args:
            streams: How many are open at once at most.
            stereo: Whether the endpoints tell the channels of a stream of two apart; else a channel has a stream of its own.
            fallback_seconds: After so long without an answer of Azure calls go to the engine that stands by; 0: never.
            standby: Opens a session of that engine.
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
            availability=Availability(fallback_seconds if standby else 0.0),
            stereo=stereo,
        )
        self._info = info
        self._standby = standby
        self._probing: asyncio.Task[None] | None = None

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

    def open(self, *, channels: int, options: RecognitionOptions) -> CallSession:
        """See `CallEngine`. While Azure does not answer it is a session of the engine that stands by."""
        if (refusal := self.refusal(options)) is not None:
            raise refusal
        if self._shared.availability.unavailable and self._standby is not None:
            with contextlib.suppress(Unsupported):  # then the call waits for Azure
                session = StandbySession(self._standby(channels, options), self._shared.availability)
                metrics.AZURE_STANDBY_SESSIONS.inc()
                if self._probing is None or self._probing.done():
                    self._probing = asyncio.create_task(self._probe(self._asked(options)))
                return session
        return LiveSession(self._shared, channels=channels, options=self._asked(options))

    def _asked(self, options: RecognitionOptions) -> RecognitionOptions:
        known = [locale for locale in options.candidate_locales if locale.split("-")[0].lower() in self._info.languages]
        model = "" if options.model == self._info.model else options.model
        return options.model_copy(update={"candidate_locales": tuple(known), "model": model})

    async def stop(self) -> None:
        """Waits until all streams have ended."""
        if self._probing is not None:
            self._probing.cancel()
            await asyncio.gather(self._probing, return_exceptions=True)
        self._shared.line.close()
        while self._shared.ending:
            await asyncio.gather(*self._shared.ending, return_exceptions=True)

    def close(self) -> None:
        """See `SpeechEngine`. Streams that do not end are not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _probe(self, options: RecognitionOptions) -> None:
        """Sends a little silence again and again, until Azure answers."""
        silence = CallAudio(position=0, samples=np.zeros((1, PROBE_SAMPLES), dtype=np.float32))
        while self._shared.availability.in_doubt:
            await asyncio.sleep(PROBE_SECONDS)
            session = LiveSession(self._shared, channels=1, options=options)
            try:
                async with asyncio.timeout(PROBE_LIMIT_SECONDS):
                    await session.send(silence)
                    await session.finish()
            except (StenoError, TimeoutError) as error:
                log.info("azure.still_unavailable", reason=str(error) or "no answer")
            finally:
                await session.close()
