"""What is known of one call. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from steno.events.catalogue import Topic
from steno.events.records import Record


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """A record of the call on a topic."""

    topic: Topic
    #: Topic, partition and offset, `steno.phrases 3:17`.
    where: str
    at: datetime
    #: None where it could not be decoded, or is a dead letter.
    record: Record | None
    headers: Mapping[str, bytes]
    #: Why there is no record.
    fault: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Life:
    """All that was found out about a call."""

    call_id: str
    records: tuple[Seen, ...] = ()
    #: Answers of REST; `call` is None where it is no live call, or was not asked for.
    call: Mapping[str, Any] | None = None
    recordings: tuple[Mapping[str, Any], ...] = ()
    #: Whether the result document of each completed recording can be read.
    transcripts: Mapping[str, bool] = field(default_factory=dict)
    deliveries: tuple[Mapping[str, Any], ...] = ()
    #: The sources that could not be asked, and why: `Kafka`, `ingest`, `notifier`.
    unasked: Mapping[str, str] = field(default_factory=dict)
