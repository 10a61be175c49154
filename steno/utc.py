"""Converts times that come from outside to UTC, and refuses those that UTC cannot represent. Pure."""

from datetime import UTC, datetime, timedelta

_MARGIN = timedelta(days=1)
_EARLIEST = datetime.min.replace(tzinfo=UTC) + _MARGIN
_LATEST = datetime.max.replace(tzinfo=UTC) - _MARGIN


def in_utc(time: datetime) -> datetime:
    """The time in UTC.

    Raises:
        ValueError: it is not within the years 1 to 9999 there, as 9999-12-31T23:59:59-23:59 is not.
    """
    try:
        return time.astimezone(UTC)
    except OverflowError:
        raise ValueError("must be within the years 1 to 9999 in UTC") from None


def in_utc_with_margin(time: datetime) -> datetime:
    """The time in UTC, at least a day from the earliest and the latest: it can be shown in any zone, and hours can be added.

    Raises:
        ValueError: it is nearer than that.
    """
    time = in_utc(time)
    if not _EARLIEST <= time <= _LATEST:
        raise ValueError("must be within the years 1 to 9999 in UTC, their first and last day left out")
    return time
