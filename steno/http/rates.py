"""Rate limits, counted in this process: token buckets by key (an API key, an address) in a table of bounded size.

Libraries that count in memory keep an entry for each key until it expires, so many addresses make many entries. Here the key
that was not used for longest is forgotten, and begins anew with a full bucket.
"""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache
from ipaddress import IPv6Address, IPv6Network, ip_address

MOST_KEYS = 10_000

_SUBSCRIBER_BITS = 64
"""What a subscriber is given of IPv6 at the least (RFC 6177 §2): all of its addresses count as one."""


class Rate:
    """A limit of requests a minute for each key; as many may come at once."""

    def __init__(self, per_minute: float, *, now: Callable[[], float] = time.monotonic) -> None:
        """
        Args:
            per_minute: 0 lets everything through.
            now: Seconds of a monotonic clock.
        """
        self._per_second = per_minute / 60
        self._most = max(1.0, float(per_minute))
        self._now = now
        #: The tokens that each key has left, and when that was so; the key used last stands last.
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def acquire(self, key: str) -> int:
        """Takes a token of a key. 0 where there was one; otherwise the seconds until there is one again, at least 1."""
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
    """The key under which an address is counted: IPv4 itself, however it is written; IPv6 its /64; anything else as it is."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return host[:64]
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(IPv6Network((address, _SUBSCRIBER_BITS), strict=False))
    return str(address)
