"""The live engine of Azure before a far end of the tests, by the real Speech SDK."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

import httpx
from steno_transcriber.azure.credentials import Credentials
from steno_transcriber.azure.endpoints import Endpoint, parse_endpoint
from steno_transcriber.azure.languages import LANGUAGES
from steno_transcriber.azure.live_access import LiveAccess
from steno_transcriber.azure.live_engine import AzureLiveEngine
from steno_transcriber.azure.settings import AzureSettings
from steno_transcriber.azure.standby import OpenStandby
from steno_transcriber.engines.choice import Engine, Engines
from steno_transcriber.engines.port import EngineInfo
from support.live_bed import Bed, message
from support.live_calls import Entry

from steno.events.records import Phrase, Record

INFO = EngineInfo(name="azure", model="speech", digest=hashlib.sha256(b"Azure Speech").hexdigest(), languages=LANGUAGES)
KEY = "0123456789abcdef0123456789abcdef"


@asynccontextmanager
async def azure_engine(
    folder: Path,
    hosts: Sequence[str],
    *,
    keys: str = KEY,
    streams: int = 100,
    stereo: bool = False,
    fallback_seconds: float = 0.0,
    standby: OpenStandby | None = None,
) -> AsyncIterator[AzureLiveEngine]:
    """An engine for these hosts, with the lines of a file of keys."""
    file = folder / "azure-keys"
    file.write_text(keys + "\n", "utf-8")
    file.chmod(0o600)
    endpoints: tuple[Endpoint, ...] = tuple(parse_endpoint(host) for host in hosts)
    settings = AzureSettings(endpoints=endpoints, keys_file=file)
    async with httpx.AsyncClient() as http:
        access = LiveAccess(endpoints, Credentials(settings, http))
        engine = AzureLiveEngine(
            INFO, access, streams=streams, stereo=stereo, fallback_seconds=fallback_seconds, standby=standby
        )
        try:
            yield engine
        finally:
            await engine.stop()
            engine.close()


class LiveBed(Bed):
    """Calls of one process, by engines that answer in real time."""

    def __init__(self, *engines: Engine) -> None:
        super().__init__()
        self.between_attempts = 0.5
        if engines:
            self.engines = Engines(engines)
        self.handler = self.another()

    async def take(self, log: Sequence[Entry], *, pause: float = 0.0) -> None:
        """Hears the records of a call."""
        for entry in log:
            await self.handler.handle(message(entry))
            await asyncio.sleep(pause)

    async def reaches(self, kind: type[Record], count: int = 1, *, seconds: float = 40) -> None:
        """Waits until so many records of a kind are published."""
        async with asyncio.timeout(seconds):
            while len(self.topics.of(kind)) < count:
                await asyncio.sleep(0.02)

    @property
    def phrases(self) -> list[Phrase]:
        """What was published, in its order; none may come twice, or lie over another of its channel."""
        found = [phrase for phrase in self.topics.of(Phrase) if isinstance(phrase, Phrase)]
        assert len({phrase.phrase_id for phrase in found}) == len(found)
        for call_id, channel in {(phrase.call_id, phrase.channel) for phrase in found}:
            own = [phrase for phrase in found if (phrase.call_id, phrase.channel) == (call_id, channel)]
            assert all(one.start_ms + one.duration_ms <= next.start_ms for one, next in pairwise(own))
        return found

    @property
    def said(self) -> list[tuple[int, int, int, str]]:
        """Where and what, by channel and time."""
        return sorted((phrase.channel, phrase.start_ms, phrase.duration_ms, phrase.text) for phrase in self.phrases)
