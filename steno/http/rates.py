"""Rate limits, counted in this process: one token bucket per key (an API key, an address), in a table of limited size.

Libraries that count in memory keep an entry for each key until it expires, so a flood of addresses fills the memory. Here the
least recently used key is removed when the table is full; it starts again with a full bucket.
"""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache
from ipaddress import IPv6Address, IPv6Network, ip_address

MOST_KEYS = 10_000

_SUBSCRIBER_BITS = 64
"""The prefix length of the smallest IPv6 network of a subscriber (RFC 6177 §2); all its addresses count as one."""


class Rate:
    """A limit of requests per minute for each key; the whole number may come in one burst."""

    def __init__(self, per_minute: float, *, now: Callable[[], float] = time.monotonic) -> None:
        """
        Args:
            per_minute: 0 is no limit.
            now: Seconds of a monotonic clock.
        """
        self._per_second = per_minute / 60
        self._most = max(1.0, float(per_minute))
        self._now = now
        #: The remaining tokens of each key and the time of that count; the most recently used key is last.
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def acquire(self, key: str) -> int:
        """Takes a token of a key. Returns 0 if there was one, otherwise the seconds until there is one, at least 1."""
        if self._per_second <= 0:
            return 0
        now = self._now()
        left, at = self._left.pop(key, (self._most, now))
        left = min(self._most, left + (now - at) * self._per_second)
        taken = left >= 1
        self._left[key] = (left - 1 if taken else left, now)
        if len(self._left) > MOST_KEYS:
            self._left.popitem(last=False)
        return 0 if taken else max(1, math.ceil((1 - left) / self._per_second))

    @property
    def keys_kept(self) -> int:
        """The number of keys in the table."""
        return len(self._left)


@lru_cache(maxsize=4096)
def address_key(host: str) -> str:
    """Returns the key under which an address is counted: an IPv4 address in its usual form, or the /64 network of an IPv6 one.

    Anything else is its own key.
    """
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return host[:64]
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(IPv6Network((address, _SUBSCRIBER_BITS), strict=False))
    return str(address)
