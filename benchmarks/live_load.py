"""What the benchmarks of live calls share: a suite whose engine takes no time, and calls that a process of its own plays."""

import asyncio
import multiprocessing
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self

import psutil
from live_player import Played, Second, play
from measured import measured_suite

from steno.cli import api, run_file
from steno.cli.api import Api
from steno.cli.suite import Suite

_PLAY_SECONDS = 90


class CallsDoNotBegin(Exception):
    """Not as many calls play as were asked for, for long; the message says what became of the others."""


class Generator:
    """Plays calls from a process of its own, as many as it is told to, until it is stopped."""

    def __init__(self, url: str, key: str, *, prefix: str = "call", starts_a_second: float = 30, door: str = "stream") -> None:
        """
        Args:
            url: Of the server with the door, http://HOST:PORT.
            key: Opens it.
            prefix: Of the ids of the calls.
            starts_a_second: How fast calls are begun.
            door: Whose protocol they speak: `live_player.DOORS`.
        """
        context = multiprocessing.get_context("spawn")
        self._connection, self._theirs = context.Pipe()
        self._process = context.Process(target=play, args=(self._theirs, url, key, prefix, starts_a_second, door), daemon=True)
        self._news: asyncio.Queue[Second | Played] = asyncio.Queue()
        self._ended = asyncio.Event()

    async def play(self, calls: int) -> Second:
        """Has so many calls play, and returns once they do. Other calls are begun for those that are refused or cut off.

        Raises:
            CallsDoNotBegin: it takes too long.
        """
        self._connection.send(calls)
        until = time.monotonic() + _PLAY_SECONDS
        while (second := await self.second()).calls < calls:
            if second.at > until:
                raise CallsDoNotBegin(f"{second.calls} of {calls} calls play after {_PLAY_SECONDS} s; lost: {second.lost}")
        return second

    async def second(self) -> Second:
        """What it saw in a second that ends after this is called."""
        while not self._news.empty():
            self._news.get_nowait()
        second = await self._next()
        assert isinstance(second, Second)
        return second

    async def seconds(self, count: int) -> list[Second]:
        """What it sees in the next seconds."""
        return [await self.second() for _ in range(count)]

    async def stop(self) -> Played:
        """Ends it, and gives what it did. The calls are cut off."""
        self._connection.send(None)
        while not isinstance(told := await self._next(), Played):
            pass
        return told

    async def __aenter__(self) -> Self:
        self._process.start()
        self._theirs.close()
        asyncio.get_running_loop().add_reader(self._connection.fileno(), self._read)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.get_running_loop().remove_reader(self._connection.fileno())
        self._process.kill()
        await asyncio.to_thread(self._process.join)
        self._connection.close()

    async def _next(self) -> Second | Played:
        news, ended = asyncio.create_task(self._news.get()), asyncio.create_task(self._ended.wait())
        await asyncio.wait({news, ended}, return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        if not news.done():
            news.cancel()
            raise RuntimeError("the generator has ended; what it wrote says why")
        return news.result()

    def _read(self) -> None:
        try:
            self._news.put_nowait(self._connection.recv())
        except (EOFError, ConnectionError):
            self._ended.set()
            asyncio.get_running_loop().remove_reader(self._connection.fileno())


@asynccontextmanager
async def suite_without_engine() -> AsyncIterator[tuple[Suite, Api]]:
    """A suite whose engine takes no time (unless the environment names another), and that transcribes calls once."""
    os.environ.setdefault("STENO_TRANSCRIBER_ENGINE", "scripted")
    os.environ.setdefault("STENO_INGEST_SECOND_PASS", "false")
    async with measured_suite() as (suite, client):
        yield suite, client


def generator_for(suite: Suite, *, prefix: str = "call", starts_a_second: float = 30, door: str = "stream") -> Generator:
    """A generator at the suite's door."""
    place = api.find_api(suite.data)
    return Generator(place.url, place.key, prefix=prefix, starts_a_second=starts_a_second, door=door)


def processes(suite: Suite) -> dict[str, psutil.Process]:
    """The programs of a suite."""
    return {name: psutil.Process(entry["pid"]) for name, entry in run_file.read(suite.data)["services"].items()}


def cpu_seconds(running: dict[str, psutil.Process]) -> dict[str, float]:
    """The time that each has used so far, of whatever core."""
    times = {name: process.cpu_times() for name, process in running.items()}
    return {name: spent.user + spent.system for name, spent in times.items()}
