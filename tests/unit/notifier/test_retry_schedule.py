"""When a failed delivery is tried again."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from steno_notifier.schedule import RetrySchedule, parse_retry_after

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SCHEDULE = RetrySchedule(delays=[timedelta(seconds=5), timedelta(minutes=5)])


def test_pauses_follow_the_schedule_and_end_with_it() -> None:
    """After each failed attempt the next pause counts; after the last there is none."""
    assert [SCHEDULE.delay_after(tries, chance=0) for tries in (1, 2, 3)] == [timedelta(seconds=5), timedelta(minutes=5), None]


@given(tries=st.integers(1, 2), chance=st.floats(0, 1, exclude_max=True))
def test_jitter_only_lengthens_by_a_fifth_at_most(tries: int, chance: float) -> None:
    """A retry never comes before the schedule says, nor more than a fifth after."""
    pause = SCHEDULE.delay_after(tries, chance=chance)
    assert pause is not None
    assert SCHEDULE.delays[tries - 1] <= pause <= SCHEDULE.delays[tries - 1] * 1.2


def test_retry_after_in_seconds() -> None:
    """A number is seconds."""
    assert parse_retry_after(429, " 120 ", now=NOW) == timedelta(minutes=2)


def test_retry_after_as_a_date() -> None:
    """A date is the moment itself; one that is past asks for no pause."""
    assert parse_retry_after(503, format_datetime(NOW + timedelta(hours=1)), now=NOW) == timedelta(hours=1)
    assert parse_retry_after(503, format_datetime(NOW - timedelta(hours=1)), now=NOW) == timedelta()


@pytest.mark.parametrize("header", ["99999999999999999999", format_datetime(NOW + timedelta(days=400))])
def test_retry_after_is_a_day_at_most(header: str) -> None:
    """A receiver cannot put a delivery off for longer than the schedule lasts."""
    assert parse_retry_after(429, header, now=NOW) == timedelta(days=1)


@pytest.mark.parametrize("status_code", [200, 301, 400, 404, 500])
def test_retry_after_counts_with_throttling_answers_only(status_code: int) -> None:
    """Other answers do not throttle."""
    assert parse_retry_after(status_code, "120", now=NOW) is None


@given(header=st.text())
def test_any_retry_after_is_understood_or_ignored(header: str) -> None:
    """Whatever a receiver writes, the pause is none, or between nothing and a day."""
    pause = parse_retry_after(429, header, now=NOW)
    assert pause is None or timedelta() <= pause <= timedelta(days=1)
