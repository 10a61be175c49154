"""How much of a call may be missing, by the clock."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steno.call_clock import LONGEST_STEP, CallClock, most_missing

NOW = datetime(2026, 3, 1, tzinfo=UTC)
TIMES = st.lists(st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1)).map(lambda at: at.replace(tzinfo=UTC)), max_size=20)


def told(*times: datetime) -> CallClock:
    clock = CallClock()
    for time in times:
        clock.advance(time)
    return clock


@given(TIMES)
def test_it_never_goes_back_and_never_by_more_than_a_step(times: list[datetime]) -> None:
    """Whatever the writers' clocks do; and a record told twice counts once."""
    clock, before = CallClock(), timedelta(0)
    for time in times:
        clock.advance(time)
        assert before <= clock.elapsed <= before + LONGEST_STEP
        before = clock.elapsed
        clock.advance(time)
        assert clock.elapsed == before


def test_a_clock_that_was_set_back_goes_on_from_there() -> None:
    """Time goes by for the call all the same."""
    second = timedelta(seconds=1)
    assert told(NOW, NOW + second, NOW - 3600 * second, NOW - 3599 * second).elapsed == 2 * second


@pytest.mark.parametrize(
    ("elapsed", "audio", "seconds"),
    [(timedelta(0), 0, 37.5), (timedelta(minutes=1), 0, 112.5), (timedelta(0), 60, 112.5), (timedelta(minutes=1), 30, 112.5)],
)
def test_a_quarter_more_than_the_time_and_a_burst_may_be_missing(elapsed: timedelta, audio: int, seconds: float) -> None:
    """In samples of one channel. A call has had the time that its audio lasts."""
    assert most_missing(elapsed, audio=audio * 8000, sample_rate=8000) == seconds * 8000
