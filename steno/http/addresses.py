"""Decides whether an IP address is public, so that a service may call it when a client gives its URL. Pure.

The list is our own: the answer of `ipaddress.is_global` depends on the version of Python and does not cover the internal
addresses of clouds. An IPv6 address is public only if it is allocated as global unicast; no address in `DENIED` is public.

Sources: the IANA special-purpose address registries for IPv4 and IPv6 (RFC 6890, RFC 8190), the IANA registry of IPv6 global
unicast address space, and the clouds' own pages on their metadata and platform services.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

GLOBAL_UNICAST = IPv6Network("2000::/3")
"""The IPv6 addresses allocated as global unicast (RFC 4291 §2.4). Outside are loopback, private, link-local, site-local and
multicast addresses, and those that contain an IPv4 address: compatible (`::/96`), translated (`::ffff:0:0:0/96`), NAT64."""

DENIED: dict[str, str] = {
    "0.0.0.0/8": "this network (RFC 791 §3.2)",
    "10.0.0.0/8": "private use (RFC 1918)",
    "100.64.0.0/10": "shared between carriers and customers (RFC 6598); Alibaba Cloud's metadata, 100.100.100.200",
    "127.0.0.0/8": "loopback (RFC 1122 §3.2.1.3)",
    "161.26.0.0/16": "IBM Cloud's services inside",
    "166.8.0.0/14": "IBM Cloud's service endpoints inside",
    "168.63.129.16/32": "Azure's platform (wire server), answered on every host of Azure",
    "169.254.0.0/16": "link-local (RFC 3927); metadata of most clouds, 169.254.169.254",
    "172.16.0.0/12": "private use (RFC 1918)",
    "192.0.0.0/24": "IETF protocol assignments (RFC 6890 §2.1); Oracle Cloud's metadata, 192.0.0.192",
    "192.0.2.0/24": "documentation (RFC 5737)",
    "192.31.196.0/24": "AS112, answered by the nearest server (RFC 7535)",
    "192.52.193.0/24": "multicast tunnels (RFC 7450)",
    "192.88.99.0/24": "relays of 6to4 (RFC 7526)",
    "192.168.0.0/16": "private use (RFC 1918)",
    "192.175.48.0/24": "AS112, answered by the nearest server (RFC 7534)",
    "198.18.0.0/15": "benchmarks of networks (RFC 2544)",
    "198.51.100.0/24": "documentation (RFC 5737)",
    "203.0.113.0/24": "documentation (RFC 5737)",
    "224.0.0.0/4": "multicast (RFC 5771)",
    "240.0.0.0/4": "reserved, and broadcast (RFC 1112 §4, RFC 8190)",
    "2001::/23": "IETF protocol assignments (RFC 2928): Teredo, benchmarks, ORCHID, drones",
    "2001:db8::/32": "documentation (RFC 3849)",
    "2002::/16": "6to4, which leads to an IPv4 address (RFC 3056)",
    "2620:4f:8000::/48": "AS112, answered by the nearest server (RFC 7534)",
    "3ffe::/16": "the former 6bone (RFC 3701)",
    "3fff::/20": "documentation (RFC 9637)",
}
"""Networks that are not public, and why. IPv6 networks outside `GLOBAL_UNICAST` need no entry."""

_DENIED: tuple[Network, ...] = tuple(map(ip_network, DENIED))


def address(host: str) -> Address:
    """Parses an address literal without its zone; an IPv4-mapped one gives the IPv4 address, to which the kernel connects.

    Raises:
        ValueError: the text is not an address.
    """
    parsed = ip_address(host.partition("%")[0])
    return parsed.ipv4_mapped or parsed if isinstance(parsed, IPv6Address) else parsed


def is_public(host: str) -> bool:
    """Whether an address literal is public. Raises `ValueError` if the text is not an address."""
    found = address(host)
    if isinstance(found, IPv6Address) and ("%" in host or found not in GLOBAL_UNICAST):
        return False
    return not within(found, _DENIED)


def within(found: Address, networks: Sequence[Network]) -> bool:
    """Whether one of the networks contains the address."""
    return any(found.version == network.version and found in network for network in networks)


def parse_networks(text: str) -> tuple[Network, ...]:
    """Parses networks in CIDR notation, separated by commas, e.g. `127.0.0.0/8,10.1.0.0/16`.

    Raises:
        ValueError: one is not a network.
    """
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())
