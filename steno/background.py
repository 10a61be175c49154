"""Background work of a service's components: done until they are told to stop, once or again and again."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from steno.errors import Retryable


async def until_stopped(work: Coroutine[Any, Any, object], stopping: asyncio.Event) -> None:
    """Runs work until it ends, or until the event is set, which cancels it. Raises what the work raises."""
    running = asyncio.create_task(work)
    stopped = asyncio.create_task(stopping.wait())
    try:
        await asyncio.wait({running, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
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
