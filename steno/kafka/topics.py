"""Creates the topics of the catalogue on the cluster, with retention, cleanup policy and partitions."""

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
from steno.kafka.errors import AccessRefused, KafkaUnavailable, TopicMismatch
from steno.kafka.faults import REFUSED, Fault, connection_fault, refusal
from steno.settings import KafkaSettings, TopicSettings

log = structlog.get_logger("steno.kafka.topics")

_PAUSE_SECONDS = 0.1
# aiokafka logs each failed connection as an error, so this is long enough not to flood the log.
_AWAY_SECONDS = 0.5


def topic_name(topics: TopicSettings, topic: Topic) -> str:
    """Returns the name of a catalogue topic on the cluster of this installation."""
    return topics.prefix + topic.name


async def create_topics(
    kafka: KafkaSettings, topics: TopicSettings, wanted: Iterable[Topic] | None = None, *, seconds: float = 60
) -> None:
    """Creates missing topics and waits until all can be written to; safe to call at every start.

    Args:
        wanted: The topics; all of the catalogue by default.
        seconds: How long to wait for Kafka.

    Raises:
        TopicMismatch: a topic exists with another number of partitions, or cannot be created with these settings.
        KafkaUnavailable: Kafka was not ready in time, or cannot be reached; the message has the reason.
        AccessRefused: the ACLs of the cluster do not let this user see or create a topic.
    """
    by_name = {topic_name(topics, topic): topic for topic in (catalogue().values() if wanted is None else wanted)}
    last: Fault | str = "no answer"
    try:
        async with asyncio.timeout(seconds):
            while True:
                try:
                    return await _create(kafka, topics, by_name)
                except KafkaError as error:
                    if isinstance(error, REFUSED):
                        raise AccessRefused(refusal(kafka, error)) from error
                    if not error.retriable:
                        raise
                    fault = await connection_fault(kafka) if isinstance(error, KafkaConnectionError) else None
                    if fault is not None and not fault.may_pass:
                        raise KafkaUnavailable(f"Kafka cannot be used: {fault}") from error
                    last = fault or repr(error)
                    await asyncio.sleep(_AWAY_SECONDS if isinstance(error, KafkaConnectionError) else _PAUSE_SECONDS)
    except TimeoutError:
        raise KafkaUnavailable(
            f"the topics could not be created at {kafka.bootstrap_servers} within {seconds:g} s: {last}; "
            "check that the broker is running and that KAFKA_BOOTSTRAP_SERVERS is correct"
        ) from None


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
    # The broker resolves -1 to the default of the cluster (KIP-464), but aiokafka's constructor refuses it.
    new.replication_factor = topics.replication_factor
    return new


def _check_created(name: str, code: int, message: str | None) -> None:
    error = for_code(code)
    if error is NoError:
        log.info("topic.created", topic=name)
    elif error is TopicAuthorizationFailedError:
        # It may also exist, and not be shown to this user.
        raise error(name)
    elif error is InvalidReplicationFactorError or not (error.retriable or error is TopicAlreadyExistsError):
        raise TopicMismatch(
            f"topic {name} cannot be created: {message or error.description}; create it yourself as docs/topics.md describes, "
            "or check STENO_TOPIC_REPLICATION_FACTOR"
        )
    elif error is not TopicAlreadyExistsError:
        raise error(message)


def _check_partitions(name: str, topic: Topic, partitions: int, topics: TopicSettings) -> None:
    if topic.key == "call_id" and partitions != topics.partitions:
        raise TopicMismatch(
            f"topic {name} has {partitions} partitions, but STENO_TOPIC_PARTITIONS is {topics.partitions}; all topics keyed "
            "by call must have the same number, so that the records of a call are in the same partition of each: set "
            f"STENO_TOPIC_PARTITIONS={partitions} if all topics have that number, or use another STENO_TOPIC_PREFIX"
        )


async def _wait_for_leaders(kafka: KafkaSettings, described: list[dict[str, Any]]) -> None:
    # Metadata may name a leader before the leader itself knows; one that answers a request for offsets also accepts records.
    partitions = [TopicPartition(entry["topic"], part["partition"]) for entry in described for part in entry["partitions"]]
    client = AIOKafkaConsumer(**client_options(kafka))
    try:
        await client.start()
        # Requests the metadata of all topics at once, which the client would fetch one by one.
        await client._client.set_topics({partition.topic for partition in partitions})
        await client.end_offsets(partitions)
    finally:
        await client.stop()
