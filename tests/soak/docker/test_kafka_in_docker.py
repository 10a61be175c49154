"""The way to a Kafka that a test session takes where no local one can run: a container."""

from collections.abc import Iterator

import docker
import pytest
from aiokafka import AIOKafkaProducer
from support import kafka as kafka_support
from support.kafka import create_topic, read_all, running_kafka

from steno.broker import JavaNotFound


@pytest.fixture
def kafka_in_docker(kafka_image: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """What the session's fixture gives on a machine without Java, with this image named by the environment."""

    async def no_java(cluster: object, **_: object) -> None:
        raise JavaNotFound("there is no Java here")

    monkeypatch.delenv("KAFKA_BOOTSTRAP_SERVERS", raising=False)
    monkeypatch.setenv(kafka_support.IMAGE_VARIABLE, kafka_image)
    monkeypatch.setattr("steno.broker.LocalCluster.start", no_java)
    with running_kafka() as servers:
        yield servers


@pytest.mark.timeout(900)
async def test_a_session_without_a_local_kafka_finds_one_in_docker(
    kafka_in_docker: str, kafka_image: str, engine: docker.DockerClient, topic_prefix: str
) -> None:
    """The container runs the image that was built, and a record goes through it."""
    assert [container.image.tags for container in engine.containers.list()] == [[kafka_image]]
    topic = f"{topic_prefix}in-docker"
    await create_topic(kafka_in_docker, topic)
    async with AIOKafkaProducer(bootstrap_servers=kafka_in_docker, acks="all") as producer:
        await producer.send_and_wait(topic, b"through the container")
    assert [record.value for record in await read_all(kafka_in_docker, topic)] == [b"through the container"]
