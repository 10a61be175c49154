"""The whole suite, as `steno up` runs it, for end-to-end tests."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp

from steno.cli import api, run_file
from steno.cli.api import Api
from steno.cli.webhook_receiver import WebhookReceiver

SAMPLES = sorted((Path(__file__).parents[2] / "samples").glob("*.wav"))
_READY_SECONDS = 90


class SuiteUnderTest:
    """A running suite with its own data folder."""

    def __init__(self, data: Path, process: asyncio.subprocess.Process) -> None:
        self.data = data
        self._process = process

    @property
    def kafka(self) -> str:
        """The bootstrap servers."""
        return str(run_file.read(self.data)["kafka"])

    def url(self, service: str) -> str:
        """Returns the base URL of a service."""
        return str(run_file.read(self.data)["services"][service]["url"])

    def pid(self, service: str) -> int | None:
        """Returns the process id of a service; None while it is restarted."""
        pid: int | None = run_file.read(self.data)["services"][service]["pid"]
        return pid

    async def kill(self, service: str) -> None:
        """Kills a service (SIGKILL), and waits until a new process has started."""
        await self._end(service, signal.SIGKILL, seconds=10)

    async def terminate(self, service: str) -> None:
        """Stops a service in order (SIGTERM), and waits until a new process has started."""
        await self._end(service, signal.SIGTERM, seconds=40)

    async def _end(self, service: str, number: signal.Signals, *, seconds: float) -> None:
        before = self.pid(service)
        assert before is not None, f"{service} does not run"
        os.kill(before, number)
        async with asyncio.timeout(seconds):
            while self.pid(service) in (None, before):
                await asyncio.sleep(0.02)

    async def ready(self, service: str) -> None:
        """Waits until a restarted service is ready."""
        async with asyncio.timeout(_READY_SECONDS), aiohttp.ClientSession() as session:
            while True:
                with suppress(aiohttp.ClientConnectionError):
                    async with session.get(f"{self.url(service)}/health/ready") as answer:
                        if answer.status == 200:
                            return
                await asyncio.sleep(0.05)

    async def stop(self) -> int:
        """Interrupts `steno up`, and returns its exit status."""
        self._process.send_signal(signal.SIGINT)
        return await asyncio.wait_for(self._process.wait(), 90)


@asynccontextmanager
async def running_suite(data: Path, environment: Mapping[str, str]) -> AsyncIterator[SuiteUnderTest]:
    """Runs `steno up` with a folder until it is ready, and stops it afterwards. Its output is shown if it fails to start."""
    log = data / "up.log"
    data.mkdir(parents=True, exist_ok=True)
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("STENO_", "KAFKA_"))}
    kept = {name: value for name, value in os.environ.items() if name in ("STENO_CACHE", "STENO_BROKER_JAVA")}
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "steno.cli", "up", "--data", str(data)),
            env={**clean, **kept, "STENO_NOTIFIER_ALLOWED_NETWORKS": "127.0.0.0/8", **environment},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
        )
    try:
        async with asyncio.timeout(_READY_SECONDS):
            while "Steno is up" not in log.read_text():
                assert process.returncode is None, f"steno up ended:\n{log.read_text()}"
                await asyncio.sleep(0.1)
        yield SuiteUnderTest(data, process)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
            try:
                await asyncio.wait_for(process.wait(), 90)
            except TimeoutError:
                process.kill()
                await process.wait()


@asynccontextmanager
async def connected(suite: SuiteUnderTest) -> AsyncIterator[Api]:
    """Opens a client of the suite's REST API."""
    async with api.connect_api(api.find_api(suite.data)) as client:
        yield client


async def events_told(receiver: WebhookReceiver, count: int) -> list[tuple[str, str]]:
    """Waits for a number of events, and returns the type and recording of each."""
    told: list[tuple[str, str]] = []
    async with asyncio.timeout(120):
        while len(told) < count:
            told += [(event.type, event.recording_id) for event in receiver.pop_events()]
            await asyncio.sleep(0.1)
    return told


def words_of(transcript: Mapping[str, Any]) -> list[tuple[int, int, int, str]]:
    """Returns channel, start, duration and text of each phrase of a transcript."""
    return [(phrase["channel"], phrase["start_ms"], phrase["duration_ms"], phrase["text"]) for phrase in transcript["phrases"]]
