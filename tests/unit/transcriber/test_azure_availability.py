"""When calls go to another engine because Azure does not answer, and when they go back."""

import pytest
from steno_transcriber.azure.availability import FORGOTTEN_SECONDS, Availability


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_azure_is_unavailable_after_so_long_without_an_answer(clock: Clock) -> None:
    """From the first stream that was lost on, whatever is lost meanwhile; an answer ends it."""
    availability = Availability(60.0, monotonic=clock)
    for _ in range(3):
        availability.lost()
        assert not availability.unavailable
        clock.now += 20
    assert availability.unavailable
    clock.now += 2 * FORGOTTEN_SECONDS
    assert availability.unavailable, "until it answers"
    availability.answered()
    assert not availability.unavailable
    assert not availability.in_doubt


def test_a_loss_of_long_ago_says_nothing(clock: Clock) -> None:
    """The call that lost its stream is over, and Azure was not tried since: the next call tries it."""
    availability = Availability(60.0, monotonic=clock)
    availability.lost()
    clock.now += FORGOTTEN_SECONDS + 1
    assert not availability.unavailable
    availability.lost()
    clock.now += 59
    assert not availability.unavailable
    clock.now += 1
    assert availability.unavailable


def test_without_another_engine_azure_is_never_unavailable(clock: Clock) -> None:
    """Calls wait for it."""
    availability = Availability(0.0, monotonic=clock)
    availability.lost()
    clock.now += 1e6
    assert not availability.unavailable
    assert availability.in_doubt
