"""The message that a handler gets, and its decoding from the bytes of a topic. Pure."""

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
"""The prefix of `ce_source` in records that our services wrote."""


class RawMessage(Protocol):
    """A message as a Kafka client returns it, such as aiokafka's `ConsumerRecord`."""

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
    """A decoded message of a topic."""

    topic: Topic
    partition: int
    offset: int
    key: str | None
    #: None is a tombstone, which deletes the newest record of `key`.
    record: Record | None
    headers: Mapping[str, bytes]
    #: When it was written.
    timestamp: datetime


Handler = Callable[[Message], Awaitable[None]]
"""Handles one message. When it returns, the message is done: its offset may be committed.

It raises `Retryable` to be called again after a back-off, without limit, and `Permanent` to send the message to dead letters
immediately. After any other exception the message is tried a few times more; then it goes to dead letters if others succeed,
and is held if none does (`steno.kafka.held_records`).

Messages are handled concurrently and finish in any order, also those of one key, and a message may be handled more than once
(after a crash, a rebalance, a lost commit). So a handler must be idempotent and must not depend on order. It may be cancelled
at any await when the partition is revoked; the next owner handles the message again.
"""


async def decode(raw: RawMessage, topic: Topic, codec: Codec) -> Message:
    """Decodes a message.

    Raises:
        UndecodableRecord, UnknownSchema, WrongRecord: it is not a valid message of the topic.
        NewerRecord: only a newer version of this program can read it.
        Retryable: the schema registry did not answer.
    """
    try:
        key = None if raw.key is None else raw.key.decode()
        timestamp = datetime.fromtimestamp(raw.timestamp / 1000, UTC)
    except UnicodeDecodeError as error:
        raise UndecodableRecord(f"the key is not UTF-8: {error}") from error
    except (ValueError, OverflowError, OSError) as error:
        raise UndecodableRecord(f"its timestamp, {raw.timestamp} ms, is not a valid time: {error}") from error
    # The value of a header may be None.
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
            f"the key is {key!r:.200}, but the {topic.key} of the {name} is {wanted!r:.200}: the key of a record must be its "
            f"{topic.key}, so that related records are in one partition"
        )
    return record


def _is_ours(value: bytes, headers: Mapping[str, bytes], topic: Topic, codec: Codec) -> bool:
    """Whether one of our services seems to have written a record with another schema than this version's."""
    name = headers.get("ce_type", b"").removeprefix(b"steno.").decode("ascii", "replace")
    return headers.get("ce_source", b"").startswith(OUR_SOURCE) and name in topic.records and not codec.is_current(value, name)
