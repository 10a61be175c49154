"""Fast transcription: a short recording is sent to Azure, which answers at once. Where it cannot, it goes into a job."""

import asyncio
import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from steno.errors import Permanent
from steno_transcriber import metrics
from steno_transcriber.audio.decoders import Decoders
from steno_transcriber.audio.errors import DecoderDied, UnreadableAudio
from steno_transcriber.azure.client import AzureClient, RequestRefused
from steno_transcriber.azure.endpoints import Endpoint
from steno_transcriber.azure.result import Result, UnreadableResult, read_fast
from steno_transcriber.azure.wire import locales_of
from steno_transcriber.engines.port import EngineUnavailable, RecordingReference
from steno_transcriber.fetch.fetcher import FetchedAudio, Fetcher

log = structlog.get_logger("steno.transcriber.azure")

AT_ONCE = 4
"""Recordings that are fetched and sent at once: each is in memory."""

MOST_CHANNELS = 2
MOST_BYTES = 200 << 20
"""Of one recording (Azure takes less than 250 MB)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Short:
    audio: bytes
    channels: int


class FastTranscription:
    """Recognises recordings shorter than a number of seconds."""

    def __init__(
        self,
        client: AzureClient,
        endpoints: Sequence[Endpoint],
        fetcher: Fetcher,
        decoders: Decoders,
        *,
        seconds: float,
    ) -> None:
        self._client = client
        self._endpoints = endpoints
        self._fetcher = fetcher
        self._decoders = decoders
        self._most_ms = seconds * 1000
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def recognise(self, recording: RecordingReference) -> Result | None:
        """Recognises a recording; None where it is too long, or no endpoint serves it so: then it goes into a job."""
        async with self._turns:
            try:
                short = await self._read(recording)
            except Permanent as error:
                # Azure may be able to fetch or decode what is not possible here; otherwise it says why.
                log.info("azure.fast_not_possible", recording_id=recording.recording_id, reason=str(error))
                return None
            return None if short is None else await self._ask(recording, short)

    async def _read(self, recording: RecordingReference) -> _Short | None:
        async with self._fetcher.fetch(recording.url) as audio:
            stop = threading.Event()
            try:
                return await asyncio.to_thread(self._measure, audio, stop)
            except DecoderDied as error:
                raise UnreadableAudio(str(error)) from None
            finally:
                stop.set()

    def _measure(self, audio: FetchedAudio, stop: threading.Event) -> _Short | None:
        """Reads a recording, if it is short. Blocks."""
        if audio.path.stat().st_size > MOST_BYTES:
            return None
        with self._decoders.open(audio.path, name=audio.name, headerless=None, stop=stop.is_set) as file:
            for _ in file.blocks():
                if file.duration_ms >= self._most_ms:
                    return None
            if file.format.channels > MOST_CHANNELS:
                return None
            return _Short(audio=audio.path.read_bytes(), channels=file.format.channels)

    async def _ask(self, recording: RecordingReference, short: _Short) -> Result | None:
        options = recording.options
        definition = {"locales": locales_of(options)}
        settings = {"channels": list(range(short.channels)), "profanityFilterMode": "None"}
        for endpoint in self._endpoints:
            try:
                content = await self._client.transcribe(
                    endpoint, audio=short.audio, definition=json.dumps(definition | settings)
                )
                result = await asyncio.to_thread(read_fast, content, language=options.locale)
            except (EngineUnavailable, RequestRefused, UnreadableResult) as error:
                log.info("azure.fast_not_answered", endpoint=endpoint.name, reason=str(error))
                continue
            seconds = result.answer.duration_ms / 1000 * short.channels
            metrics.AZURE_AUDIO_SECONDS.labels(endpoint.name, "fast").inc(seconds)
            return result
        return None
