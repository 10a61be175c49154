"""A handler of a log consumer that writes down what is asked of it."""

import asyncio

from steno.kafka.log_consumer import Message


class RecordedLog:
    """Takes whatever it is given and settles all that it took; subclasses do otherwise."""

    def __init__(self) -> None:
        #: Everything asked of the handler, in its order: what, partition, and the offset taken or settled.
        self.calls: list[tuple[str, int, int | None]] = []
        #: Partition, offset and key of what was taken.
        self.taken: list[tuple[int, int, str]] = []

    async def open(self, partition: int) -> int | None:
        self.calls.append(("open", partition, None))
        return None

    async def take(self, message: Message) -> None:
        await asyncio.sleep(0)
        self.calls.append(("take", message.partition, message.offset))
        self.taken.append((message.partition, message.offset, message.key or ""))

    async def settle(self, partition: int) -> int | None:
        offset = max(self.offsets(partition), default=-1) + 1
        self.calls.append(("settle", partition, offset))
        return offset or None

    async def close(self, partition: int) -> None:
        self.calls.append(("close", partition, None))

    def offsets(self, partition: int) -> list[int]:
        """The offsets taken of a partition, in the order in which they were."""
        return [offset for where, offset, _ in self.taken if where == partition]

    def verbs(self, partition: int) -> list[str]:
        """What was asked of the handler for a partition."""
        return [verb for verb, where, _ in self.calls if where == partition]
