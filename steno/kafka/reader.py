"""Reads partitions without a consumer group, up to a known end: ranges of offsets, or the newest record of each key."""

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
from steno.kafka.client import client_options, stop_consumer
from steno.kafka.cluster import Cluster
from steno.kafka.errors import AccessRefused, KafkaUnavailable, NewerRecord
from steno.kafka.faults import REFUSED, refusal
from steno.kafka.log_limiter import LogLimiter
from steno.kafka.messages import Message, RawMessage, decode

log = structlog.get_logger("steno.kafka.reader")

_POLL_SECONDS = 0.2
_SILENCE_SECONDS = 30.0


@asynccontextmanager
async def reader(cluster: Cluster) -> AsyncIterator[AIOKafkaConsumer]:
    """Opens a client without a consumer group for the block.

    Raises:
        KafkaUnavailable: Kafka is unreachable, or became so inside the block.
        AccessRefused: the ACLs of the cluster do not allow this user what it did inside the block.
    """
    client = AIOKafkaConsumer(**client_options(cluster.kafka), enable_auto_commit=False, auto_offset_reset="earliest")
    try:
        await client.start()
        yield client
    except REFUSED as error:
        raise AccessRefused(refusal(cluster.kafka, error)) from error
    except KafkaError as error:
        raise KafkaUnavailable(
            f"Kafka at {cluster.kafka.bootstrap_servers} could not be read: {error!r}; check that the broker runs, and that "
            "KAFKA_BOOTSTRAP_SERVERS names it"
        ) from error
    finally:
        await stop_consumer(client)


async def read(client: AIOKafkaConsumer, where: TopicPartition, *, start: int, end: int) -> AsyncIterator[RawMessage]:
    """Reads the messages of a partition from offset `start` to before `end`, which must not be in the future.

    Raises:
        KafkaUnavailable: no message has come for half a minute.
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
                f"partition {where.partition} of {where.topic} could not be read up to {end}: Kafka sends no messages"
            )
        for record in records.get(where, ()):
            if record.offset >= end:
                return
            yield record


async def newest_by_key(client: AIOKafkaConsumer, where: TopicPartition) -> tuple[Mapping[bytes | None, RawMessage], int]:
    """Reads the newest message of each key in a partition; also returns the end offset, up to which it was read.

    Raises:
        KafkaUnavailable: no message has come for half a minute.
    """
    start = (await client.beginning_offsets([where]))[where]
    end = (await client.end_offsets([where]))[where]
    return {raw.key: raw async for raw in read(client, where, start=start, end=end)}, end


async def partitions_of(client: AIOKafkaConsumer, topics: Collection[str]) -> Sequence[TopicPartition]:
    """Returns all partitions of topics, which are given by their names on the cluster.

    Raises:
        KafkaUnavailable: some of the topics do not exist yet.
    """
    # By default the client fetches no metadata of topics that are not assigned.
    await client._client.set_topics(topics)
    partitions = [TopicPartition(name, number) for name in topics for number in client.partitions_for_topic(name) or ()]
    if {where.topic for where in partitions} != set(topics):
        raise KafkaUnavailable("some of the topics to be read do not exist yet")
    return partitions


def begin_at(client: AIOKafkaConsumer, offsets: Mapping[TopicPartition, int]) -> None:
    """Assigns partitions to a client, to be read from the given offsets."""
    client.assign(list(offsets))
    # This must come immediately: a new assignment soon looks up positions itself.
    for where, offset in offsets.items():
        client.seek(where, offset)


_log_limiter = LogLimiter()


async def readable(raw: RawMessage, topic: Topic, codec: Codec) -> Message | None:
    """Decodes a message that cannot go to dead letters; returns None if it is unreadable, after counting and logging it.

    Raises:
        Retryable: the schema registry did not answer.
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
    """Reads the newest record of each key in one partition; keys whose newest message is a tombstone are left out.

    Keys whose newest message is unreadable are left out too, and logged.

    Raises:
        KafkaUnavailable: it could not be read to the end.
        Retryable: the schema registry did not answer.
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
