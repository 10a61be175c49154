"""The notifier as a process of its own."""

import asyncio
import json
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

from steno.http.auth import key_line, make_key

PARTITIONS = 2


class NotifierProcess:
    """Runs `python -m steno_notifier` on a database of its own until the block is left."""

    def __init__(self, folder: Path, servers: str, prefix: str, secret_key: str, **environment: str) -> None:
        self.key = make_key()
        (folder / "keys").write_text(key_line("test", self.key), "utf-8")
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("STENO_", "KAFKA_"))},
            "KAFKA_BOOTSTRAP_SERVERS": servers,
            "STENO_TOPIC_PREFIX": prefix,
            "STENO_TOPIC_PARTITIONS": str(PARTITIONS),
            "STENO_NOTIFIER_SECRET_KEY": secret_key,
            "STENO_NOTIFIER_API_KEYS_FILE": str(folder / "keys"),
            "STENO_NOTIFIER_DATABASE_URL": f"sqlite:///{folder}/notifier.db",
            "STENO_NOTIFIER_ALLOWED_NETWORKS": "127.0.0.0/8,::1/128",
            "STENO_NOTIFIER_RETRY_SECONDS": "0.2,0.2",
            "STENO_NOTIFIER_DRAIN_SECONDS": "10",
            **environment,
        }
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._url: asyncio.Future[str] | None = None
        #: What it wrote to its log, all starts.
        self.log = ""

    async def start(self) -> None:
        """Starts the process; does not wait for it to be ready."""
        self._url = asyncio.get_running_loop().create_future()
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "steno_notifier", env=self._environment, stderr=asyncio.subprocess.PIPE
        )
        self._reading = asyncio.create_task(self._read(self._process, self._url))

    async def ready(self) -> None:
        """Returns when it says it is ready."""
        async with asyncio.timeout(60):
            while True:
                with suppress(aiohttp.ClientConnectionError):
                    if (await self.get("/health/ready"))[0] == 200:
                        return
                await asyncio.sleep(0.05)

    async def get(self, path: str, **parameters: str) -> tuple[int, str]:
        """Status and text of an answer of its HTTP server, asked with a valid key."""
        assert self._url is not None
        headers = {"X-Api-Key": self.key}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.get(await self._url + path, params=parameters) as answer,
        ):
            return answer.status, await answer.text()

    async def deliveries(self, **parameters: str) -> list[Any]:
        """What it lists."""
        status, text = await self.get("/v1/deliveries", **parameters)
        assert status == 200, text
        listed: list[Any] = json.loads(text)["deliveries"]
        return listed

    async def settled(self, **parameters: str) -> list[Any]:
        """What it lists, once all of it has come to an end."""
        async with asyncio.timeout(60):
            while True:
                listed = await self.deliveries(**parameters)
                if listed and all(entry["due_at"] is None for entry in listed):
                    return listed
                await asyncio.sleep(0.05)

    async def kill(self) -> None:
        """kill -9."""
        assert self._process is not None
        self._process.kill()
        await self._ended()

    async def stop(self) -> int:
        """SIGTERM; the exit status."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return await self._ended()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None and self._process.returncode is None:
            await self.kill()
        if error is not None:
            print(self.log[-20_000:])

    async def _ended(self) -> int:
        assert self._process is not None
        assert self._reading is not None
        async with asyncio.timeout(60):
            status = await self._process.wait()
            await self._reading
        return status

    async def _read(self, process: asyncio.subprocess.Process, url: asyncio.Future[str]) -> None:
        assert process.stderr is not None
        async for line in process.stderr:
            self.log += line.decode("utf-8", "replace")
            with suppress(ValueError):
                entry = json.loads(line)
                if entry.get("event") == "service.listening" and not url.done():
                    url.set_result(entry["url"])
        if not url.done():
            url.set_exception(AssertionError(f"the notifier ended before it listened:\n{self.log[-5_000:]}"))
