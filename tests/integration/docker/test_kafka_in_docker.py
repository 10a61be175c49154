"""The way to a Kafka that a test session takes where no local one can run: a container."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest
from aiokafka import AIOKafkaProducer
from support import kafka as kafka_support
from support.kafka import create_topic, read_all, running_kafka

from steno.broker import JavaNotFound, find_java, jars

IMAGE = "steno-test-kafka:latest"
CONTEXT = Path(kafka_support.__file__).with_name("kafka_image")


@pytest.fixture(scope="session")
def image(engine: docker.DockerClient, base: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An image of Kafka, built here from the pinned jars and the bundled Java."""
    context = tmp_path_factory.mktemp("image")
    shutil.copytree(CONTEXT, context, dirs_exist_ok=True)
    shutil.copytree(find_java().parent.parent, context / "java-runtime")
    (context / "jars").mkdir()
    for jar in jars.fetch():
        shutil.copy(jar, context / "jars")
    engine.images.build(path=str(context), tag=IMAGE, buildargs={"BASE": base}, rm=True)
    return IMAGE


@pytest.fixture
def kafka_in_docker(image: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """What the session's fixture gives on a machine without Java, with this image named by the environment."""

    async def no_java(cluster: object, **_: object) -> None:
        raise JavaNotFound("there is no Java here")

    monkeypatch.delenv("KAFKA_BOOTSTRAP_SERVERS", raising=False)
    monkeypatch.setenv(kafka_support.IMAGE_VARIABLE, image)
    monkeypatch.setattr("steno.broker.LocalCluster.start", no_java)
    with running_kafka() as servers:
        yield servers


@pytest.mark.docker
@pytest.mark.timeout(600)
async def test_a_session_without_a_local_kafka_finds_one_in_docker(
    kafka_in_docker: str, engine: docker.DockerClient, topic_prefix: str
) -> None:
    """The container runs the image that was built, and a record goes through it."""
    assert [container.image.tags for container in engine.containers.list()] == [[IMAGE]]
    topic = f"{topic_prefix}in-docker"
    await create_topic(kafka_in_docker, topic)
    async with AIOKafkaProducer(bootstrap_servers=kafka_in_docker, acks="all") as producer:
        await producer.send_and_wait(topic, b"through the container")
    assert [record.value for record in await read_all(kafka_in_docker, topic)] == [b"through the container"]
