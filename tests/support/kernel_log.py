"""A handler of a log consumer that records its calls."""

import asyncio

from steno.errors import Retryable
from steno.kafka.messages import Handler, Message


class RecordedLog:
    """Settles all handled records, unless the test limits that."""

    def __init__(self, work: Handler | None = None) -> None:
        """
        Args:
            work: Done for each message before it counts as taken; what it raises, `handle` raises.
        """
        self._work = work
        #: The calls in order: name, partition, and the handled or settled offset.
        self.calls: list[tuple[str, int, int | None]] = []
        #: Partition, offset and key of handled records.
        self.taken: list[tuple[int, int, str]] = []
        #: The keys of records that were given up.
        self.given_up: list[str] = []
        #: The offsets that `open` returns, by partition.
        self.begins: dict[int, int] = {}
        #: The highest offset it settles.
        self.settles_up_to: int | None = None
        #: `open` and `settle` raise each of these once.
        self.open_errors: list[Retryable] = []
        self.settle_errors: list[Retryable] = []

    async def open(self, partition: int) -> int | None:
        if self.open_errors:
            raise self.open_errors.pop()
        self.calls.append(("open", partition, None))
        return self.begins.get(partition)

    async def handle(self, message: Message) -> None:
        await (asyncio.sleep(0) if self._work is None else self._work(message))
        self.calls.append(("handle", message.partition, message.offset))
        self.taken.append((message.partition, message.offset, message.key or ""))

    async def give_up(self, message: Message, error: Exception) -> None:
        self.given_up.append(message.key or "")

    async def settle(self, partition: int, held_from: int | None = None) -> int | None:
        if self.settle_errors:
            raise self.settle_errors.pop()
        taken = self.offsets(partition)
        offset = max(taken) + 1 if taken else None
        if offset is not None and self.settles_up_to is not None:
            offset = min(offset, self.settles_up_to)
        self.calls.append(("settle", partition, offset))
        return offset

    async def close(self, partition: int) -> None:
        self.calls.append(("close", partition, None))

    def offsets(self, partition: int) -> list[int]:
        """Returns the handled offsets of a partition, in order."""
        return [offset for where, offset, _ in self.taken if where == partition]

    def verbs(self, partition: int) -> list[str]:
        """Returns the calls for a partition."""
        return [verb for verb, where, _ in self.calls if where == partition]
