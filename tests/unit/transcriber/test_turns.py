"""Turns: as many recordings at once as there are, or one alone, in the order in which they came."""

import asyncio

from steno_transcriber.turns import Turns


class Crowd:
    """Recordings that take turns, and who has one."""

    def __init__(self, at_once: int) -> None:
        self.turns = Turns(at_once)
        self.inside: set[str] = set()
        self.ends: dict[str, asyncio.Event] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def come(self, name: str, *, alone: bool = False) -> None:
        self.ends[name] = asyncio.Event()
        self.tasks[name] = asyncio.create_task(self._be(name, alone=alone))
        await self.settle()

    async def _be(self, name: str, *, alone: bool) -> None:
        async with self.turns.taken(alone=alone):
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


async def test_one_that_must_be_alone_is() -> None:
    """It waits for those that are there, and those that come wait for it."""
    crowd = Crowd(3)
    await crowd.come("a")
    await crowd.come("b")
    await crowd.come("suspect", alone=True)
    await crowd.come("c")
    assert crowd.inside == {"a", "b"}
    await crowd.end("a")
    await crowd.end("b")
    assert crowd.inside == {"suspect"}
    await crowd.end("suspect")
    assert crowd.inside == {"c"}


async def test_one_that_gives_up_waiting_holds_nobody() -> None:
    """Neither while it waits, nor where its turn comes at that very moment."""
    crowd = Crowd(2)
    await crowd.come("a")
    await crowd.come("suspect", alone=True)
    await crowd.come("b")
    crowd.tasks["suspect"].cancel()
    await crowd.settle()
    assert crowd.inside == {"a", "b"}
    await crowd.come("late")
    crowd.ends["a"].set()
    crowd.tasks["late"].cancel()
    await crowd.settle()
    await crowd.end("b")
    await crowd.come("last", alone=True)
    assert crowd.inside == {"last"}
