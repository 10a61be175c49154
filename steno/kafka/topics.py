"""The topics of the catalogue, made on the cluster: retention, cleaning, partitions."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import (
    InvalidReplicationFactorError,
    KafkaConnectionError,
    KafkaError,
    LeaderNotAvailableError,
    NoError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    for_code,
)

from steno.events.catalogue import Topic, catalogue, topic_config
from steno.kafka.client import client_options
from steno.kafka.errors import KafkaUnavailable, TopicMismatch
from steno.settings import KafkaSettings, TopicSettings

log = structlog.get_logger("steno.kafka.topics")

_PAUSE_SECONDS = 0.1
# aiokafka says at error level, each time, that nobody listens: seldom enough not to bury what else is logged.
_AWAY_SECONDS = 0.5


def topic_name(topics: TopicSettings, topic: Topic) -> str:
    """The name of a catalogue topic on the cluster of this installation."""
    return topics.prefix + topic.name


async def create_topics(
    kafka: KafkaSettings, topics: TopicSettings, wanted: Iterable[Topic] | None = None, *, seconds: float = 60
) -> None:
    """Makes the topics that are not there yet and waits until each can be written to; safe to call at every start.

    Args:
        wanted: All of the catalogue by default.
        seconds: How long to wait for Kafka.

    Raises:
        TopicMismatch: a topic exists with another number of partitions, or may not be made.
        KafkaUnavailable: Kafka was not there, or not ready, in time.
    """
    by_name = {topic_name(topics, topic): topic for topic in (catalogue().values() if wanted is None else wanted)}
    last: Exception | None = None
    try:
        async with asyncio.timeout(seconds):
            while True:
                try:
                    return await _create(kafka, topics, by_name)
                except KafkaError as error:
                    if not error.retriable:
                        raise
                    last = error
                    await asyncio.sleep(_AWAY_SECONDS if isinstance(error, KafkaConnectionError) else _PAUSE_SECONDS)
    except TimeoutError:
        raise KafkaUnavailable(
            f"the topics could not be made at {kafka.bootstrap_servers} within {seconds:g} s: {last!r}; "
            "is the broker running, and is KAFKA_BOOTSTRAP_SERVERS right?"
        ) from last


async def _create(kafka: KafkaSettings, topics: TopicSettings, by_name: Mapping[str, Topic]) -> None:
    admin = AIOKafkaAdminClient(**client_options(kafka))
    try:
        await admin.start()
        present = set(await admin.list_topics())
        missing = [_new(name, topic, topics) for name, topic in by_name.items() if name not in present]
        if missing:
            response = await admin.create_topics(missing)
            for name, code, message in response.topic_errors:
                _check_created(name, code, message)
        described = await admin.describe_topics(list(by_name))
    finally:
        await admin.close()
    if any(entry["error_code"] or not entry["partitions"] for entry in described):
        raise LeaderNotAvailableError("a topic is not known to the broker yet")
    for entry in described:
        _check_partitions(entry["topic"], by_name[entry["topic"]], len(entry["partitions"]), topics)
    await _wait_for_leaders(kafka, described)


def _new(name: str, topic: Topic, topics: TopicSettings) -> NewTopic:
    new = NewTopic(name, topics.partitions, replication_factor=1, topic_configs=topic_config(topic))
    # -1, the cluster's default, is for the broker to resolve (KIP-464); aiokafka's constructor refuses it.
    new.replication_factor = topics.replication_factor
    return new


def _check_created(name: str, code: int, message: str | None) -> None:
    error = for_code(code)
    if error is NoError:
        log.info("topic.created", topic=name)
    elif error in (TopicAuthorizationFailedError, InvalidReplicationFactorError) or not (
        error.retriable or error is TopicAlreadyExistsError
    ):
        raise TopicMismatch(
            f"topic {name} cannot be made: {message or error.description}; make it by hand as docs/topics.md says, "
            "or let this user create topics and check STENO_TOPIC_REPLICATION_FACTOR"
        )
    elif error is not TopicAlreadyExistsError:
        raise error(message)


def _check_partitions(name: str, topic: Topic, partitions: int, topics: TopicSettings) -> None:
    if topic.key == "call_id" and partitions != topics.partitions:
        raise TopicMismatch(
            f"topic {name} has {partitions} partitions, but STENO_TOPIC_PARTITIONS is {topics.partitions}; topics keyed "
            "by call must all have the same number, so that one call's data meet in one partition: set "
            f"STENO_TOPIC_PARTITIONS={partitions} if all have that, or use another STENO_TOPIC_PREFIX"
        )


async def _wait_for_leaders(kafka: KafkaSettings, described: list[dict[str, Any]]) -> None:
    # Metadata names a leader before that leader knows it; one that answers for its offsets also takes records.
    partitions = [TopicPartition(entry["topic"], part["partition"]) for entry in described for part in entry["partitions"]]
    client = AIOKafkaConsumer(**client_options(kafka))
    try:
        await client.start()
        # All at once: left to itself, the client learns of them one by one.
        await client._client.set_topics({partition.topic for partition in partitions})
        await client.end_offsets(partitions)
    finally:
        await client.stop()
