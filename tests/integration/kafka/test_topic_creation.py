"""Topics made from the catalogue on a real broker."""

import asyncio

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from support.kafka import create_topic
from support.kernel import CODEC, recording

from steno.events.catalogue import PHRASES, RECORDINGS, WEBHOOKS, catalogue, topic_config
from steno.kafka.errors import KafkaUnavailable, TopicMismatch
from steno.kafka.producer import Producer
from steno.kafka.topics import create_topics, topic_name
from steno.settings import KafkaSettings, TopicSettings


async def test_the_whole_catalogue_is_made_once_by_many(kafka: str, topic_prefix: str) -> None:
    """Three processes at once make each topic once, with the settings of the catalogue; a record can be sent right after."""
    settings, topics = KafkaSettings(bootstrap_servers=kafka), TopicSettings(prefix=topic_prefix, partitions=2)
    await asyncio.gather(*(create_topics(settings, topics) for _ in range(3)))
    await create_topics(settings, topics)
    producer = Producer(settings, topics, CODEC, source="test")
    await asyncio.wait_for(producer.send(RECORDINGS, recording("call")), 5)
    await producer.stop()
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    try:
        names = [topic_name(topics, topic) for topic in catalogue().values()]
        assert {entry["topic"]: len(entry["partitions"]) for entry in await admin.describe_topics(names)} == dict.fromkeys(
            names, 2
        )
        (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name) for name in names])
        for _code, _message, _type, name, entries in answer.resources:
            found = {entry[0]: entry[1] for entry in entries}
            wanted = topic_config(catalogue()[name.removeprefix(topic_prefix)])
            assert {key: found[key] for key in wanted} == wanted
    finally:
        await admin.close()


async def test_another_number_of_partitions_is_an_error_that_says_what_to_do(kafka: str, topic_prefix: str) -> None:
    """Topics keyed by call must agree; others may differ."""
    settings, topics = KafkaSettings(bootstrap_servers=kafka), TopicSettings(prefix=topic_prefix, partitions=4)
    await create_topic(kafka, topic_name(topics, PHRASES), partitions=3)
    await create_topic(kafka, topic_name(topics, WEBHOOKS), partitions=1)
    with pytest.raises(TopicMismatch, match=r"phrases has 3 partitions, but STENO_TOPIC_PARTITIONS is 4.*=3"):
        await create_topics(settings, topics, [RECORDINGS, PHRASES])
    await create_topics(settings, topics, [WEBHOOKS])


async def test_more_copies_than_brokers_is_an_error_that_names_the_setting(kafka: str, topic_prefix: str) -> None:
    """It does not wait for brokers that will never come."""
    topics = TopicSettings(prefix=topic_prefix, replication_factor=9)
    with pytest.raises(TopicMismatch, match="STENO_TOPIC_REPLICATION_FACTOR"):
        await create_topics(KafkaSettings(bootstrap_servers=kafka), topics, [RECORDINGS])


async def test_without_kafka_it_says_where_it_looked(topic_prefix: str) -> None:
    """In bounded time."""
    nobody = KafkaSettings(bootstrap_servers="127.0.0.1:1")
    with pytest.raises(KafkaUnavailable, match=r"127\.0\.0\.1:1 within 0\.5 s"):
        await create_topics(nobody, TopicSettings(prefix=topic_prefix), seconds=0.5)
