"""Outgoing HTTP that cannot be turned on the inside network.

The check is made on the very address that is about to be connected to, after the name was resolved and for every redirect, so
neither a name that changes its address nor a literal in odd notation gets through.
"""

import socket
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import aiohttp

from steno.errors import Permanent

Network = IPv4Network | IPv6Network

# What `ipaddress.is_global` lets through although it can lead inside: NAT64, 6to4 (RFC 6052, RFC 3056) and multicast.
_TRANSLATED = (ip_network("64:ff9b::/96"), ip_network("64:ff9b:1::/48"), ip_network("2002::/16"))
_RELAY = ip_network("192.88.99.0/24")


class ForbiddenAddress(Permanent):
    """A URL leads to an address inside, which nobody outside may make us call."""

    error_class = "forbidden_address"


def is_public(host: str) -> bool:
    """Whether an IP address literal is one of the public internet."""
    address = ip_address(host.partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return (
        address.is_global
        and not address.is_multicast
        and not any(address in network for network in (*_TRANSLATED, _RELAY) if network.version == address.version)
    )


def parse_networks(text: str) -> tuple[Network, ...]:
    """Networks from a setting, CIDR by commas, e.g. `127.0.0.0/8,10.1.0.0/16`.

    Raises:
        ValueError: one is not a network.
    """
    return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())


def guarded_session(
    *,
    allowed_networks: Sequence[Network] = (),
    timeout: aiohttp.ClientTimeout,
    limit: int = 100,
    limit_per_host: int = 10,
) -> aiohttp.ClientSession:
    """A client whose connections reach public addresses and the allowed networks only.

    A refused address raises `ForbiddenAddress` (not a client error) from the request. Proxies of the environment are not used.
    """

    def checked_socket(info: aiohttp.AddrInfoType) -> socket.socket:
        family, kind, protocol, _, address = info
        host = str(address[0])
        inside = ip_address(host.partition("%")[0])
        if not is_public(host) and not any(
            inside in network for network in allowed_networks if network.version == inside.version
        ):
            raise ForbiddenAddress(
                f"{host} is not a public address; to allow it, add its network to the service's allowed networks"
            )
        return socket.socket(family, kind, protocol)

    connector = aiohttp.TCPConnector(socket_factory=checked_socket, limit=limit, limit_per_host=limit_per_host)
    return aiohttp.ClientSession(connector=connector, timeout=timeout, trust_env=False)
