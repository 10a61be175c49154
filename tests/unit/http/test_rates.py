"""How often something may be asked for."""

from hypothesis import given
from hypothesis import strategies as st

from steno.http.rates import MOST_KEYS, Rate, address_key


class _Clock:
    time = 0.0

    def __call__(self) -> float:
        return self.time


def test_a_minute_s_worth_may_come_at_once() -> None:
    """A party has its whole minute at hand; then it is told when it has one again."""
    clock = _Clock()
    rate = Rate(60, now=clock)
    assert [rate.acquire("a") for _ in range(60)] == [0] * 60
    assert rate.acquire("a") == 1
    assert rate.acquire("b") == 0
    clock.time += 1
    assert rate.acquire("a") == 0
    assert rate.acquire("a") == 1


def test_the_wait_that_is_told_is_enough() -> None:
    """Whoever waits as long as it was told is let through."""
    clock = _Clock()
    rate = Rate(0.5, now=clock)
    assert rate.acquire("a") == 0
    wait = rate.acquire("a")
    assert wait == 120
    clock.time += wait
    assert rate.acquire("a") == 0


def test_zero_limits_nothing() -> None:
    """0 a minute is no limit, and nothing is kept of anybody."""
    rate = Rate(0)
    assert not any(rate.acquire("a") for _ in range(1000))
    assert rate.keys_kept == 0


def test_many_addresses_do_not_make_it_grow() -> None:
    """The table holds so many parties at most; the one not heard of for longest goes."""
    rate = Rate(1, now=_Clock())
    for number in range(3 * MOST_KEYS):
        rate.acquire(str(number))
    assert rate.keys_kept == MOST_KEYS
    assert rate.acquire(str(3 * MOST_KEYS - 1)) > 0


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 30)), max_size=200), st.integers(1, 120))
def test_no_party_gets_more_than_its_rate(asked: list[tuple[str, float]], per_minute: int) -> None:
    """Over any time a party gets its burst and its rate, no more, whoever else asks."""
    clock = _Clock()
    rate = Rate(per_minute, now=clock)
    given_to = dict.fromkeys("abc", 0)
    for party, pause in asked:
        clock.time += pause
        given_to[party] += rate.acquire(party) == 0
    for count in given_to.values():
        assert count <= per_minute + clock.time * per_minute / 60 + 1e-6


def test_addresses_of_one_subscriber_count_as_one() -> None:
    """IPv6 counts by its /64, IPv4 in IPv6 as IPv4; what is no address counts for itself."""
    assert address_key("2001:db8:1:2::1") == address_key("2001:db8:1:2:ffff::9") != address_key("2001:db8:1:3::1")
    assert address_key("::ffff:192.0.2.1") == address_key("192.0.2.1") == "192.0.2.1"
    assert address_key("fe80::1%eth0") == address_key("fe80::2")
    assert address_key("unix") == "unix"
