"""What a handler is given: one message of a topic, decoded."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from steno.events.catalogue import Topic
from steno.events.codec import Codec, UndecodableRecord
from steno.events.records import Record
from steno.events.schemas import UnknownSchema
from steno.kafka.errors import WrongRecord


class RawMessage(Protocol):
    """A message as a Kafka client gives it; aiokafka's `ConsumerRecord` is one."""

    topic: str
    partition: int
    offset: int
    #: Milliseconds since 1970.
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


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
any other exception is tried a few times more, then the message goes to dead letters.

Messages are handled side by side and finish in any order, those of one key too, and one may be handled more than once (after a
crash, a rebalance, a lost commit): a handler must be idempotent and must not count on order. It may be cancelled at any await
when the partition is taken away; whoever has it then handles the message again.
"""


async def decode(raw: RawMessage, topic: Topic, codec: Codec) -> Message:
    """The message in the bytes of a topic.

    Raises:
        UndecodableRecord, UnknownSchema, WrongRecord: it will never be one.
        Retryable: the registry that may know its schema did not answer.
    """
    try:
        key = None if raw.key is None else raw.key.decode()
    except UnicodeDecodeError as error:
        raise UndecodableRecord(f"the key is not UTF-8: {error}") from error
    return Message(
        topic=topic,
        partition=raw.partition,
        offset=raw.offset,
        key=key,
        record=None if raw.value is None else await _record(raw.value, topic, codec),
        headers=dict(raw.headers),
        timestamp=datetime.fromtimestamp(raw.timestamp / 1000, UTC),
    )


async def _record(value: bytes, topic: Topic, codec: Codec) -> Record:
    try:
        record = codec.decode(value)
    except UnknownSchema as error:
        await codec.learn(error.schema_id)
        record = codec.decode(value)
    name = type(record).__name__
    if name not in topic.records:
        raise WrongRecord(f"{name} does not belong on topic {topic.name}, which carries {', '.join(topic.records)}")
    return record
