"""Work that goes on until a component is told to stop."""

import asyncio

import pytest

from steno.background import pause, periodically, until_stopped


async def test_work_is_cancelled_when_it_is_told_to_stop() -> None:
    """And waited for until it has ended."""
    stopping, cleaned_up = asyncio.Event(), False

    async def work() -> None:
        nonlocal cleaned_up
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned_up = True

    asyncio.get_running_loop().call_soon(stopping.set)
    async with asyncio.timeout(5):
        await until_stopped(work(), stopping)
    assert cleaned_up


async def test_what_work_raises_is_raised() -> None:
    """And where it ends by itself, nothing waits for the end of the service."""

    async def fail() -> None:
        raise KeyError("a bug")

    async with asyncio.timeout(5):
        await until_stopped(asyncio.sleep(0), asyncio.Event())
        with pytest.raises(KeyError):
            await until_stopped(fail(), asyncio.Event())


async def test_a_pause_ends_by_itself_or_by_the_stop() -> None:
    """Whichever is sooner."""
    stopping = asyncio.Event()
    async with asyncio.timeout(5):
        await pause(0, stopping)
        asyncio.get_running_loop().call_soon(stopping.set)
        await pause(3600, stopping)


async def test_periodic_work_is_done_at_once_and_again_until_the_stop() -> None:
    """What is under way at the stop is finished, and nothing is begun after it."""
    stopping, begun, finished = asyncio.Event(), 0, 0

    async def work() -> None:
        nonlocal begun, finished
        begun += 1
        if begun == 3:
            stopping.set()
        await asyncio.sleep(0)
        finished += 1

    async with asyncio.timeout(5):
        await periodically(work, every_seconds=0, stopping=stopping)
        await periodically(work, every_seconds=0, stopping=stopping)
    assert (begun, finished) == (3, 3)
