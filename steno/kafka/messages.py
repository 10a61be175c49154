"""The message that a handler is given, and how it is decoded from the bytes of a topic. Pure."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from steno.events.catalogue import Topic
from steno.events.codec import Codec, UndecodableRecord
from steno.events.records import Record
from steno.events.schemas import UnknownSchema
from steno.kafka.errors import NewerRecord, WrongRecord

OUR_SOURCE = b"/steno/"
"""How `ce_source` begins where a service of ours wrote a record."""


class RawMessage(Protocol):
    """A message as a Kafka client gives it; aiokafka's `ConsumerRecord` is one."""

    topic: str
    partition: int
    offset: int
    #: Milliseconds since 1970.
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """One message of a topic."""

    topic: Topic
    partition: int
    offset: int
    key: str | None
    #: None is a tombstone: the newest record of `key` is taken back.
    record: Record | None
    headers: Mapping[str, bytes]
    #: When it was written.
    timestamp: datetime


Handler = Callable[[Message], Awaitable[None]]
"""Does the work of one message. Returning means done: its offset may be committed.

It raises `Retryable` to be called again after a back-off, for ever; `Permanent` to have the message put into dead letters now;
any other exception is a fault of ours: the message is tried a few times more; then it goes to dead letters where others go
through, and is held until some do where none does (`steno.kafka.held_records`).

Messages are handled side by side and finish in any order, those of one key too, and one may be handled more than once (after a
crash, a rebalance, a lost commit): a handler must be idempotent and must not count on order. It may be cancelled at any await
when the partition is taken away; whoever has it then handles the message again.
"""


async def decode(raw: RawMessage, topic: Topic, codec: Codec) -> Message:
    """The message in the bytes of a topic.

    Raises:
        UndecodableRecord, UnknownSchema, WrongRecord: it will never be one.
        NewerRecord: a newer version of this program can read it.
        Retryable: the registry that may know its schema did not answer.
    """
    try:
        key = None if raw.key is None else raw.key.decode()
        timestamp = datetime.fromtimestamp(raw.timestamp / 1000, UTC)
    except UnicodeDecodeError as error:
        raise UndecodableRecord(f"the key is not UTF-8: {error}") from error
    except (ValueError, OverflowError, OSError) as error:
        raise UndecodableRecord(f"its timestamp, {raw.timestamp} ms, is no time: {error}") from error
    # A header may have no value.
    headers = {name: value or b"" for name, value in raw.headers}
    return Message(
        topic=topic,
        partition=raw.partition,
        offset=raw.offset,
        key=key,
        record=None if raw.value is None else await _record(raw.value, key, headers, topic, codec),
        headers=headers,
        timestamp=timestamp,
    )


async def _record(value: bytes, key: str | None, headers: Mapping[str, bytes], topic: Topic, codec: Codec) -> Record:
    try:
        record = codec.decode(value)
    except UnknownSchema as error:
        try:
            await codec.learn(error.schema_id)
        except UnknownSchema as unknown:
            if unknown.is_newer and _is_ours(value, headers, topic, codec):
                raise NewerRecord(unknown.schema_id) from unknown
            raise
        record = codec.decode(value)
    name = type(record).__name__
    if name not in topic.records:
        raise WrongRecord(f"{name} does not belong on topic {topic.name}, which carries {', '.join(topic.records)}")
    if (wanted := topic.key_of(record)) != key:
        raise WrongRecord(
            f"the key is {key!r:.200}, but the {topic.key} of the {name} is {wanted!r:.200}: a record must have it as key, "
            "so that what belongs together meets in one partition"
        )
    return record


def _is_ours(value: bytes, headers: Mapping[str, bytes], topic: Topic, codec: Codec) -> bool:
    """Whether a service of ours seems to have written it, and not as this version does: then it is no wrong id on a record."""
    name = headers.get("ce_type", b"").removeprefix(b"steno.").decode("ascii", "replace")
    return headers.get("ce_source", b"").startswith(OUR_SOURCE) and name in topic.records and not codec.is_current(value, name)
