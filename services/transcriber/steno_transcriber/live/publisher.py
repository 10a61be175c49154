"""Where the records of live calls go."""

from typing import Protocol

from steno.events.catalogue import Topic
from steno.events.records import Record


class Publisher(Protocol):
    """Where records go; the kernel's producer is one."""

    async def send(self, topic: Topic, record: Record, *, event_id: str | None = None) -> None:
        """Returns when the record is safe."""
