"""Bounds the buffered records of all live calls of a process, on disk and in memory.

| what is buffered | what follows |
|---|---|
| half of what may, of calls that keep their time | the log waits: the machine is too small, and no call is to fail by that |
| all of what may | the call with the most buffered fails |
"""

import asyncio
from typing import Protocol

MOST_BYTES = 8 << 30
"""On disk and in memory."""

MOST_IN_MEMORY_BYTES = 64 << 20


class Share(Protocol):
    """The buffer of one call."""

    @property
    def size(self) -> int:
        """In bytes."""

    @property
    def ahead(self) -> bool:
        """Whether the call comes faster than it can have been spoken."""

    def evict(self) -> None:
        """Drops all of it, so that its call fails."""


class BufferBudget:
    """Counts the buffered bytes of all calls, and decides which call may buffer more."""

    def __init__(self, *, most_bytes: int = MOST_BYTES, most_in_memory_bytes: int = MOST_IN_MEMORY_BYTES) -> None:
        self._most_bytes = most_bytes
        self._most_in_memory_bytes = most_in_memory_bytes
        self._shares: set[Share] = set()
        self._bytes = self._in_memory_bytes = 0
        self._left = asyncio.Event()

    async def wait(self) -> None:
        """Returns when calls that keep their time have less buffered than half of what may be."""
        while self._bytes * 2 >= self._most_bytes and self._in_time_bytes * 2 >= self._most_bytes:
            self._left.clear()
            await self._left.wait()

    def enter(self, share: Share, count: int) -> bool:
        """Reserves bytes for a call, and evicts the call with the most buffered where needed; False where that is this one."""
        while self._bytes + count > self._most_bytes:
            largest = max(self._shares, key=lambda other: other.size, default=share)
            if largest.size <= share.size:
                return False
            largest.evict()
        self._shares.add(share)
        self._bytes += count
        return True

    def leave(self, share: Share) -> None:
        """Releases all bytes of a call; to be called before its size is set to 0."""
        self._bytes -= share.size
        self._shares.discard(share)
        self._left.set()

    def enter_memory(self, count: int) -> bool:
        """Reserves bytes of memory; returns False where there is not enough."""
        if self._in_memory_bytes + count > self._most_in_memory_bytes:
            return False
        self._in_memory_bytes += count
        return True

    def leave_memory(self, count: int) -> None:
        """Releases bytes of memory."""
        self._in_memory_bytes -= count

    @property
    def _in_time_bytes(self) -> int:
        return sum(share.size for share in self._shares if not share.ahead)
