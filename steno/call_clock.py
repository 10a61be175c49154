"""Limits how much of a call may be missing by the time it has had: one rule for doors, recordings and transcripts. Pure.

The publisher of a call says where in the call its audio lies, and so how much of it is missing: lost, late, paused. No more can
be missing than there was time for. So all that is missing of a call is at most the time that it has had, and a little more:
`most_missing`. Audio that is there needs no such limit: it has as many bytes as it lasts. A call that is published afterwards
comes faster than it was spoken; it has had at least the time that its audio lasts.

The time that a call has had follows from the times at which its records were written (`CallClock`), so that every reader of the
log, now or later, decides the same. The writers set those times, and may be wrong: see `LONGEST_STEP`. Beyond that, the longest
length of a call is a limit, and missing audio takes no space in its recording.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

BURST = timedelta(seconds=30)
"""What may be missing at once: the beginning of a call may have waited somewhere, or be sent afterwards."""

LONGEST_STEP = timedelta(hours=4)
"""A longer step from one record of a call to the next is a clock that jumped, and counts as this. Pauses last an hour."""

_NUMERATOR, _DENOMINATOR = 5, 4
"""A quarter more than the time: clocks of audio and of machines differ, and records come a little late."""


@dataclass(slots=True)
class CallClock:
    """Adds up the time that a call has had, from the times at which its records were written.

    It never goes back: if the clock of a writer was set back, or that of another writer is behind, time goes on from there.
    """

    elapsed: timedelta = timedelta(0)
    #: When the last record was written; None before the first.
    written_at: datetime | None = None

    def advance(self, written_at: datetime) -> None:
        """Sets when the next record was written; repeated for the same record, it changes nothing."""
        before, self.written_at = self.written_at, written_at
        if before is not None and written_at > before:
            step = written_at - before
            self.elapsed += step if step < LONGEST_STEP else LONGEST_STEP


def most_missing(elapsed: timedelta, *, audio: int, sample_rate: int) -> int:
    """How many samples of one channel may be missing of a call that has had this time and this many samples of audio."""
    had = max(elapsed, timedelta(seconds=1) * audio / sample_rate)
    return (had + BURST) * sample_rate * _NUMERATOR // (timedelta(seconds=1) * _DENOMINATOR)
