"""Limits the rate of the audio of a live call: a burst, then a little faster than real time. Pure.

A peer that sends faster is read more slowly (its sends block), so that one call cannot use more of Kafka and of the engine than
a call should. The limit is a bucket of audio (the generic cell rate algorithm, ITU-T I.371 A). It fills with time, also while
the peer is disconnected, so that a peer that returns may send the missed audio in one burst.

Many bursts at the same time would slow down all other calls, so the calls of one API key share most of their burst.
"""

import time
from collections.abc import Callable

EVENT_SECONDS = 0.02
"""The cost of an event other than audio (a key press, a gap), which is a record on Kafka too."""

LEDGER_EVENT_SECONDS = 0.5
"""The cost of an event that is also stored in the ledger (a pause, an update): a transaction, and a record on two topics."""

SMALL_BURST_SECONDS = 5.0
"""The part of the burst that each call has for itself; the rest comes from the shared burst."""

SHARED_SECONDS_PER_SECOND = 10.0
"""How fast the shared burst refills: bursts of many calls together cost as much as a few calls in real time."""

CALLS_AT_ONCE = 2
"""How many calls of a key may send their whole burst at the same time."""


class SharedBurst:
    """The burst that all calls of one API key share."""

    def __init__(self, *, seconds: float, now: Callable[[], float] = time.monotonic) -> None:
        """
        Args:
            seconds: The seconds of audio in the full bucket.
            now: Seconds of a monotonic clock.
        """
        self._fill_seconds = seconds / SHARED_SECONDS_PER_SECOND
        self._now = now
        self._due = now() - self._fill_seconds

    def spend(self, seconds: float) -> None:
        """Takes seconds of audio from the bucket."""
        self._due = max(self._due, self._now() - self._fill_seconds) + seconds / SHARED_SECONDS_PER_SECOND

    @property
    def wait_seconds(self) -> float:
        """How long the bucket stays empty."""
        return max(0.0, self._due - self._now())


class Pace:
    """The pace of one call, over all connections of its peer."""

    def __init__(
        self, *, speed: float, burst_seconds: float, shared: SharedBurst, now: Callable[[], float] = time.monotonic
    ) -> None:
        """
        Args:
            speed: The highest lasting rate, as a multiple of real time.
            burst_seconds: How much audio may come in one burst.
            shared: The burst that it shares with other calls.
            now: Seconds of a monotonic clock.
        """
        self._speed = speed
        self._burst = burst_seconds / speed
        self._small_burst = SMALL_BURST_SECONDS / speed
        self._shared = shared
        self._now = now
        #: When the bucket will be full again, minus the time that filling takes.
        self._due = now() - self._burst

    def spend(self, seconds: float) -> None:
        """Takes seconds of received audio from the bucket."""
        before = self._beyond_small
        self._due = max(self._due, self._now() - self._burst) + seconds / self._speed
        self._shared.spend((self._beyond_small - before) * self._speed)

    @property
    def wait_seconds(self) -> float:
        """How long to wait before reading on; 0 if the next audio may come."""
        own = max(0.0, self._due - self._now())
        return max(own, min(self._shared.wait_seconds, self._beyond_small))

    @property
    def _beyond_small(self) -> float:
        """How long it takes until the call needs no more than its own part of the burst."""
        return max(0.0, self._due - self._now() + self._burst - self._small_burst)
