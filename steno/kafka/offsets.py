"""Tracks which records of a partition are in progress and which are finished, and so which offset may be committed. Pure.

A committed offset means that everything below it is done. Records finish in any order, so the offset that may be committed is
the lowest unfinished one, or the one after the last record if all are finished. Offsets may have gaps (compaction, transaction
markers), but always increase.
"""

from collections import deque


class OffsetTracker:
    """The offsets of one partition from the lowest unfinished one on.

    `gap` determines the memory used and the records that a crash makes us handle again. So the caller stops adding records at
    a limit of `gap`.
    """

    __slots__ = ("_finished", "_next", "_pending")

    def __init__(self, begin: int | None = None) -> None:
        """
        Args:
            begin: The offset of the first record, if known: everything below it is done.
        """
        # The added offsets that may not be committed yet, lowest first, each with the time its record was written.
        self._pending: deque[tuple[int, int]] = deque()
        # The offsets in `_pending` that are finished.
        self._finished: set[int] = set()
        self._next = begin

    def add(self, offset: int, timestamp_ms: int = 0) -> None:
        """Adds a record in progress; `timestamp_ms` is the time it was written.

        Raises:
            ValueError: the offset is not above all earlier ones.
        """
        if self._next is not None and offset < self._next:
            raise ValueError(f"offset {offset} after {self._next - 1}: offsets of a partition only increase")
        self._pending.append((offset, timestamp_ms))
        self._next = offset + 1

    def finish(self, offset: int) -> None:
        """Marks a record as finished: handled, or safe in dead letters.

        Raises:
            ValueError: it was not added, or is finished already.
        """
        pending = self._pending
        if pending and pending[0][0] == offset:
            pending.popleft()
            while pending and pending[0][0] in self._finished:
                self._finished.remove(pending.popleft()[0])
            return
        if not pending or not pending[0][0] < offset <= pending[-1][0] or offset in self._finished:
            raise ValueError(f"offset {offset} is not in progress")
        self._finished.add(offset)

    @property
    def committable(self) -> int | None:
        """The offset that may be committed; None if no record was added and the beginning is not known."""
        return self._pending[0][0] if self._pending else self._next

    @property
    def next(self) -> int | None:
        """The offset after the last added record; None if no record was added and the beginning is not known."""
        return self._next

    @property
    def gap(self) -> int:
        """The number of records from the committable offset to the last added one, finished or not."""
        return len(self._pending)

    @property
    def under_way(self) -> int:
        """The number of unfinished records."""
        return len(self._pending) - len(self._finished)

    @property
    def oldest_timestamp_ms(self) -> int | None:
        """The time at which the lowest unfinished record was written; None if all are finished."""
        return self._pending[0][1] if self._pending else None
