"""The Kafka of a test session, with helpers for topics."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from steno.broker import BrokerError, LocalCluster, wait_ready

IMAGE_VARIABLE = "KAFKA_TEST_IMAGE"


class NoKafka(Exception):
    """No Kafka is available; the message lists what was tried."""


@contextmanager
def running_kafka() -> Iterator[str]:
    """Gives the bootstrap servers of a Kafka: that of `KAFKA_BOOTSTRAP_SERVERS`, or a local one, or one in Docker.

    It runs on an event loop of its own, so that it can be used from any. Local and Docker ones are thrown away at the end.

    Raises:
        NoKafka: there is none.
    """
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        given = os.environ.get("KAFKA_BOOTSTRAP_SERVERS")
        if given:
            try:
                runner.run(wait_ready(given, timeout_seconds=30))
            except BrokerError as error:
                raise NoKafka(f"KAFKA_BOOTSTRAP_SERVERS is set, but {error}") from error
            yield given
            return
        cluster = LocalCluster()
        try:
            runner.run(cluster.start())
        except BrokerError as why_not_local:
            with _in_docker(runner, why_not_local) as servers:
                yield servers
            return
        try:
            yield cluster.bootstrap_servers
        finally:
            runner.run(cluster.stop())


@contextmanager
def _in_docker(runner: asyncio.Runner, why_not_local: BrokerError) -> Iterator[str]:
    # Imported here: it is slow to import, and seldom needed.
    from docker.errors import DockerException
    from support.kafka_container import kafka_container

    try:
        with kafka_container(os.environ.get(IMAGE_VARIABLE, "apache/kafka:4.3.1")) as servers:
            runner.run(wait_ready(servers, timeout_seconds=60))
            yield servers
    except (DockerException, BrokerError) as error:
        raise NoKafka(
            "no Kafka to test against. Set KAFKA_BOOTSTRAP_SERVERS, or mend one of these:\n"
            f"- a local one: {why_not_local}\n- one in Docker: {error}"
        ) from error


async def create_topic(
    servers: str, topic: str, *, partitions: int = 1, copies: int = 1, configs: dict[str, str] | None = None
) -> None:
    """Makes a topic; raises the broker's error."""
    admin = AIOKafkaAdminClient(bootstrap_servers=servers)
    try:
        await admin.start()
        answer = await admin.create_topics(
            [NewTopic(topic, num_partitions=partitions, replication_factor=copies, topic_configs=configs or {})]
        )
        (error,) = answer.topic_errors
        assert error[1] == 0, f"{topic} was not created: {error}"
    finally:
        await admin.close()


async def read_all(servers: str, topic: str) -> list[Any]:
    """Reads all records of a topic, by partition and offset."""
    # From the beginning by its reset policy: a seek races with the reset to the end that a fresh assignment starts.
    consumer = AIOKafkaConsumer(bootstrap_servers=servers, enable_auto_commit=False, auto_offset_reset="earliest")
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, number) for number in await _partitions(consumer, topic)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        begins = await consumer.beginning_offsets(partitions)
        records: list[Any] = []
        pending = {partition for partition in partitions if begins[partition] < ends[partition]}
        while pending:
            for found in (await consumer.getmany(timeout_ms=200)).values():
                records += found
            pending = {partition for partition in pending if await consumer.position(partition) < ends[partition]}
        return sorted(records, key=lambda record: (record.partition, record.offset))
    finally:
        await consumer.stop()


async def _partitions(consumer: AIOKafkaConsumer, topic: str) -> set[int]:
    async with asyncio.timeout(30):
        while not (found := consumer.partitions_for_topic(topic)):
            await consumer._client.fetch_all_metadata()  # the consumer asks about no topic until it is assigned one
            await consumer._client.add_topic(topic)
    return set(found)
