"""The emulator of Azure as a process, which can be killed; its state is in a folder."""

import asyncio
import os
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp
from support.azure_emulator import MadeJob

TESTS = Path(__file__).resolve().parents[1]


class AzureProcess:
    """Runs `python -m support.azure_emulator`; a test may kill and start it several times, on the same port."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: asyncio.subprocess.Process | None = None
        self.url = ""

    async def start(self) -> None:
        """Starts it, and waits until it listens."""
        port = self.url.rpartition(":")[2] or "0"
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "support.azure_emulator", str(self._folder), port),
            cwd=TESTS,
            env={**os.environ, "PYTHONPATH": str(TESTS)},
            stdout=asyncio.subprocess.PIPE,
        )
        assert self._process.stdout is not None
        async with asyncio.timeout(60):
            self.url = (await self._process.stdout.readline()).decode().strip()
        assert self.url

    async def kill(self) -> None:
        """Kills it (SIGKILL)."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGKILL)
            await self._process.wait()

    async def set_faults(self, **faults: Any) -> None:
        """Changes what goes wrong."""
        async with aiohttp.ClientSession() as session, session.post(f"{self.url}/_faults", json=faults) as answer:
            assert answer.status == 200

    async def jobs(self) -> list[MadeJob]:
        """All jobs ever made."""
        async with aiohttp.ClientSession() as session, session.get(f"{self.url}/_state") as answer:
            return [MadeJob(**job) for job in (await answer.json())["jobs"]]

    async def sent(self) -> Counter[str]:
        """How often each recording was sent, by its URL without signature."""
        return Counter(url for job in await self.jobs() for url in job.urls)
