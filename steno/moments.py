"""Moments that come from outside, as far as they can be worked with: in UTC, and representable there. Pure."""

from datetime import UTC, datetime, timedelta

_ROOM = timedelta(days=1)
_EARLIEST = datetime.min.replace(tzinfo=UTC) + _ROOM
_LATEST = datetime.max.replace(tzinfo=UTC) - _ROOM


def in_utc(moment: datetime) -> datetime:
    """The moment in UTC.

    Raises:
        ValueError: it is not within the years 1 to 9999 there, as 9999-12-31T23:59:59-23:59 is not.
    """
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("must be within the years 1 to 9999 in UTC") from None


def with_room(moment: datetime) -> datetime:
    """The moment in UTC, with a day to the end of time on either side: a zone or an hour may be added to it, or taken away.

    Raises:
        ValueError: it is nearer to an end than that.
    """
    moment = in_utc(moment)
    if not _EARLIEST <= moment <= _LATEST:
        raise ValueError("must be within the years 1 to 9999 in UTC, their first and last day left out")
    return moment
