"""Rate limit on the audio of a live call at its door: a burst, then a little faster than real time. Pure.

Whoever sends faster is read more slowly (its sends block), so that one call takes no more of Kafka and of the engine than a
call does. It is a bucket of audio (the generic cell rate algorithm, ITU-T I.371 A): it fills while time goes by, also while
the peer is away, so that one that comes back may send at once what it missed meanwhile.
"""

import time
from collections.abc import Callable

TOLD_SECONDS = 0.02
"""What is told besides audio (a key, a gap) counts as so much audio: it costs a record all the same."""

KEPT_SECONDS = 0.5
"""What the ledger keeps as well (a pause, more about the call): each is a transaction there, and a record on two topics."""


class Pace:
    """The pace of one call, over all connections of its peer."""

    def __init__(self, *, speed: float, burst_seconds: float, now: Callable[[], float] = time.monotonic) -> None:
        """
        Args:
            speed: How many times as fast as it is spoken a call may come in all the time.
            burst_seconds: How much audio may come at once.
            now: Seconds of a monotonic clock.
        """
        self._speed = speed
        self._burst = burst_seconds / speed
        self._now = now
        #: When the bucket is full again, less the time that it takes to fill.
        self._due = now() - self._burst

    def spend(self, seconds: float) -> None:
        """So much audio has come."""
        self._due = max(self._due, self._now() - self._burst) + seconds / self._speed

    @property
    def wait_seconds(self) -> float:
        """How long nothing more is to be read; 0 where more may come."""
        return max(0.0, self._due - self._now())
