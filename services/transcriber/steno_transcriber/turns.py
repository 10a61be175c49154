"""A first-come-first-served semaphore for decoding: a number of recordings at once, or one alone."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """First come, first served: nobody that needs all is passed by those that need one."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._free = at_once
        self._line: deque[tuple[int, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def taken(self, *, alone: bool = False) -> AsyncIterator[None]:
        """A turn, for the time of the block; `alone` while no other has one."""
        needed = self._at_once if alone else 1
        await self._take(needed)
        try:
            yield
        finally:
            self._give(needed)

    async def _take(self, needed: int) -> None:
        if not self._line and self._free >= needed:
            self._free -= needed
            return
        turn = asyncio.get_running_loop().create_future()
        self._line.append((needed, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._give(0)
            else:  # its turn came at that very moment
                self._give(needed)
            raise

    def _give(self, free: int) -> None:
        self._free += free
        while self._line and (self._line[0][1].cancelled() or self._free >= self._line[0][0]):
            needed, turn = self._line.popleft()
            if not turn.cancelled():
                self._free -= needed
                turn.set_result(None)
