"""A first-come-first-served semaphore for decoding: a number of recordings at once, of which one may be a suspect.

Imports no adapter.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager


class DecodeSlots:
    """Slots for recordings that are decoded, first come, first served; suspects also wait for each other."""

    def __init__(self, at_once: int) -> None:
        self._places = asyncio.Semaphore(at_once)
        self._suspects = asyncio.Lock()

    @asynccontextmanager
    async def acquire(self, *, suspect: bool = False) -> AsyncIterator[None]:
        """Hold a slot for the time of the block; a `suspect` only while no other suspect holds one."""
        async with AsyncExitStack() as turn:
            if suspect:
                await turn.enter_async_context(self._suspects)
            await turn.enter_async_context(self._places)
            yield
