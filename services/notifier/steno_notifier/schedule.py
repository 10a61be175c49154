"""When a failed delivery is tried again."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

_JITTER = 0.2
_LONGEST_RETRY_AFTER = timedelta(days=1)
_THROTTLING = frozenset({429, 502, 503, 504})


@dataclass(frozen=True, kw_only=True, slots=True)
class RetrySchedule:
    """The pauses between attempts; the first attempt is made at once."""

    delays: Sequence[timedelta]

    def delay_after(self, tries: int, *, chance: float) -> timedelta | None:
        """The pause after `tries` failed attempts, up to a fifth longer by chance; None when no attempt is left."""
        if tries > len(self.delays):
            return None
        return self.delays[tries - 1] * (1 + _JITTER * chance)


def parse_retry_after(status_code: int, header: str | None, *, now: datetime) -> timedelta | None:
    """The pause a throttling receiver asks for (RFC 9110 §10.2.3: seconds or a date), at most a day.

    None where it asks for none, or in a form nobody defined.
    """
    if status_code not in _THROTTLING or header is None:
        return None
    value = header.strip()
    if value.isascii() and value.isdigit():
        # Ten digits are three centuries already; more would overflow.
        return min(timedelta(seconds=int(value[:10])), _LONGEST_RETRY_AFTER)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max(moment - now, timedelta()), _LONGEST_RETRY_AFTER)
