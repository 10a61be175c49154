"""Limits how fast the audio of a live call comes in: a burst, then a little faster than real time. Pure.

Whoever sends faster is read more slowly (its sends block), so that one call takes no more of Kafka and of the engine than a
call does. It is a bucket of audio (the generic cell rate algorithm, ITU-T I.371 A): it fills while time goes by, also while
the peer is away, so that one that comes back may send at once what it missed meanwhile.

Many calls that do so at once would take the machine from all others, so those of one party share most of what they may send at
once.
"""

import time
from collections.abc import Callable

TOLD_SECONDS = 0.02
"""What is told besides audio (a key, a gap) counts as so much audio: it costs a record all the same."""

KEPT_SECONDS = 0.5
"""What the ledger keeps as well (a pause, more about the call): each is a transaction there, and a record on two topics."""


SMALL_BURST_SECONDS = 5.0
"""What each call may be ahead by itself; what it is ahead beyond that, it takes from what its party may have at once."""

PARTY_SECONDS_PER_SECOND = 10.0
"""How fast that comes back: many calls that send much at once cost the machine as much as some that are spoken."""

CALLS_AT_ONCE = 2
"""So many calls of a party may send their whole burst at once."""


class PartyBurst:
    """What all calls of one party, those that one key brings, may be ahead together."""

    def __init__(self, *, seconds: float, now: Callable[[], float] = time.monotonic) -> None:
        """
        Args:
            seconds: Of audio, in the beginning and once it was let be.
            now: Seconds of a monotonic clock.
        """
        self._fill_seconds = seconds / PARTY_SECONDS_PER_SECOND
        self._now = now
        self._due = now() - self._fill_seconds

    def spend(self, seconds: float) -> None:
        """A call is ahead by so much more."""
        self._due = max(self._due, self._now() - self._fill_seconds) + seconds / PARTY_SECONDS_PER_SECOND

    @property
    def wait_seconds(self) -> float:
        """How long there is nothing left."""
        return max(0.0, self._due - self._now())


class Pace:
    """The pace of one call, over all connections of its peer."""

    def __init__(
        self, *, speed: float, burst_seconds: float, party: PartyBurst, now: Callable[[], float] = time.monotonic
    ) -> None:
        """
        Args:
            speed: How many times as fast as it is spoken a call may come in all the time.
            burst_seconds: How much audio may come at once.
            party: What it shares with other calls.
            now: Seconds of a monotonic clock.
        """
        self._speed = speed
        self._burst = burst_seconds / speed
        self._small_burst = SMALL_BURST_SECONDS / speed
        self._party = party
        self._now = now
        #: When the bucket is full again, less the time that it takes to fill.
        self._due = now() - self._burst

    def spend(self, seconds: float) -> None:
        """So much audio has come."""
        before = self._beyond_small
        self._due = max(self._due, self._now() - self._burst) + seconds / self._speed
        self._party.spend((self._beyond_small - before) * self._speed)

    @property
    def wait_seconds(self) -> float:
        """How long nothing more is to be read; 0 where more may come."""
        own = max(0.0, self._due - self._now())
        return max(own, min(self._party.wait_seconds, self._beyond_small))

    @property
    def _beyond_small(self) -> float:
        """How long it takes until it is not ahead by more than it may be by itself."""
        return max(0.0, self._due - self._now() + self._burst - self._small_burst)
