"""A handler of a log consumer that writes down what is asked of it."""

import asyncio

from steno.errors import Retryable
from steno.kafka.messages import Handler, Message


class RecordedLog:
    """Settles all that it took, unless it is told to hold back."""

    def __init__(self, work: Handler | None = None) -> None:
        """
        Args:
            work: Done for each message before it counts as taken; what it raises, `handle` raises.
        """
        self._work = work
        #: Everything asked of the handler that it did, in its order: what, partition, and the offset taken or settled.
        self.calls: list[tuple[str, int, int | None]] = []
        #: Partition, offset and key of what was taken.
        self.taken: list[tuple[int, int, str]] = []
        #: The keys of what was given up.
        self.given_up: list[str] = []
        #: Where `open` says it begins, by partition.
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
        """The offsets taken of a partition, in the order in which they were."""
        return [offset for where, offset, _ in self.taken if where == partition]

    def verbs(self, partition: int) -> list[str]:
        """What was asked of the handler for a partition."""
        return [verb for verb, where, _ in self.calls if where == partition]
