"""The live engine of Azure before a far end of the tests, by the real Speech SDK."""

import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
from steno_transcriber.azure.credentials import Credentials
from steno_transcriber.azure.endpoints import Endpoint, parse_endpoint
from steno_transcriber.azure.languages import LANGUAGES
from steno_transcriber.azure.live_access import LiveAccess
from steno_transcriber.azure.live_engine import AzureLiveEngine
from steno_transcriber.azure.settings import AzureSettings
from steno_transcriber.engines.port import EngineInfo

INFO = EngineInfo(name="azure", model="speech", digest=hashlib.sha256(b"Azure Speech").hexdigest(), languages=LANGUAGES)
KEY = "0123456789abcdef0123456789abcdef"


@asynccontextmanager
async def azure_engine(
    folder: Path, hosts: Sequence[str], *, keys: str = KEY, streams: int = 100, stereo: bool = False
) -> AsyncIterator[AzureLiveEngine]:
    """An engine for these hosts, with the lines of a file of keys."""
    file = folder / "azure-keys"
    file.write_text(keys + "\n", "utf-8")
    file.chmod(0o600)
    endpoints: tuple[Endpoint, ...] = tuple(parse_endpoint(host) for host in hosts)
    settings = AzureSettings(endpoints=endpoints, keys_file=file)
    async with httpx.AsyncClient() as http:
        access = LiveAccess(endpoints, Credentials(settings, http))
        engine = AzureLiveEngine(INFO, access, streams=streams, stereo=stereo)
        try:
            yield engine
        finally:
            await engine.stop()
            engine.close()
