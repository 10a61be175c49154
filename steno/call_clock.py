"""How much of a call may be missing, by the clock: one rule for its doors, its recording and its live transcript. Pure.

Whoever sends a call also says where in the call its audio lies, and so how much of it is missing: lost, late, paused. Nothing
can be missing that had no time to happen. So what is missing of a call, all of it together, is at most the time that the call
has had, and a little more: `most_missing`. Audio that is there is not counted: it takes as many bytes as it lasts. A call
that is published after the fact comes faster than it was spoken; it has had at least the time that its audio lasts.

The time that a call has had is told by the times at which its records were written (`CallClock`), so that whoever reads the
log, now or later, judges the same. Those times are told by the writers, and may be wrong: see `LONGEST_STEP`. Beyond that a
call is bounded by its longest length, and what is missing costs nothing in its recording.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

BURST = timedelta(seconds=30)
"""What may be missing at once: of a call whose beginning waited somewhere, or was sent after the fact."""

LONGEST_STEP = timedelta(hours=4)
"""More than this from one record of a call to the next is a clock that jumped, and counts as this. Pauses last an hour."""

_NUMERATOR, _DENOMINATOR = 5, 4
"""Clocks of audio and of machines differ, and audio is told of a little late: a quarter more than the time."""


@dataclass(slots=True)
class CallClock:
    """The time that a call has had, from the times at which its records were written.

    It never goes back. A writer whose clock was set back, or another one whose clock is behind, goes on from there.
    """

    elapsed: timedelta = timedelta(0)
    #: When the last record was written; None before the first.
    written_at: datetime | None = None

    def tell(self, written_at: datetime) -> None:
        """The next record was written. Told again of the same one, nothing changes."""
        before, self.written_at = self.written_at, written_at
        if before is not None and written_at > before:
            step = written_at - before
            self.elapsed += step if step < LONGEST_STEP else LONGEST_STEP


def most_missing(elapsed: timedelta, *, audio: int, sample_rate: int) -> int:
    """Samples of one channel that may be missing of a call that has had so much time, and so many samples of audio."""
    had = max(elapsed, timedelta(seconds=1) * audio / sample_rate)
    return (had + BURST) * sample_rate * _NUMERATOR // (timedelta(seconds=1) * _DENOMINATOR)
