"""What failed by a fault of ours is done again after a while."""

import pytest
from steno_notifier.again import Again


class Clock:
    """Seconds that a test lets pass."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def nothing() -> None:
    """Work."""


async def something_else() -> None:
    """Newer work."""


def test_each_failure_waits_longer_up_to_ten_minutes() -> None:
    """And is never given up."""
    clock = Clock()
    again = Again(clock=clock)
    waits = []
    for _ in range(30):
        waits.append(again.failed("w", nothing))
        assert again.due() == []
        clock.now += waits[-1]
        assert again.due() == [("w", nothing)]
        assert again
    assert 0.5 <= waits[0] <= 1
    assert all(300 <= wait <= 600 for wait in waits[12:])


def test_the_newest_work_of_a_webhook_counts() -> None:
    """What it replaces is not done any more, and what went through waits no longer; others are left alone."""
    clock = Clock()
    again = Again(clock=clock)
    again.failed("w", nothing)
    again.failed("other", nothing)
    again.failed("w", something_else)
    clock.now = 5
    assert dict(again.due()) == {"w": something_else, "other": nothing}
    again.done("w")
    again.done("never failed")
    assert again.due() == [("other", nothing)]


@pytest.mark.parametrize("first", [0.1, 30])
def test_the_first_wait_is_as_told(first: float) -> None:
    """Less a random half."""
    assert first / 2 <= Again(first_seconds=first).failed("w", nothing) <= first
