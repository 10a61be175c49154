"""Measures elapsed time by the times at which records were written. Pure.

Records are stamped by whoever wrote them: several machines, whose clocks differ, jump and are set back.
"""

from datetime import datetime, timedelta

LONGEST_STEP = timedelta(minutes=1)
"""More than this from one record to the next is a clock that jumped, or a log on which nothing went on: it tells as much."""


class LogClock:
    """A clock that follows the newest record, never goes back, and never jumps far at once."""

    def __init__(self) -> None:
        #: How much time has gone by since the first record.
        self.elapsed = timedelta(0)
        self._newest: datetime | None = None

    def advance(self, written_at: datetime) -> timedelta:
        """Advances to the time of the next record, and returns the elapsed time."""
        if self._newest is None:
            self._newest = written_at
        elif written_at > self._newest:
            self.elapsed += min(written_at - self._newest, LONGEST_STEP)
            self._newest = written_at
        return self.elapsed
