"""Points in time as they are given to commands: `2027-01-31`, `2027-01-31T12:00:00Z`, or `-10m` before now. Pure."""

import re
from datetime import UTC, datetime, timedelta

_BACK = re.compile(r"-?(\d{1,6})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def parse_moment(text: str, *, now: datetime) -> datetime:
    """Parses a time; one without a zone is UTC.

    Raises:
        ValueError: it is not a time; the message is for a person.
    """
    try:
        if back := _BACK.fullmatch(text):
            return now - timedelta(**{_UNITS[back[2]]: int(back[1])})
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"{text} is not a time; write 2027-01-31, 2027-01-31T12:00:00Z, or -10m, -2h, -1d") from None
