"""Moments from outside."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steno.utc import in_utc, in_utc_with_margin

ZONES = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.datetimes(timezones=ZONES))
def test_any_moment_is_one_of_utc_or_refused(moment: datetime) -> None:
    """Nothing but `ValueError` comes of any, and what is taken with room may be moved by a day and shown in any zone."""
    try:
        taken = in_utc(moment)
    except ValueError:
        assert moment.year in (1, 9999)
        return
    assert (taken, taken.tzinfo) == (moment, UTC)
    try:
        roomy = in_utc_with_margin(moment)
    except ValueError:
        assert moment.year in (1, 2, 9998, 9999)
        return
    for shift in (timedelta(hours=-23, minutes=-59), timedelta(hours=23, minutes=59)):
        assert roomy.astimezone(timezone(shift)) == roomy
        assert abs(roomy + shift - roomy) == abs(shift)


@pytest.mark.parametrize("text", ["9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59"])
def test_the_ends_of_time_are_refused_with_what_to_do(text: str) -> None:
    """They are no moments of UTC."""
    with pytest.raises(ValueError, match="years 1 to 9999"):
        in_utc(datetime.fromisoformat(text))
