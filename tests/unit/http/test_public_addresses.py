"""Which addresses outgoing calls may reach."""

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from steno.http.addresses import DENIED, GLOBAL_UNICAST, Network, address
from steno.http.client import is_public, parse_networks

OUTSIDE = ["1.1.1.1", "93.184.216.34", "192.0.1.255", "168.63.129.17", "2606:4700:4700::1111", "2001:4860:4860::8888"]


@pytest.mark.parametrize("inside", DENIED)
def test_every_network_that_is_denied_is_inside_from_end_to_end(inside: str) -> None:
    """Its first address, its last and one between; and it lies where an address could be public without the list."""
    network: Network = ip_network(inside)
    for number in (0, network.num_addresses // 2, network.num_addresses - 1):
        assert not is_public(str(network[number]))
    assert not isinstance(network, IPv6Network) or network.subnet_of(GLOBAL_UNICAST)


@pytest.mark.parametrize(
    "cloud",
    [
        "169.254.169.254",  # most clouds
        "169.254.170.2",  # credentials of Amazon's containers
        "168.63.129.16",  # Azure's wire server
        "192.0.0.192",  # Oracle
        "100.100.100.200",  # Alibaba
        "169.254.42.42",  # Scaleway
        "169.254.0.23",  # Tencent
        "fd00:ec2::254",  # Amazon
        "fd20:ce::254",  # Google
        "fd00:42::42",  # Scaleway
        "fd00:c1::a9fe:a9fe",  # Oracle
    ],
)
def test_what_clouds_tell_their_machines_is_inside(cloud: str) -> None:
    """Credentials are handed out there to whoever asks."""
    assert not is_public(cloud)


@pytest.mark.parametrize(
    "inside",
    [
        "0.0.0.0",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "::8.8.8.8",
        "::ffff:0:127.0.0.1",
        "::ffff:0:8.8.8.8",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:a9fe:a9fe",
        "::ffff:168.63.129.16",
        "0:0:0:0:0:ffff:7f00:1",
        "64:ff9b::a00:1",
        "64:ff9b::8.8.8.8",
        "64:ff9b:1::1",
        "100::1",
        "100:0:0:1::1",
        "2001::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "2001:2::1",
        "2001:10::1",
        "2001:20::1",
        "2001:db8::1",
        "2002:7f00:1::1",
        "2002:a00:1::1",
        "3fff::1",
        "3fff:fff:ffff::1",
        "4000::1",
        "5f00::1",
        "fc00::1",
        "fd00::1",
        "fe80::1",
        "fe80::1%eth0",
        "2606:4700:4700::1111%eth0",
        "fec0::1",
        "feff::1",
        "ff02::1",
        "ff0e::1",
    ],
)
def test_an_inside_address_is_not_public(inside: str) -> None:
    """Local, private, translated, mapped, documented, multicast, unallocated, or of one network card."""
    assert not is_public(inside)


@given(st.ip_addresses(v=6))
def test_nothing_of_ipv6_is_public_outside_global_unicast(found: IPv6Address) -> None:
    """Whatever is allocated there one day."""
    assume(found not in GLOBAL_UNICAST and found.ipv4_mapped is None)
    assert not is_public(str(found))


@given(st.ip_addresses())
def test_what_python_calls_private_is_never_public(found: IPv4Address | IPv6Address) -> None:
    """The list denies at least what the standard library knows (mapped addresses apart: see below)."""
    assume(found == address(str(found)))
    if found.is_private or found.is_loopback or found.is_link_local or found.is_multicast or found.is_reserved:
        assert not is_public(str(found))


@given(st.ip_addresses(v=4))
def test_a_mapped_address_is_the_one_that_it_carries(found: IPv4Address) -> None:
    """The kernel connects to that one."""
    assert is_public(f"::ffff:{found}") == is_public(str(found))


@pytest.mark.parametrize("outside", OUTSIDE)
def test_an_address_of_the_internet_is_public(outside: str) -> None:
    """What anyone can reach, we may call."""
    assert is_public(outside)
    assert is_public(ip_address(outside).exploded)


def test_a_setting_that_is_no_network_is_refused() -> None:
    """A typing error does not open the inside."""
    with pytest.raises(ValueError, match="intranet"):
        parse_networks("127.0.0.0/8, intranet")
