"""Places the frames of a track in time, and decides how much silence goes before each. Pure.

A container may have a timestamp for a frame. Timestamps may be wrong, so they are used as follows:

| the frame begins, by its timestamp | what follows |
|---|---|
| within 100 ms of where the one before ended, or nowhere | it follows at once: encoders delay and round |
| later | silence of that length, up to an hour: nothing was recorded there, or it could not be decoded |
| later by more than an hour, or earlier by more than a second | the clock began anew: it follows at once, as do all after it |
| earlier by less | it follows at once: no audio is left out |
| elsewhere, but the next one does not | its timestamp is damaged: it follows at once |

Places and lengths are samples.
"""

from dataclasses import dataclass

TOLERANCE_MS = 100
"""As ffmpeg has it before it puts silence between frames."""

CLOCK_BACK_MS = 1_000
MOST_SILENCE_MS = 3_600_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """The silence before a frame; `damaged` where audio could not be decoded."""

    samples: int
    damaged: bool


class Timeline:
    """The time of one track."""

    def __init__(self, rate: int) -> None:
        self._tolerance = rate * TOLERANCE_MS // 1000
        self._back = rate * CLOCK_BACK_MS // 1000
        self._most = rate * MOST_SILENCE_MS // 1000
        #: Where the next frame begins, if nothing stands before it.
        self.position = 0
        self._shift = 0

    def place(self, length: int, *, begins: int | None, next_begins: int | None = None, lost: int = 0) -> Silence:
        """Places the next frame, and returns the silence before it.

        Args:
            length: its length.
            begins: its start by its timestamp, if it has one.
            next_begins: the start of the frame after it.
            lost: length of what could not be decoded since the frame before, as far as known.
        """
        lost = min(lost, self._most)
        samples = lost if begins is None else self._before(length, begins - self._shift, next_begins, lost)
        self.position += samples + length
        return Silence(samples=samples, damaged=lost > 0)

    def add_loss(self, lost: int) -> Silence:
        """Returns the silence for what could not be decoded after the last frame."""
        return self.place(0, begins=None, lost=lost)

    def _before(self, length: int, begins: int, next_begins: int | None, lost: int) -> int:
        ahead = begins - self.position
        if abs(ahead - lost) <= self._tolerance:
            return max(0, ahead) if lost else 0
        expected = self.position + lost
        if next_begins is not None and abs(next_begins - self._shift - expected - length) <= self._tolerance:
            return lost
        if 0 < ahead <= self._most:
            return ahead
        if -self._back <= ahead <= 0:
            return 0
        self._shift += ahead - lost
        return lost
