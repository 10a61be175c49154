"""Reads partitions without a group, up to an end that is known: spans of them, and the newest record of each key."""

import time
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from steno.errors import Permanent
from steno.events.catalogue import Topic
from steno.events.codec import Codec
from steno.events.records import Record
from steno.kafka import metrics
from steno.kafka.client import client_options
from steno.kafka.cluster import Cluster
from steno.kafka.errors import KafkaUnavailable, NewerRecord
from steno.kafka.log_limiter import LogLimiter
from steno.kafka.messages import Message, RawMessage, decode

log = structlog.get_logger("steno.kafka.reader")

_POLL_SECONDS = 0.2
_SILENCE_SECONDS = 30.0


@asynccontextmanager
async def reader(cluster: Cluster) -> AsyncIterator[AIOKafkaConsumer]:
    """A client that reads without a group, inside the block.

    Raises:
        KafkaUnavailable: Kafka is away, or was lost inside the block.
    """
    client = AIOKafkaConsumer(**client_options(cluster.kafka), enable_auto_commit=False, auto_offset_reset="earliest")
    try:
        await client.start()
        yield client
    except KafkaError as error:
        raise KafkaUnavailable(f"Kafka at {cluster.kafka.bootstrap_servers} could not be read: {error!r}") from error
    finally:
        await client.stop()


async def read(client: AIOKafkaConsumer, where: TopicPartition, *, start: int, end: int) -> AsyncIterator[RawMessage]:
    """The messages of a partition from one offset up to and without another; `end` is at most the end as of now.

    Raises:
        KafkaUnavailable: nothing has come for half a minute.
    """
    if start >= end:
        return
    begin_at(client, {where: start})
    silent_polls = 0
    while await client.position(where) < end:
        records = await client.getmany(timeout_ms=int(_POLL_SECONDS * 1000))
        silent_polls = 0 if records else silent_polls + 1
        if silent_polls * _POLL_SECONDS > _SILENCE_SECONDS:
            raise KafkaUnavailable(
                f"partition {where.partition} of {where.topic} could not be read up to {end}: Kafka is silent"
            )
        for record in records.get(where, ()):
            if record.offset >= end:
                return
            yield record


async def newest_by_key(client: AIOKafkaConsumer, where: TopicPartition) -> tuple[Mapping[bytes | None, RawMessage], int]:
    """The newest message of each key in a partition, and the end up to which it was read: the end as of now.

    Raises:
        KafkaUnavailable: nothing has come for half a minute.
    """
    start = (await client.beginning_offsets([where]))[where]
    end = (await client.end_offsets([where]))[where]
    return {raw.key: raw async for raw in read(client, where, start=start, end=end)}, end


async def partitions_of(client: AIOKafkaConsumer, topics: Collection[str]) -> Sequence[TopicPartition]:
    """All partitions of topics, by their names on the cluster.

    Raises:
        KafkaUnavailable: not all of the topics are there yet.
    """
    # Left to itself, the client learns of no topic it is not assigned.
    await client._client.set_topics(topics)
    partitions = [TopicPartition(name, number) for name in topics for number in client.partitions_for_topic(name) or ()]
    if {where.topic for where in partitions} != set(topics):
        raise KafkaUnavailable("not all of the topics to be read are there yet")
    return partitions


def begin_at(client: AIOKafkaConsumer, offsets: Mapping[TopicPartition, int]) -> None:
    """Has a client read partitions from given offsets."""
    client.assign(list(offsets))
    # Before anything else runs: a fresh assignment soon finds positions of its own.
    for where, offset in offsets.items():
        client.seek(where, offset)


_log_limiter = LogLimiter()


async def readable(raw: RawMessage, topic: Topic, codec: Codec) -> Message | None:
    """The message in bytes that nobody can put aside; None, counted and logged, where they are no record of their topic.

    Raises:
        Retryable: the registry that may know its schema did not answer.
    """
    try:
        return await decode(raw, topic, codec)
    except (Permanent, NewerRecord) as error:
        metrics.PASSED_OVER.labels("", raw.topic, error.error_class).inc()
        left_out = _log_limiter.left_out((raw.topic, error.error_class), time.monotonic())
        if left_out is not None:
            where = {"topic": raw.topic, "partition": raw.partition, "offset": raw.offset}
            log.error("message.unreadable", **where, reason=str(error), left_out=left_out)
        return None


async def newest_records(cluster: Cluster, topic: Topic, partition: int) -> dict[str, Record]:
    """The newest record of each key in one partition, as of now; a key whose newest is a tombstone is left out.

    A key whose newest message is no record of the topic is left out too, and logged: what it stood for is not known.

    Raises:
        KafkaUnavailable: it could not be read to the end.
        Retryable: the registry that may know the schema of a record did not answer.
    """
    where = TopicPartition(cluster.topic_name(topic), partition)
    async with reader(cluster) as client:
        last, _ = await newest_by_key(client, where)
    found: dict[str, Record] = {}
    for raw in last.values():
        message = await readable(raw, topic, cluster.codec)
        if message is not None and message.key is not None and message.record is not None:
            found[message.key] = message.record
    return found
