"""A first-come-first-served semaphore for decoding: a number of recordings at once, of which one may be a suspect.

Imports no adapter.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager


class DecodeSlots:
    """First come, first served; suspects wait for each other, and nobody else waits for them."""

    def __init__(self, at_once: int) -> None:
        self._places = asyncio.Semaphore(at_once)
        self._suspects = asyncio.Lock()

    @asynccontextmanager
    async def taken(self, *, suspect: bool = False) -> AsyncIterator[None]:
        """A turn, for the time of the block; of a `suspect` while no other has one."""
        async with AsyncExitStack() as turn:
            if suspect:
                await turn.enter_async_context(self._suspects)
            await turn.enter_async_context(self._places)
            yield
