"""Reads `Retry-After`: how long a server asks to be left alone (RFC 9110 §10.2.3). Pure."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

LONGEST = timedelta(days=1)


def parse_retry_after(header: str | None, *, now: datetime) -> timedelta | None:
    """The pause that a header asks for, in seconds or by a date; at most a day.

    None where it asks for none, or in a form nobody defined.
    """
    value = (header or "").strip()
    if value.isascii() and value.isdigit():
        # Ten digits are three centuries already; more would overflow.
        return min(timedelta(seconds=int(value[:10])), LONGEST)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max(moment - now, timedelta()), LONGEST)
