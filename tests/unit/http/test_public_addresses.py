"""Which addresses outgoing calls may reach."""

import pytest

from steno.http.client import is_public, parse_networks


@pytest.mark.parametrize(
    "inside",
    [
        "127.0.0.1",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "198.18.0.1",
        "192.0.2.1",
        "192.88.99.1",
        "224.0.0.1",
        "239.1.1.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "ff02::1",
        "64:ff9b::a00:1",
        "2002:a00:1::1",
        "2001:db8::1",
    ],
)
def test_an_inside_address_is_not_public(inside: str) -> None:
    """Private, link-local, shared, documentation, multicast and translated addresses are all inside."""
    assert not is_public(inside)


@pytest.mark.parametrize("outside", ["1.1.1.1", "93.184.216.34", "2606:4700:4700::1111", "::ffff:1.1.1.1"])
def test_an_address_of_the_internet_is_public(outside: str) -> None:
    """What anyone can reach, we may call."""
    assert is_public(outside)


def test_a_setting_that_is_no_network_is_refused() -> None:
    """A typing error does not open the inside."""
    with pytest.raises(ValueError, match="intranet"):
        parse_networks("127.0.0.0/8, intranet")
