"""The retry schedule of failed deliveries. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from steno import retry_after

_JITTER = 0.2
_THROTTLING = frozenset({429, 502, 503, 504})


@dataclass(frozen=True, kw_only=True, slots=True)
class RetrySchedule:
    """The pauses between attempts; the first attempt is made at once."""

    delays: Sequence[timedelta]

    def delay_after(self, tries: int, *, chance: float) -> timedelta | None:
        """The pause after `tries` failed attempts, lengthened by up to a fifth; None when no attempt is left."""
        if tries > len(self.delays):
            return None
        return self.delays[tries - 1] * (1 + _JITTER * chance)


def parse_retry_after(status_code: int, header: str | None, *, now: datetime) -> timedelta | None:
    """Parses the pause that a receiver asks for by 429 or 503, at most a day; None where it asks for none."""
    return retry_after.parse_retry_after(header, now=now) if status_code in _THROTTLING else None
