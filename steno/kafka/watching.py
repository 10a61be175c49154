"""Follows a topic from a point in time on, without a consumer group: it commits nothing, and no group notices."""

from collections.abc import AsyncGenerator, Mapping
from datetime import datetime
from enum import Enum

from aiokafka import AIOKafkaConsumer, TopicPartition

from steno.kafka.cluster import Cluster
from steno.kafka.errors import TopicMismatch
from steno.kafka.messages import RawMessage
from steno.kafka.partitioner import choose_partition
from steno.kafka.reader import begin_at, partitions_of, reader

_POLL_SECONDS = 0.5
_SILENT_POLLS = 20


class Begin(Enum):
    """Where to begin, if not at a time."""

    OLDEST = "oldest"
    NOW = "now"


async def watch(
    cluster: Cluster, name: str, *, begin: Begin | datetime, key: bytes | None = None
) -> AsyncGenerator[RawMessage, None]:
    """Gives the messages of a topic and then each new one, without end; those fetched together are in the order of their times.

    Args:
        name: The full name of the topic.
        key: Only messages with this key, which are looked for in its partition alone.

    Raises:
        TopicMismatch: there is no such topic.
        KafkaUnavailable: Kafka is or became unreachable.
    """
    async with reader(cluster) as client:
        if name not in await client.topics():
            raise TopicMismatch(
                f"there is no topic {name} at {cluster.kafka.bootstrap_servers}; `steno topics create` makes all topics, "
                "and STENO_TOPIC_PREFIX is what their names begin with"
            )
        partitions = sorted(await partitions_of(client, [name]))
        if key is not None:
            partitions = [choose_partition(key, partitions, ())]
        begin_at(client, await _offsets(client, partitions, begin))
        silent_polls = 0
        while True:
            found = await client.getmany(timeout_ms=int(_POLL_SECONDS * 1000))
            for raw in sorted((raw for records in found.values() for raw in records), key=lambda raw: raw.timestamp):
                if key is None or raw.key == key:
                    yield raw
            silent_polls = 0 if found else silent_polls + 1
            if silent_polls % _SILENT_POLLS == _SILENT_POLLS - 1:
                # The client does not say that Kafka is gone; this request fails then.
                await client.end_offsets(partitions)


async def _offsets(
    client: AIOKafkaConsumer, partitions: list[TopicPartition], begin: Begin | datetime
) -> Mapping[TopicPartition, int]:
    if begin is Begin.OLDEST:
        oldest: Mapping[TopicPartition, int] = await client.beginning_offsets(partitions)
        return oldest
    ends: Mapping[TopicPartition, int] = await client.end_offsets(partitions)
    if begin is Begin.NOW:
        return ends
    found = await client.offsets_for_times(dict.fromkeys(partitions, max(0, round(begin.timestamp() * 1000))))
    return {where: ends[where] if found[where] is None else found[where].offset for where in partitions}
