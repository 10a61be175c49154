"""Which offsets of one partition are under way, which are finished, and what may be committed. Pure.

A committed offset is a statement: everything below it is done. Records finish in any order, so what may be committed is the
lowest offset that is not finished, or the one after the last taken when all are. Offsets may have holes (compaction,
transaction markers); they only ever rise.
"""

from collections import deque


class OffsetTracker:
    """The offsets of one partition from the lowest unfinished one up.

    `gap` bounds memory and what a crash makes us do again: whoever takes records stops at a limit of its own until it
    shrinks.
    """

    __slots__ = ("_finished", "_next", "_pending")

    def __init__(self, begin: int | None = None) -> None:
        """
        Args:
            begin: The offset of the first record to come, where that is known: everything below it is done.
        """
        # Taken and above everything that may be committed, lowest first, with the time each was written.
        self._pending: deque[tuple[int, int]] = deque()
        # Those of them that finished out of order.
        self._finished: set[int] = set()
        self._next = begin

    def add(self, offset: int, timestamp_ms: int = 0) -> None:
        """A record is under way from now on; `timestamp_ms` is when it was written.

        Raises:
            ValueError: the offset is not above every one taken before.
        """
        if self._next is not None and offset < self._next:
            raise ValueError(f"offset {offset} after {self._next - 1}: offsets of a partition only rise")
        self._pending.append((offset, timestamp_ms))
        self._next = offset + 1

    def finish(self, offset: int) -> None:
        """A record that was taken is done: handled, or safe in dead letters.

        Raises:
            ValueError: it was not taken, or finished before.
        """
        pending = self._pending
        if pending and pending[0][0] == offset:
            pending.popleft()
            while pending and pending[0][0] in self._finished:
                self._finished.remove(pending.popleft()[0])
            return
        if not pending or not pending[0][0] < offset <= pending[-1][0] or offset in self._finished:
            raise ValueError(f"offset {offset} is not under way")
        self._finished.add(offset)

    @property
    def committable(self) -> int | None:
        """Everything below it is done; None while nothing has been taken and no beginning is known."""
        return self._pending[0][0] if self._pending else self._next

    @property
    def next(self) -> int | None:
        """The offset after the last one taken; None while nothing has been taken and no beginning is known."""
        return self._next

    @property
    def gap(self) -> int:
        """How many records lie between what may be committed and the last taken, finished or not."""
        return len(self._pending)

    @property
    def under_way(self) -> int:
        """How many records are taken and not finished."""
        return len(self._pending) - len(self._finished)

    @property
    def oldest_timestamp_ms(self) -> int | None:
        """When the lowest unfinished record was written; None when all are finished."""
        return self._pending[0][1] if self._pending else None
