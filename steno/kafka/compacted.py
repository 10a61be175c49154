"""Compacted topics: the newest record of each key."""

from aiokafka import TopicPartition

from steno.events.catalogue import Topic
from steno.events.records import Record
from steno.kafka.cluster import Cluster
from steno.kafka.reading import newest_by_key, readable, reader


async def newest(cluster: Cluster, topic: Topic, partition: int) -> dict[str, Record]:
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
