"""Time as the log tells it, whatever the clocks of those who write it do."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from steno_transcriber.live.log_clock import LONGEST_STEP, LogClock

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
YEAR = timedelta(days=365)
STEPS = st.lists(st.timedeltas(-YEAR, YEAR) | st.timedeltas(timedelta(0), LONGEST_STEP), max_size=30)


def told(steps: Sequence[timedelta]) -> list[timedelta]:
    clock, now = LogClock(), BEGAN
    elapsed = [clock.advance(now)]
    for step in steps:
        now += step
        elapsed.append(clock.advance(now))
    return elapsed


def test_it_goes_on_as_the_records_do() -> None:
    """A tenth of a second each."""
    assert told([timedelta(milliseconds=100)] * 50)[-1] == timedelta(seconds=5)


@given(STEPS)
def test_it_never_goes_back_and_never_jumps(steps: list[timedelta]) -> None:
    """Whatever is written on the records."""
    assert all(timedelta(0) <= after - before <= LONGEST_STEP for before, after in pairwise(told(steps)))


@given(st.timedeltas(-YEAR, YEAR))
def test_a_record_stamped_by_a_clock_that_is_wrong_counts_a_step_at_most(wrong: timedelta) -> None:
    """Between two of another machine, whose time goes on behind it."""
    second = timedelta(seconds=1)
    assert told([second, wrong, second - wrong])[-1] <= 2 * second + LONGEST_STEP
