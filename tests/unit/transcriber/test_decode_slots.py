"""DecodeSlots: as many recordings at once as there are, of which one may be a suspect, in the order in which they came."""

import asyncio

from steno_transcriber.decode_slots import DecodeSlots


class Crowd:
    """Recordings that take turns, and who has one."""

    def __init__(self, at_once: int) -> None:
        self.turns = DecodeSlots(at_once)
        self.inside: set[str] = set()
        self.ends: dict[str, asyncio.Event] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def come(self, name: str, *, suspect: bool = False) -> None:
        self.ends[name] = asyncio.Event()
        self.tasks[name] = asyncio.create_task(self._be(name, suspect=suspect))
        await self.settle()

    async def _be(self, name: str, *, suspect: bool) -> None:
        async with self.turns.acquire(suspect=suspect):
            self.inside.add(name)
            try:
                await self.ends[name].wait()
            finally:
                self.inside.discard(name)

    async def end(self, name: str) -> None:
        self.ends[name].set()
        await self.settle()

    async def settle(self) -> None:
        for _ in range(5):
            await asyncio.sleep(0)


async def test_suspects_take_their_turn_one_after_the_other() -> None:
    """Beside recordings that are none, which wait for a place and not for them."""
    crowd = Crowd(3)
    for name in ("suspect 1", "suspect 2", "suspect 3"):
        await crowd.come(name, suspect=True)
    for name in ("a", "b", "c"):
        await crowd.come(name)
    assert crowd.inside == {"suspect 1", "a", "b"}
    await crowd.end("suspect 1")
    assert crowd.inside == {"a", "b", "c"}
    await crowd.end("a")
    assert crowd.inside == {"suspect 2", "b", "c"}


async def test_one_that_gives_up_waiting_holds_nobody() -> None:
    """Neither while it waits, nor where its turn comes at that very moment."""
    crowd = Crowd(1)
    await crowd.come("a")
    await crowd.come("suspect 1", suspect=True)
    await crowd.come("suspect 2", suspect=True)
    crowd.tasks["suspect 1"].cancel()
    await crowd.settle()
    await crowd.come("late")
    crowd.ends["a"].set()
    crowd.tasks["suspect 2"].cancel()
    await crowd.settle()
    assert crowd.inside == {"late"}
    await crowd.end("late")
    await crowd.come("last", suspect=True)
    assert crowd.inside == {"last"}
