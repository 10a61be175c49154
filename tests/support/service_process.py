"""A service as a process."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import aiohttp

_SECONDS = 60


class ServiceProcess:
    """Runs `python -m steno_SERVICE` inside the block; a test may start it several times."""

    def __init__(
        self, service: str, *, servers: str, prefix: str, partitions: int, environment: Mapping[str, str], key: str = ""
    ) -> None:
        """
        Args:
            servers: Kafka's addresses.
            prefix: Of its topics, each of which has so many partitions.
            environment: Its own settings.
            key: API key that is sent with every request.
        """
        kept = {
            name: value
            for name, value in os.environ.items()
            if name == "STENO_CACHE" or not name.startswith(("STENO_", "KAFKA_"))
        }
        self.environment = {
            **kept,
            "KAFKA_BOOTSTRAP_SERVERS": servers,
            "STENO_TOPIC_PREFIX": prefix,
            "STENO_TOPIC_PARTITIONS": str(partitions),
            **environment,
        }
        #: Log lines of all starts.
        self.lines: list[dict[str, Any]] = []
        self._service = service
        self._headers = {"X-Api-Key": key} if key else {}
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._url: asyncio.Future[str] | None = None

    @property
    def pid(self) -> int:
        """The id of the running process."""
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether there is a process."""
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Starts the process; does not wait for it to be ready."""
        self._url = asyncio.get_running_loop().create_future()
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", f"steno_{self._service}"), env=self.environment, stderr=asyncio.subprocess.PIPE
        )
        self._reading = asyncio.create_task(self._read(self._process, self._url))

    async def ready(self) -> None:
        """Waits until it is ready."""
        async with asyncio.timeout(_SECONDS):
            while True:
                with suppress(aiohttp.ClientConnectionError):
                    if (await self.request("GET", "/health/ready"))[0] == 200:
                        return
                assert self.running, f"{self._service} ended before it was ready: {self.lines[-5:]}"
                await asyncio.sleep(0.02)

    async def url(self) -> str:
        """Waits until its HTTP server listens, and returns its URL."""
        assert self._url is not None
        return await asyncio.wait_for(asyncio.shield(self._url), _SECONDS)

    def session(self) -> aiohttp.ClientSession:
        """A client that sends its key."""
        return aiohttp.ClientSession(headers=self._headers)

    async def request(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        """Sends a request, once its HTTP server listens; returns status and body, parsed if it is JSON."""
        url = await self.url()
        async with self.session() as session, session.request(method, url + path, **options) as answer:
            body = await answer.text()
            return answer.status, json.loads(body) if "json" in answer.content_type else body

    async def metrics(self) -> str:
        """Returns its metrics."""
        return str((await self.request("GET", "/metrics"))[1])

    async def kill(self) -> None:
        """Kills it (SIGKILL)."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> int:
        """Stops it (SIGTERM), and returns its exit status."""
        return await self._end(signal.SIGTERM)

    async def ended(self) -> int:
        """Waits until it ends by itself, and returns its exit status."""
        assert self._process is not None
        assert self._reading is not None
        status = await self._process.wait()
        await self._reading
        return status

    async def _end(self, number: signal.Signals) -> int:
        assert self._process is not None
        with suppress(ProcessLookupError):
            self._process.send_signal(number)
        return await asyncio.wait_for(self.ended(), _SECONDS)

    async def _read(self, process: asyncio.subprocess.Process, url: asyncio.Future[str]) -> None:
        assert process.stderr is not None
        async for raw in process.stderr:
            try:
                line = json.loads(raw)
            except ValueError:
                line = {"event": raw.decode(errors="replace").rstrip()}
            self.lines.append(line)
            if line.get("event") == "service.listening" and not url.done():
                url.set_result(line["url"])
        if not url.done():
            url.set_exception(AssertionError(f"{self._service} ended before it listened: {self.lines[-5:]}"))
            url.exception()  # a test need not ask for it

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.running:
            await self.kill()
        # Shown by pytest where the test has failed.
        print(*map(json.dumps, self.lines), sep="\n")
