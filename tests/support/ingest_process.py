"""Ingest as a process of its own."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

from steno.crypto import make_secret_key
from steno.http.auth import key_line

KEY = "steno_test"
PARTITIONS = 4


async def eventually(found: Callable[[], Awaitable[Any]], *, seconds: float = 30) -> Any:
    """The first answer that is not empty."""
    async with asyncio.timeout(seconds):
        while not (answer := await found()):
            await asyncio.sleep(0.02)
        return answer


class IngestProcess:
    """Runs `python -m steno_ingest` on a folder and a database until the block is left."""

    def __init__(self, servers: str, prefix: str, folder: Path, database_url: str, **settings: str) -> None:
        """
        Args:
            settings: Further settings, by the name behind `STENO_INGEST_`.
        """
        keys = folder / "api-keys"
        keys.write_text(key_line("tester", KEY), "utf-8")
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("STENO_", "KAFKA_"))},
            "KAFKA_BOOTSTRAP_SERVERS": servers,
            "STENO_TOPIC_PREFIX": prefix,
            "STENO_TOPIC_PARTITIONS": str(PARTITIONS),
            "STENO_OBJECTS_URL": (folder / "objects").as_uri(),
            "STENO_INGEST_DATABASE_URL": database_url,
            "STENO_INGEST_API_KEYS_FILE": str(keys),
            "STENO_INGEST_SECRET_KEY": make_secret_key(),
            "STENO_INGEST_DRAIN_SECONDS": "10",
            **{f"STENO_INGEST_{name.upper()}": value for name, value in settings.items()},
        }
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._session: aiohttp.ClientSession | None = None
        #: Log lines of all starts.
        self.lines: list[dict[str, Any]] = []
        self.url = ""

    def reach(self, servers: str) -> None:
        """From the next start on, Kafka is elsewhere."""
        self._environment["KAFKA_BOOTSTRAP_SERVERS"] = servers

    async def start(self) -> None:
        """Starts the process; returns when its door is open."""
        listening: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "steno_ingest", env=self._environment, stderr=asyncio.subprocess.PIPE
        )
        self._reading = asyncio.create_task(self._read(self._process, listening))
        self.url = await asyncio.wait_for(listening, 60)

    async def ready(self) -> None:
        """Returns when all its checks hold."""

        async def is_ready() -> bool:
            with suppress(aiohttp.ClientConnectionError):
                return (await self.request("GET", "/health/ready"))[0] == 200
            return False

        await eventually(is_ready, seconds=60)

    async def request(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        """Status and body (JSON where it is) of a request with a key."""
        assert self._session is not None
        async with self._session.request(method, self.url + path, **options) as response:
            body = await response.text()
            return response.status, json.loads(body) if "json" in response.content_type else body

    async def upload(self, audio: bytes, metadata: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Any:
        """POSTs a recording; the answer of its 202."""
        form = aiohttp.FormData()
        form.add_field("file", audio, filename="a.wav", content_type="audio/wav")
        form.add_field("metadata", json.dumps(metadata), content_type="application/json")
        status, answer = await self.request("POST", "/v1/recordings", data=form, headers=headers)
        assert status == 202, answer
        return answer

    async def state(self, recording_id: str) -> str:
        """The state of a recording; empty where there is none."""
        status, answer = await self.request("GET", f"/v1/recordings/{recording_id}")
        return str(answer["state"]) if status == 200 else ""

    async def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ends the process by a signal; gives its status."""
        assert self._process is not None
        assert self._reading is not None
        self._process.send_signal(number)
        status = await asyncio.wait_for(self._process.wait(), 60)
        await self._reading
        self._process = None
        return status

    async def _read(self, process: asyncio.subprocess.Process, listening: asyncio.Future[str]) -> None:
        assert process.stderr is not None
        async for raw in process.stderr:
            try:
                line = json.loads(raw)
            except ValueError:
                line = {"event": raw.decode("utf-8", "replace")}
            self.lines.append(line)
            if line["event"] == "service.listening" and not listening.done():
                listening.set_result(line["url"])
        if not listening.done():
            listening.set_exception(RuntimeError(f"ingest did not start: {self.lines[-20:]}"))

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(headers={"X-Api-Key": KEY})
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        assert self._session is not None
        await self._session.close()
        if self._process is not None and self._process.returncode is None:
            await self.end(signal.SIGKILL)
