"""The key under which an address is counted in limits: an IPv4 address itself, an IPv6 address by its /64. Pure."""

from functools import lru_cache
from ipaddress import IPv6Address, IPv6Network, ip_address

_SUBSCRIBER_BITS = 64
"""What a subscriber is given of IPv6 at the least (RFC 6177 §2): all of its addresses count as one."""


@lru_cache(maxsize=4096)
def party_of(host: str) -> str:
    """Who an address counts for: IPv4 for itself, however it is written; IPv6 for its /64; anything else for what it says."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return host[:64]
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        return str(IPv6Network((address, _SUBSCRIBER_BITS), strict=False))
    return str(address)
