"""Background work of a service's components: done until they are told to stop, once or again and again."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from steno.errors import Retryable

T = TypeVar("T")


async def until_stopped(work: Coroutine[Any, Any, T], stopping: asyncio.Event) -> T | None:
    """Runs work until it ends, or until the event is set, which cancels it. Returns what the work returned; None where it was
    cancelled. Raises what the work raises."""
    running = asyncio.create_task(work)
    stopped = asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait({running, stopped}, return_when=asyncio.FIRST_COMPLETED)
        return running.result() if running.done() else None
    finally:
        for task in (running, stopped):
            task.cancel()
        await asyncio.gather(running, stopped, return_exceptions=True)


async def pause(seconds: float, *events: asyncio.Event) -> None:
    """Waits so long, or until one of the events is set."""
    waiting = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()


async def periodically(
    work: Callable[[], Awaitable[object]],
    *,
    every_seconds: float,
    stopping: asyncio.Event,
    failed: Callable[[Retryable], None] | None = None,
) -> None:
    """Does the same work at once and again after each pause, until the event is set; what is under way then is finished.

    Args:
        failed: Told of each `Retryable`: logs it, and the next time is the next attempt. Without it they are raised.
    """
    while not stopping.is_set():
        try:
            await work()
        except Retryable as error:
            if failed is None:
                raise
            failed(error)
        await pause(every_seconds, stopping)


class PeriodicWork:
    """The base of components that do the same work at once and again after each pause, until they are stopped."""

    def __init__(
        self,
        work: Callable[[], Awaitable[object]],
        *,
        every_seconds: float,
        failed: Callable[[Retryable], None] | None = None,
        cut_short: bool = False,
    ) -> None:
        """
        Args:
            failed: As of `periodically`.
            cut_short: What is under way at the stop is cancelled and not finished.
        """
        self._work = work
        self._every_seconds = every_seconds
        self._failed = failed
        self._cut_short = cut_short
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Works until `stop`."""
        work = periodically(self._work, every_seconds=self._every_seconds, stopping=self._stopping, failed=self._failed)
        await (until_stopped(work, self._stopping) if self._cut_short else work)

    async def stop(self) -> None:
        """Has `run` return."""
        self._stopping.set()
