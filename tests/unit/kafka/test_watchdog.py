"""What counts as stuck."""

import asyncio

from steno.kafka.watchdog import EXIT_STATUS, LoopGuard, Watchdog


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_polls_that_come_back_are_progress() -> None:
    """A consumer is stuck when the last poll came back longer ago than allowed, and not before."""
    clock = Clock()
    watchdog = Watchdog(stuck_seconds=30, clock=clock)
    clock.now += 30
    assert watchdog.stuck is None
    clock.now += 1
    assert watchdog.stuck == "no poll has returned for 31 s"
    watchdog.polled()
    assert watchdog.stuck is None


def test_a_commit_that_never_goes_through_is_stuck() -> None:
    """The time runs from the first try, not from the latest."""
    clock = Clock()
    watchdog = Watchdog(stuck_seconds=30, clock=clock)
    for _ in range(4):
        watchdog.committing()
        watchdog.polled()
        clock.now += 10
    assert watchdog.stuck == "no commit has succeeded for 40 s"
    watchdog.committed()
    assert watchdog.stuck is None


def test_nothing_to_commit_is_not_stuck() -> None:
    """An idle consumer commits nothing for as long as it likes."""
    clock = Clock()
    watchdog = Watchdog(stuck_seconds=30, clock=clock)
    clock.now += 1000
    watchdog.polled()
    assert watchdog.stuck is None


def test_a_loop_that_stands_still_ends_the_process() -> None:
    """When nothing on the loop runs for the limit, the guard ends the process with its status, once."""
    ended: list[int] = []
    guard = LoopGuard(stuck_seconds=0.01, tick_seconds=0.001, end=ended.append)
    loop = asyncio.new_event_loop()
    guard.start(loop)
    guard.join()
    assert ended == [EXIT_STATUS]
    guard.stop()
    loop.close()


async def test_a_loop_that_runs_is_left_alone_and_a_stopped_guard_ends() -> None:
    """However long it runs beyond the limit; after `stop` its thread is gone."""
    ended: list[int] = []
    guard = LoopGuard(stuck_seconds=10, tick_seconds=0.001, end=ended.append)
    guard.start(asyncio.get_running_loop())
    await asyncio.sleep(0.02)
    guard.stop()
    guard.join()
    assert ended == []
