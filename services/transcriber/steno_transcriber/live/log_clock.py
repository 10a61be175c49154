"""Measures how much time has gone by from the times at which records were written. Pure.

Records are stamped by whoever wrote them: several machines, whose clocks differ, jump and are set back.
"""

from datetime import datetime, timedelta

LONGEST_STEP = timedelta(minutes=1)
"""More than this from one record to the next is a clock that jumped, or a log on which nothing went on: it tells as much."""


class LogClock:
    """Goes on with the newest record, never back, and never by much at once."""

    def __init__(self) -> None:
        #: How much time has gone by since the first record.
        self.elapsed = timedelta(0)
        self._newest: datetime | None = None

    def tell(self, written_at: datetime) -> timedelta:
        """The next record was written; gives the time that has gone by."""
        if self._newest is None:
            self._newest = written_at
        elif written_at > self._newest:
            self.elapsed += min(written_at - self._newest, LONGEST_STEP)
            self._newest = written_at
        return self.elapsed
