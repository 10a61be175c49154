"""Changes of a followed table that failed are tried again after a while."""

import pytest

from steno.kafka.failed_changes import FailedChanges


class Clock:
    """Seconds that a test lets pass."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def nothing() -> None:
    """A change."""


async def something_else() -> None:
    """A newer change."""


def test_each_failure_waits_longer_up_to_ten_minutes() -> None:
    """And is never given up."""
    clock = Clock()
    changes = FailedChanges(clock=clock)
    waits = []
    for _ in range(30):
        waits.append(changes.add("w", nothing))
        assert changes.due() == []
        clock.now += waits[-1]
        assert changes.due() == [("w", nothing)]
        assert changes
    assert 0.5 <= waits[0] <= 1
    assert all(300 <= wait <= 600 for wait in waits[12:])


def test_the_newest_change_of_a_key_counts() -> None:
    """What it replaces is not tried any more, and what was applied waits no longer; other keys are left alone."""
    clock = Clock()
    changes = FailedChanges(clock=clock)
    changes.add("w", nothing)
    changes.add("other", nothing)
    changes.add("w", something_else)
    clock.now = 5
    assert dict(changes.due()) == {"w": something_else, "other": nothing}
    assert "w" in changes
    changes.discard("w")
    assert "w" not in changes
    changes.discard("never failed")
    assert changes.due() == [("other", nothing)]


@pytest.mark.parametrize("first", [0.1, 30])
def test_the_first_wait_is_as_told(first: float) -> None:
    """Less a random half."""
    assert first / 2 <= FailedChanges(first_seconds=first).add("w", nothing) <= first
