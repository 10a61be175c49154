"""Places of fetches: slow servers hold up slow servers."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st
from steno_transcriber.fetch import slots
from steno_transcriber.fetch.limits import MinimumPace
from steno_transcriber.fetch.slots import FetchSlots, NoFreeSlot, Slot


class Call:
    """What comes later, unless it is cancelled."""

    def __init__(self, at: float, function: Callable[[], None]) -> None:
        self.at = at
        self.function = function
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Later:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.now = 0.0

    def __call__(self, seconds: float, function: Callable[[], None]) -> Call:
        self.calls.append(Call(self.now + seconds, function))
        return self.calls[-1]

    def passes(self, seconds: float) -> None:
        end = self.now + seconds
        while due := [call for call in self.calls if call.at <= end]:
            call = min(due, key=lambda call: call.at)
            self.calls.remove(call)
            self.now = call.at
            if not call.cancelled:
                call.function()
        self.now = end


class Crowd:
    """Recordings that come and go."""

    def __init__(self, *, at_once: int = 6, slow: int = 8) -> None:
        self.later = Later()
        self.places = FetchSlots(at_once=at_once, slow=slow, later=self.later)
        self.inside: dict[str, Slot] = {}
        self._leave: dict[str, asyncio.Event] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def come(self, name: str, host: str = "") -> bool:
        self._leave[name] = asyncio.Event()
        self.tasks[name] = asyncio.create_task(self._be(name, host))
        await self._settle()
        return name in self.inside

    async def _be(self, name: str, host: str) -> None:
        async with self.places.acquire(host) as place:
            self.inside[name] = place
            try:
                await self._leave[name].wait()
            finally:
                del self.inside[name]

    async def go(self, name: str) -> None:
        self._leave[name].set()
        await self._settle()

    async def passes(self, seconds: float) -> None:
        self.later.passes(seconds)
        await self._settle()

    async def _settle(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)


async def test_ten_tarpits_hold_up_no_other_server() -> None:
    """Not even at first, where they are of one host; and after a few seconds, wherever they are."""
    crowd = Crowd()
    for number in range(10):
        await crowd.come(f"tarpit {number}", "tarpit.example")
    assert await crowd.come("good", "good.example")
    await crowd.go("good")
    await crowd.passes(6)
    await crowd.passes(6)
    assert [await crowd.come(f"good {number}", "good.example") for number in range(2)] == [True, True]


async def test_slow_servers_of_many_names_move_out_of_the_way() -> None:
    """As long as there is room for the slow."""
    crowd = Crowd()
    for number in range(8):
        await crowd.come(f"tarpit {number}", f"{number}.example")
    assert not await crowd.come("good", "good.example")
    await crowd.passes(6)
    assert "good" in crowd.inside


async def test_slow_servers_of_any_number_of_names_leave_room_for_the_quick() -> None:
    """Where the slow lane is full, too, one of those in the quick lane goes for each that waits, and no more."""
    crowd = Crowd()
    for number in range(14):
        await crowd.come(f"tarpit {number}", f"{number}.example")
        if number in (5, 11):
            await crowd.passes(6)
    assert len(crowd.inside) == 14
    assert not await crowd.come("good", "good.example")
    await crowd.passes(6)
    assert "good" in crowd.inside
    ended = [task for task in crowd.tasks.values() if task.done()]
    assert [type(task.exception()) for task in ended] == [NoFreeSlot]
    await crowd.passes(60)
    assert len(crowd.inside) == 14


async def test_a_fetch_ends_for_nobody_that_could_not_have_its_place() -> None:
    """More of the same server, say; and what is fetched is decoded, whoever waits."""
    crowd = Crowd(at_once=3, slow=2)
    for number in range(2):
        await crowd.come(f"slow {number}", f"{number}.example")
    await crowd.passes(14)
    for number in range(4):
        await crowd.come(f"big {number}", "big.example")
    await crowd.come("call", "good.example")
    crowd.inside["call"].finish_fetch()
    await crowd.passes(60)
    assert sorted(crowd.inside) == ["big 0", "big 1", "call", "slow 0", "slow 1"]


async def test_what_is_our_own_waits_for_no_server() -> None:
    """Uploads have a lane to themselves, however many servers are slow."""
    crowd = Crowd()
    for number in range(20):
        await crowd.come(f"tarpit {number}", f"{number}.example")
        await crowd.passes(6)
    assert [await crowd.come(f"upload {number}") for number in range(7)] == [True] * 6 + [False]
    await crowd.go("upload 0")
    assert "upload 6" in crowd.inside


async def test_servers_never_take_all_handlers() -> None:
    """A thousand tarpits of a hundred hosts: enough handlers are left for twice the uploads that have places."""
    crowd = Crowd()
    for number in range(1_000):
        await crowd.come(f"tarpit {number}", f"{number % 100}.example")
        if number % 10 == 0:
            await crowd.passes(6)
    handled = sum(not task.done() for task in crowd.tasks.values())
    assert 6 + 8 < handled <= crowd.places.handlers - 2 * 6
    for task in crowd.tasks.values():
        if task.done():
            assert isinstance(task.exception(), NoFreeSlot)
        task.cancel()


async def test_what_is_fetched_moves_nowhere() -> None:
    """It waits to be decoded, and is counted where it was: there are never more files than places."""
    crowd = Crowd()
    for number in range(6):
        await crowd.come(f"call {number}", "good.example")
        for place in crowd.inside.values():
            place.finish_fetch()
    await crowd.passes(60)
    assert len(crowd.inside) == 6
    assert not await crowd.come("next", "good.example")
    await crowd.go("call 0")
    assert "next" in crowd.inside


async def test_who_waits_in_vain_comes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """It lets go of what others could do meanwhile."""
    monkeypatch.setattr(slots, "PATIENCE_SECONDS", 0.01)
    places = FetchSlots(at_once=1, slow=1, later=Later())
    async with places.acquire("a.example"):
        with pytest.raises(NoFreeSlot):
            async with places.acquire("b.example"):
                pass
    async with places.acquire("b.example"):
        pass


async def test_a_service_that_stops_sends_away_who_waits() -> None:
    """What is under way is finished; nothing new is begun."""
    crowd = Crowd(at_once=1)
    await crowd.come("call")
    await crowd.come("next")
    await crowd.places.stop()
    await crowd.come("late")
    await crowd.go("call")
    for name in ("next", "late"):
        with pytest.raises(NoFreeSlot, match="stops"):
            await crowd.tasks[name]
    await crowd.places.run()


@given(st.lists(st.tuples(st.sampled_from(["", "a", "b", "c"]), st.sampled_from(["come", "fetched", "go", "cancel", "wait"]))))
async def test_no_lane_ever_holds_more_than_it_has(steps: list[tuple[str, str]]) -> None:
    """Whoever comes, goes, gives up and is slow; and in the end all places are free again."""
    crowd = Crowd(at_once=2, slow=2)
    number = 0
    for host, step in steps:
        names = [name for name in crowd.inside if name.startswith(f"{host}/")]
        match step:
            case "come":
                number += 1
                await crowd.come(f"{host}/{number}", host)
            case "fetched" if names:
                crowd.inside[names[0]].finish_fetch()
            case "go" if names:
                await crowd.go(names[0])
            case "cancel" if waiting := [name for name in crowd.tasks if name not in crowd.inside]:
                crowd.tasks[waiting[0]].cancel()
            case "wait":
                await crowd.passes(6)
        lanes = [place.lane for place in crowd.inside.values()]
        assert all(lanes.count(lane) <= 2 for lane in lanes)
    for task in crowd.tasks.values():
        task.cancel()
    await asyncio.gather(*crowd.tasks.values(), return_exceptions=True)
    async with AsyncExitStack() as all_places:
        for host in ("", "", "x", "y"):
            await asyncio.wait_for(all_places.enter_async_context(crowd.places.acquire(host)), 1)


def pace() -> MinimumPace:
    return MinimumPace(began=0, window_seconds=30, least_bytes_per_second=1_000, total_seconds=900)


def test_a_tarpit_is_too_slow() -> None:
    """A byte now and then, for half a minute."""
    slow = pace()
    found = [slow.too_slow(1, now) for now in range(1, 31)]
    assert found[:29] == [""] * 29
    assert "sent 30 bytes in 30 s" in found[29]


def test_a_burst_buys_no_time() -> None:
    """What came long ago does not count."""
    slow = pace()
    assert slow.too_slow(10**9, 1) == ""
    assert slow.too_slow(0, 31) == ""
    assert [bool(slow.too_slow(1, now)) for now in range(32, 63)][-1]


def test_time_follows_from_size() -> None:
    """2 GiB at 1.5 MB a second are half an hour, and are had; a server that only just keeps up is not waited for as long."""
    for rate, had in ((1_500_000, True), (20_000, False)):
        fine, now = pace(), 0
        while fine.received < 2 << 30:
            now += 10
            if fine.too_slow(10 * rate, now):
                break
        assert (fine.received >= 2 << 30) is had
