"""The jobs of a consumer, each a record with its partition, and the outcomes of an attempt. Pure."""

from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, Literal

from steno.events.catalogue import Topic
from steno.kafka.messages import Message, RawMessage
from steno.kafka.offsets import OffsetTracker


@dataclass(kw_only=True, slots=True, eq=False)
class Partition:
    """A partition that is assigned to this consumer."""

    topic: Topic
    tracker: OffsetTracker = field(default_factory=OffsetTracker)
    #: The offset of the last commit in this assignment.
    committed: int | None = None
    #: The offset below which a log handler needs no record again.
    settled: int | None = None
    #: The lowest unfinished offset at the last measurement, and since when it has not changed (seconds since 1970).
    head: int = -1
    head_since: float = 0.0
    #: Whether it was revoked; its unfinished records are then ignored.
    revoked: bool = False
    #: Number of records that are held, wait for a held one, or back off alone, and their bytes.
    held: int = 0
    held_bytes: int = 0

    def hold(self, job: "Job") -> None:
        """Counts a record that is held, waits for a held one, or backs off alone."""
        self.held += 1
        self.held_bytes += job.bytes

    def release(self, job: "Job") -> None:
        """Ends the counting that `hold` began."""
        self.held -= 1
        self.held_bytes -= job.bytes


@dataclass(kw_only=True, slots=True, eq=False)
class Job:
    """One record in progress."""

    partition: Partition
    raw: RawMessage
    attempts: int = 0
    #: The message as the last attempt decoded it; None if decoding failed.
    message: Message | None = None
    #: Its kind of records, once it has failed with an unexpected error.
    fault: Hashable = None
    #: Whether it was held.
    was_held: bool = False
    #: Whether it backs off for a reason that concerns no other record (`Retryable.of_record`).
    alone: bool = False
    #: The error for which it goes to dead letters, once that is decided.
    verdict: Exception | None = None

    @property
    def bytes(self) -> int:
        """The size of key, value and headers."""
        raw = self.raw
        headers = sum(len(name) + len(content or b"") for name, content in raw.headers)
        return len(raw.key or b"") + len(raw.value or b"") + headers


class Held(Enum):
    """The type of `HELD`."""

    HELD = "held"


HELD: Final = Held.HELD

Outcome = float | Literal[Held.HELD] | None
"""The outcome of an attempt: None is done; a number is the seconds until the next attempt; `HELD` means that the processor will
request the next attempt."""

Attempt = Callable[[Job], Awaitable[Outcome]]
"""Makes one attempt at a job."""
