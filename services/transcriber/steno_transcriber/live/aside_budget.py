"""Bounds what lies aside of all live calls of a process, on disk and in memory."""

from typing import Protocol

MOST_BYTES = 8 << 30
"""On disk and in memory."""

MOST_IN_MEMORY_BYTES = 64 << 20


class Share(Protocol):
    """What lies aside of one call."""

    @property
    def size(self) -> int:
        """In bytes."""

    def evict(self) -> None:
        """Drops all of it, so that its call fails."""


class AsideBudget:
    """Where there is no more room, the call with the most aside fails."""

    def __init__(self, *, most_bytes: int = MOST_BYTES, most_in_memory_bytes: int = MOST_IN_MEMORY_BYTES) -> None:
        self._most_bytes = most_bytes
        self._most_in_memory_bytes = most_in_memory_bytes
        self._shares: set[Share] = set()
        self._bytes = self._in_memory_bytes = 0

    def enter(self, share: Share, count: int) -> bool:
        """Makes room for so many bytes more, which count from now on; False where nobody has more aside than who asks."""
        while self._bytes + count > self._most_bytes:
            largest = max(self._shares, key=lambda other: other.size, default=share)
            if largest.size <= share.size:
                return False
            largest.evict()
        self._shares.add(share)
        self._bytes += count
        return True

    def leave(self, share: Share) -> None:
        """Nothing of it lies aside any more. To be told before its size is 0."""
        self._bytes -= share.size
        self._shares.discard(share)

    def enter_memory(self, count: int) -> bool:
        """Whether there is memory for so many bytes, which count from now on."""
        if self._in_memory_bytes + count > self._most_in_memory_bytes:
            return False
        self._in_memory_bytes += count
        return True

    def leave_memory(self, count: int) -> None:
        """They are not there any more."""
        self._in_memory_bytes -= count
