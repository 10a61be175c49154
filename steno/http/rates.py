"""Rate limits, counted in this process: token buckets in a table that does not grow.

Libraries that count in memory keep an entry for each party until it expires, so many addresses make many entries. Here the
party that was not heard of for longest is forgotten, and begins anew with a full bucket.
"""

import math
import time
from collections import OrderedDict
from collections.abc import Callable

MOST_PARTIES = 10_000


class Rate:
    """So many a minute for each party, and as many at once."""

    def __init__(self, per_minute: float, *, now: Callable[[], float] = time.monotonic) -> None:
        """
        Args:
            per_minute: 0 lets everything through.
            now: Seconds of a monotonic clock.
        """
        self._per_second = per_minute / 60
        self._most = max(1.0, float(per_minute))
        self._now = now
        #: What each party has left, and when that was so; who came last stands last.
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, party: str) -> int:
        """Takes one of a party's. 0 where it had one; otherwise the seconds until it has one again, at least 1."""
        if self._per_second <= 0:
            return 0
        now = self._now()
        left, at = self._left.pop(party, (self._most, now))
        left = min(self._most, left + (now - at) * self._per_second)
        taken = left >= 1
        self._left[party] = (left - 1 if taken else left, now)
        if len(self._left) > MOST_PARTIES:
            self._left.popitem(last=False)
        return 0 if taken else max(1, math.ceil((1 - left) / self._per_second))

    @property
    def parties(self) -> int:
        """Of how many something is kept."""
        return len(self._left)
