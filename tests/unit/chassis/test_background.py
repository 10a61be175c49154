"""Work that goes on until a component is told to stop."""

import asyncio

import pytest

from steno.background import PeriodicWork, pause, periodically, until_stopped


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
        assert await until_stopped(asyncio.sleep(0, "done"), asyncio.Event()) == "done"
        with pytest.raises(KeyError):
            await until_stopped(fail(), asyncio.Event())


async def test_a_pause_ends_by_itself_or_by_the_stop() -> None:
    """Whichever is sooner."""
    stopping = asyncio.Event()
    async with asyncio.timeout(5):
        await pause(0, stopping)
        asyncio.get_running_loop().call_soon(stopping.set)
        await pause(3600, asyncio.Event(), stopping)


async def test_a_pause_is_cancelled_also_at_the_moment_it_ends() -> None:
    """As a service is stopped in the midst of it."""
    event = asyncio.Event()
    pausing = asyncio.create_task(pause(3600, event))
    await asyncio.sleep(0)
    event.set()
    pausing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await pausing


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


@pytest.mark.parametrize("cut_short", [False, True])
async def test_a_component_ends_its_work_at_the_stop_or_cuts_it_short(cut_short: bool) -> None:
    """What it does waits for something when it is stopped."""
    begun, go_on, finished = asyncio.Event(), asyncio.Event(), False

    async def work() -> None:
        nonlocal finished
        begun.set()
        await go_on.wait()
        finished = True

    component = PeriodicWork(work, every_seconds=3600, cut_short=cut_short)
    async with asyncio.timeout(5):
        running = asyncio.create_task(component.run())
        await begun.wait()
        await component.stop()
        if not cut_short:
            go_on.set()
        await running
    assert finished is not cut_short
