"""How many connections there may be, who makes room, and how slow each may be."""

from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from steno.http.connections import Bounds, Connection, Connections

_BOUNDS = Bounds(most=20, most_of_an_address=5, head_seconds=10, min_bytes_per_second=1000)


class _Clock:
    time = 0.0

    def __call__(self) -> float:
        return self.time


class _World:
    """Connections, and which of them were closed."""

    def __init__(self, exempt: Callable[[str], bool] = lambda _: False) -> None:
        self.clock = _Clock()
        self.all = Connections(_BOUNDS, exempt=exempt, now=self.clock)
        self.ended: list[tuple[Connection, str]] = []

    def open(self, host: str = "192.0.2.1") -> Connection | None:
        connection = self.all.admit(host)
        if connection is not None:
            it = connection
            it.close = lambda: self.ended.append((it, "closed"))

            def expire(why: str) -> None:
                self.ended.append((it, why))
                it.remove()

            it.expire = expire
        return connection

    def opened(self, host: str = "192.0.2.1") -> Connection:
        connection = self.open(host)
        assert connection is not None
        return connection


@pytest.fixture
def world() -> _World:
    return _World()


def test_the_first_silent_one_of_an_address_makes_room(world: _World) -> None:
    """Beyond its bound an address loses its oldest unauthenticated connection for each new one; other addresses lose none."""
    other = world.opened("192.0.2.9")
    crowd = [world.opened() for _ in range(8)]
    assert world.ended == [(crowd[0], "closed"), (crowd[1], "closed"), (crowd[2], "closed")]
    assert len(world.all) == 6
    assert other.unauthenticated


def test_who_has_shown_a_key_does_not_count_for_an_address(world: _World) -> None:
    """Authenticated connections of an address stay, however many others come from there."""
    friends = [world.opened() for _ in range(5)]
    for friend in friends:
        friend.mark_authenticated()
    for _ in range(50):
        world.open()
    assert not set(friends) & {connection for connection, _ in world.ended}
    assert (len(world.all), world.all.unauthenticated) == (10, 5)


def test_unauthenticated_ones_make_room_in_all(world: _World) -> None:
    """Beyond the bound of all the first unauthenticated one goes, wherever the new one is from."""
    first = [world.opened(f"192.0.2.{number}") for number in range(20)]
    world.opened("192.0.2.100")
    assert world.ended == [(first[0], "closed")]


def test_idle_ones_make_room_when_all_are_authenticated(world: _World) -> None:
    """A connection between two requests may end at any time; one at work does not, and then the new one is refused."""
    known = [world.opened(f"192.0.2.{number}") for number in range(20)]
    for connection in known:
        connection.mark_authenticated()
    known[7].idle = True
    newest = world.opened("192.0.2.100")
    newest.mark_authenticated()
    assert world.ended == [(known[7], "closed")]
    assert world.open("192.0.2.102") is None
    assert len(world.all) == 20


def test_a_proxy_is_not_bounded_by_address() -> None:
    """All who come through it have its address."""
    world = _World(exempt=lambda host: host == "192.0.2.1")
    for _ in range(15):
        world.opened()
    assert world.ended == []


def test_a_head_must_come_in_time(world: _World) -> None:
    """From the connection on; one that has come is not looked at any more, the next one has its own time."""
    silent, quick = world.opened(), world.opened()
    quick.finish_head()
    world.clock.time = 10
    world.all.tick()
    assert world.ended == [(silent, "slow_head")]
    world.clock.time = 100
    quick.start_head()
    world.clock.time = 109
    world.all.tick()
    assert len(world.ended) == 1
    world.clock.time = 110
    world.all.tick()
    assert world.ended[1:] == [(quick, "slow_head")]
    assert len(world.all) == 0


@pytest.mark.parametrize(("bytes_per_second", "ends"), [(0, True), (700, True), (1100, False)])
def test_bytes_must_come_at_a_pace(world: _World, bytes_per_second: int, ends: bool) -> None:
    """A body slower than the bound, on average beside its grace, is given up."""
    connection = world.opened()
    connection.finish_head()
    connection.start_pace("slow_body", lambda: int(world.clock.time * bytes_per_second))
    for second in range(200):
        world.clock.time = float(second)
        world.all.tick()
    assert world.ended == ([(connection, "slow_body")] if ends else [])


def test_bytes_that_came_fast_buy_no_long_silence(world: _World) -> None:
    """A megabyte at once and then nothing is given up as soon as nothing at all is."""
    connection = world.opened()
    connection.finish_head()
    connection.start_pace("slow_body", lambda: 1_000_000)
    for second in range(int(_BOUNDS.grace_seconds) + 3):
        world.clock.time = float(second)
        world.all.tick()
    assert world.ended == [(connection, "slow_body")]


def test_time_that_is_ours_does_not_count(world: _World) -> None:
    """While the service does not read, its peer is not slow."""
    connection = world.opened()
    connection.finish_head()
    ours = True
    connection.start_pace("slow_body", lambda: -1 if ours else 0)
    for second in range(100):
        world.clock.time = float(second)
        world.all.tick()
    ours = False
    for second in range(100, 100 + int(_BOUNDS.grace_seconds)):
        world.clock.time = float(second)
        world.all.tick()
    assert world.ended == []
    connection.stop_pace("slow_body")
    world.clock.time = 1000
    world.all.tick()
    assert world.ended == []


class _Machine(RuleBasedStateMachine):
    """Connections come, are known, idle, slow and lost in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.world = _World()
        self.alive: list[Connection] = []

    @rule(host=st.sampled_from(["192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"]))
    def comes(self, host: str) -> None:
        connection = self.world.open(host)
        if connection is not None:
            self.alive.append(connection)

    @rule(
        data=st.data(),
        what=st.sampled_from(["mark_authenticated", "idle", "busy", "finish_head", "start_head", "body", "remove"]),
    )
    def changes(self, data: st.DataObject, what: str) -> None:
        if not self.alive:
            return
        connection = data.draw(st.sampled_from(self.alive))
        match what:
            case "idle" | "busy":
                connection.idle = what == "idle"
            case "body":
                connection.start_pace("slow_body", lambda: 0)
            case _:
                getattr(connection, what)()
                if what == "remove":
                    self.alive.remove(connection)

    @rule(seconds=st.floats(0, 30))
    def passes(self, seconds: float) -> None:
        self.world.clock.time += seconds
        self.world.all.tick()

    @invariant()
    def bounded(self) -> None:
        for connection, why in self.world.ended:
            if connection in self.alive:
                assert why != "closed" or connection.unauthenticated or connection.idle
                self.alive.remove(connection)
        every = self.world.all
        assert len(every) == len(self.alive) <= _BOUNDS.most
        addresses: dict[str, int] = {}
        for connection in self.alive:
            if connection.unauthenticated:
                addresses[connection.address] = addresses.get(connection.address, 0) + 1
        assert all(count <= _BOUNDS.most_of_an_address for count in addresses.values())
        assert every.unauthenticated == sum(addresses.values())
        assert set(every._by_address) == set(addresses)
        assert set(every.heads) <= set(self.alive)
        assert every.paced <= set(self.alive)


TestAnyOrder = settings(max_examples=60, stateful_step_count=60, deadline=None)(_Machine).TestCase
