"""Rate limit for log lines that repeat: the first few of a kind are logged, then one every so many seconds. Pure."""

from collections.abc import Hashable
from dataclasses import dataclass

AT_FIRST = 10
"""So many of a kind are logged, each."""

EVERY_SECONDS = 10.0
"""Then one in so long; a kind that was quiet for so long begins anew."""

_MOST_KINDS = 1000


@dataclass(slots=True)
class _Line:
    logged_at: float
    logged: int = 0
    left_out: int = 0


class LogLimiter:
    """Says of each line whether it is to be logged. Times are seconds of a monotonic clock."""

    def __init__(self, *, at_first: int = AT_FIRST) -> None:
        """`at_first`: so many of a kind are logged, each."""
        self._at_first = at_first
        self._lines: dict[Hashable, _Line] = {}

    def left_out(self, kind: Hashable, now: float) -> int | None:
        """How many lines of this kind were left out since the last one that was logged; None: this one is left out, too."""
        line = self._lines.get(kind)
        if line is None:
            if len(self._lines) >= _MOST_KINDS:
                self._lines.clear()
            line = self._lines[kind] = _Line(now)
        if now - line.logged_at >= EVERY_SECONDS:
            line.logged = 0 if not line.left_out else self._at_first
        elif line.logged >= self._at_first:
            line.left_out += 1
            return None
        left_out, line.left_out = line.left_out, 0
        line.logged += 1
        line.logged_at = now
        return left_out
