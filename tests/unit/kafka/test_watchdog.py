"""What counts as stuck."""

import threading

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
    assert watchdog.stuck == "no poll has come back for 31 s"
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
    assert watchdog.stuck == "no commit has gone through for 40 s"
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
    """Without a beat for the limit, the guard ends the process with its status, once."""
    ended: list[int] = []
    over = threading.Event()

    def end(status: int) -> None:
        ended.append(status)
        over.set()

    guard = LoopGuard(stuck_seconds=0.01, tick_seconds=0.001, end=end)
    guard.start()
    assert over.wait(5)
    guard.stop()
    assert ended == [EXIT_STATUS]


def test_a_stopped_guard_ends_nothing() -> None:
    """A consumer that stopped in order is not watched any more."""
    ended: list[int] = []
    guard = LoopGuard(stuck_seconds=0.002, tick_seconds=0.001, end=ended.append)
    guard.stop()
    guard.start()
    guard.join()
    assert ended == []
