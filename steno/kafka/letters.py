"""Reads the headers of a dead letter (`steno.kafka.dead_letters` writes them). Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from steno.kafka.messages import RawMessage

PREFIX = "steno-"
"""What the names of the headers begin with."""

REDRIVES = "steno-redrives"
"""The header that stays on a message that was sent back to its origin and failed again."""


_LAST_MS = 253_402_300_799_000
"""The last second of the year 9999."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Letter:
    """A dead letter: a message as it was at its origin, and why it was given up."""

    partition: int
    offset: int
    #: When it became a dead letter, in milliseconds since 1970.
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    #: The headers that the message had at its origin.
    headers: Sequence[tuple[str, bytes]]
    #: The full name of the topic it came from. Empty where a message is no dead letter of Steno, as are the next ones.
    origin_topic: str
    origin_partition: int | None
    origin_offset: int | None
    error_class: str
    error_message: str
    attempts: int
    service: str
    #: What Kafka refused to keep of it; empty where the letter is whole.
    left_out: str
    #: How often it was sent back to its origin before it came here.
    redrives: int

    @property
    def id(self) -> str:
        """Names the letter on the command line: its partition and offset in the topic of dead letters."""
        return f"{self.partition}:{self.offset}"

    @property
    def at(self) -> datetime:
        """When it became a dead letter; 1970 or 9999 where its publisher gave a time that is none."""
        return datetime.fromtimestamp(min(max(self.timestamp_ms, 0), _LAST_MS) / 1000, UTC)


def letter_of(raw: RawMessage) -> Letter:
    """Reads a message of the topic of dead letters; headers that are missing or not valid give empty values."""
    ours = {name.removeprefix(PREFIX): value or b"" for name, value in raw.headers if name.startswith(PREFIX)}
    text = {name: value.decode("utf-8", "replace") for name, value in ours.items()}
    return Letter(
        partition=raw.partition,
        offset=raw.offset,
        timestamp_ms=raw.timestamp,
        key=raw.key,
        value=raw.value,
        headers=[(name, value or b"") for name, value in raw.headers if not name.startswith(PREFIX)],
        origin_topic=text.get("origin-topic", ""),
        origin_partition=_number(text.get("origin-partition")),
        origin_offset=_number(text.get("origin-offset")),
        error_class=text.get("error-class", ""),
        error_message=text.get("error-message", ""),
        attempts=_number(text.get("attempts")) or 0,
        service=text.get("service", ""),
        left_out=text.get("left-out", ""),
        redrives=_number(text.get(REDRIVES.removeprefix(PREFIX))) or 0,
    )


def parse_id(text: str) -> tuple[int, int]:
    """Parses the id of a letter to its partition and offset.

    Raises:
        ValueError: it is no id; the message is for a person.
    """
    partition, _, offset = text.partition(":")
    found = _number(partition), _number(offset)
    if found[0] is None or found[1] is None:
        raise ValueError(f"{text} is not the id of a dead letter; write PARTITION:OFFSET as `steno dead-letters list` shows it")
    return found[0], found[1]


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdecimal() and len(text) < 19 else None
