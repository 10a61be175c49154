"""Rate limit for repeated log lines: the first few of a kind are logged, then one per interval. Pure."""

from collections.abc import Hashable
from dataclasses import dataclass

AT_FIRST = 10
"""How many of a kind are all logged."""

EVERY_SECONDS = 10.0
"""The interval after that. A kind without lines for this long starts again."""

_MOST_KINDS = 1000


@dataclass(slots=True)
class _Line:
    logged_at: float
    logged: int = 0
    left_out: int = 0


class LogLimiter:
    """Decides for each line whether it is logged. Times are seconds of a monotonic clock."""

    def __init__(self, *, at_first: int = AT_FIRST) -> None:
        """`at_first`: how many of a kind are all logged."""
        self._at_first = at_first
        self._lines: dict[Hashable, _Line] = {}

    def left_out(self, kind: Hashable, now: float) -> int | None:
        """Returns None if a line of this kind is to be left out, otherwise how many were left out since the last logged one."""
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
