"""The records that a consumer works on, each with its partition, and what may become of an attempt at one. Pure."""

from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, Literal

from steno.events.catalogue import Topic
from steno.kafka.messages import Message, RawMessage
from steno.kafka.offsets import OffsetTracker


@dataclass(kw_only=True, slots=True, eq=False)
class Partition:
    """One partition while it is assigned to this consumer."""

    topic: Topic
    tracker: OffsetTracker = field(default_factory=OffsetTracker)
    #: What was committed last by this assignment.
    committed: int | None = None
    #: What a log handler says it will not need again: everything below it.
    settled: int | None = None
    #: The lowest unfinished offset as last measured, and since when it has been that (seconds since 1970).
    head: int = -1
    head_since: float = 0.0
    #: Taken away: what is left of it is no longer ours to do.
    revoked: bool = False
    #: Records that are held, those that wait for one of them, and those that wait alone; and the bytes of all these.
    held: int = 0
    held_bytes: int = 0

    def hold(self, job: "Job") -> None:
        """A record of it is held, or waits for one that is."""
        self.held += 1
        self.held_bytes += job.bytes

    def release(self, job: "Job") -> None:
        """It is not any more."""
        self.held -= 1
        self.held_bytes -= job.bytes


@dataclass(kw_only=True, slots=True, eq=False)
class Job:
    """One record under way."""

    partition: Partition
    raw: RawMessage
    attempts: int = 0
    #: What it holds, as the last attempt decoded it; None where it could not.
    message: Message | None = None
    #: What kind of records it is one of, once it has failed by a fault of ours.
    fault: Hashable = None
    #: Whether it was held.
    was_held: bool = False
    #: Whether it backs off for what concerns no other record (`Retryable.of_record`).
    alone: bool = False
    #: Why it is to go to dead letters; set once that is decided.
    verdict: Exception | None = None

    @property
    def bytes(self) -> int:
        """How large it is: key, value and headers."""
        raw = self.raw
        headers = sum(len(name) + len(content or b"") for name, content in raw.headers)
        return len(raw.key or b"") + len(raw.value or b"") + headers


class Held(Enum):
    """The type of `HELD`."""

    HELD = "held"


HELD: Final = Held.HELD

Outcome = float | Literal[Held.HELD] | None
"""What became of an attempt: None means done, a number of seconds means again after that long, `HELD` means again when the one
that tried it says so."""

Attempt = Callable[[Job], Awaitable[Outcome]]
"""Tries a job once."""
