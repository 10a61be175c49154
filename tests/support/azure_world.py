"""An Azure engine in this process, the emulator, and a server of recordings, all on loopback."""

import asyncio
import io
import wave
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from aiohttp import web
from steno_transcriber.azure.batch import AzureBatch, MakeFast
from steno_transcriber.azure.endpoints import parse_endpoint
from steno_transcriber.azure.settings import AzureSettings
from steno_transcriber.engines.port import EngineUnavailable, RecordingAnswer, RecordingReference
from support.azure_emulator import AzureEmulator, serving
from support.engine_contract import at_work
from support.recognition_options import ENGLISH

from steno.retry import RetryPolicy
from steno.settings import LinkSettings
from steno.storage.objects import ObjectStore

PAUSES = RetryPolicy(first_seconds=0.2, longest_seconds=0.2)


def wav(*, channels: int = 2, seconds: float = 6, rate: int = 8000) -> bytes:
    """A recording of noise."""
    samples = np.random.default_rng(1).integers(-3000, 3000, (int(seconds * rate), channels), dtype=np.int16)
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())
    return content.getvalue()


@asynccontextmanager
async def serving_recordings(**recordings: bytes) -> AsyncIterator[str]:
    """Serves recordings as `URL/NAME.wav`; every other name is a stereo recording, but for `none`."""
    usual = wav()

    async def answer(request: web.Request) -> web.Response:
        name = request.match_info["name"].removesuffix(".wav")
        if name == "none":
            return web.Response(status=404)
        return web.Response(body=recordings.get(name, usual))

    app = web.Application()
    app.router.add_get("/{name}", answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@dataclass(kw_only=True)
class AzureWorld:
    """Emulators, and what makes engines that use them and share one store."""

    folder: Path
    recordings_url: str
    azures: list[AzureEmulator]
    urls: list[str]
    store: ObjectStore
    #: The clock of the engines goes ahead by so much.
    ahead: timedelta = field(default_factory=timedelta)

    @property
    def azure(self) -> AzureEmulator:
        """The first one."""
        return self.azures[0]

    def engine(self, *, make_fast: MakeFast | None = None, links: LinkSettings | None = None, **settings: Any) -> AzureBatch:
        """Makes an engine, as a process has one; it is not at work yet."""
        keys = self.folder / "keys"
        if not keys.exists():
            keys.write_text("key-one key-two\n")
        given = {"endpoints": tuple(map(parse_endpoint, self.urls)), "keys_file": keys, "job_seconds": 0.05, **settings}
        return AzureBatch(
            AzureSettings.model_validate(given),
            links or LinkSettings(),
            self.store,
            make_fast=make_fast,
            clock=lambda: datetime.now(UTC) + self.ahead,
            pauses=PAUSES,
        )

    def recording(self, name: str = "a", *, channels: tuple[int, ...] = (0, 1), **changes: Any) -> RecordingReference:
        """A recording with a URL of its own."""
        given = {
            "call_id": f"call-{name}",
            "recording_id": f"recording-{name}",
            "url": f"{self.recordings_url}/{name}.wav",
            "channels": channels,
            "options": ENGLISH,
            **changes,
        }
        return RecordingReference(**given)


@asynccontextmanager
async def azure_world(
    folder: Path, *, endpoints: int = 1, azures: list[AzureEmulator] | None = None, **recordings: bytes
) -> AsyncIterator[AzureWorld]:
    """A world with some endpoints."""
    azures = azures or [AzureEmulator() for _ in range(endpoints)]
    async with serving_recordings(**recordings) as recordings_url:
        servers = [serving(azure) for azure in azures]
        urls = [await server.__aenter__() for server in servers]
        try:
            yield AzureWorld(
                folder=folder,
                recordings_url=recordings_url,
                azures=azures,
                urls=urls,
                store=ObjectStore((folder / "objects").as_uri()),
            )
        finally:
            for server in servers:
                await server.__aexit__(None, None, None)


async def handled(engine: AzureBatch, recording: RecordingReference, *, seconds: float = 30) -> RecordingAnswer:
    """The answer for a recording, which is asked for again while the engine is unavailable, as Kafka's kernel does."""
    async with asyncio.timeout(seconds):
        while True:
            try:
                return await engine.recognise(recording)
            except EngineUnavailable:
                await asyncio.sleep(0.05)


async def eventually(condition: Callable[[], bool], *, seconds: float = 20) -> None:
    """Returns when a condition holds."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


__all__ = ["AzureWorld", "at_work", "azure_world", "eventually", "handled", "serving_recordings", "wav"]
