"""The engine that the tests of this folder need, and the images that several of them use."""

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import docker
import pytest
from docker.errors import BuildError
from support import kafka as kafka_support
from support.compose_images import NoImage, part_images
from support.docker_engine import NoEngine, base_image, docker_engine

from steno.broker import find_java, jars


@pytest.fixture(scope="session")
def engine() -> Iterator[docker.DockerClient]:
    """A Docker engine; where none can be had, the test is left out and says why."""
    try:
        with docker_engine() as client:
            yield client
    except NoEngine as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def base(engine: docker.DockerClient) -> str:
    """The name of an image of Debian with Python, for images to be built on."""
    try:
        return base_image(engine)
    except NoEngine as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def kafka_image(engine: docker.DockerClient, base: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of an image of Kafka, built here from the pinned jars and the bundled Java."""
    name = "steno-test-kafka:latest"
    context = tmp_path_factory.mktemp("image")
    shutil.copytree(Path(kafka_support.__file__).with_name("kafka_image"), context, dirs_exist_ok=True)
    shutil.copytree(find_java().parent.parent, context / "java-runtime")
    (context / "jars").mkdir()
    for jar in jars.fetch():
        shutil.copy(jar, context / "jars")
    engine.images.build(path=str(context), tag=name, buildargs={"BASE": base}, rm=True)
    return name


SERVICES = ("ingest", "transcriber", "enricher", "notifier")


@pytest.fixture(scope="session")
def service_images(engine: docker.DockerClient, base: str) -> Mapping[str, str]:
    """The image of each service, on a base that needs no image registry; what they install comes from the package index."""
    names = {service: f"steno-{service}:test" for service in SERVICES}
    try:
        for service, name in names.items():
            engine.images.build(
                path=str(Path(__file__).parents[3]),
                dockerfile="deploy/images/Dockerfile",
                buildargs={"BASE": base, "SERVICE": service},
                network_mode="host",  # an engine without a bridge reaches the index as well
                tag=name,
                rm=True,
            )
    except BuildError as error:
        pytest.fail("".join(line.get("stream", "") for line in error.build_log)[-5000:] + str(error), pytrace=False)
    return names


@pytest.fixture(scope="session")
def compose_images(
    engine: docker.DockerClient, base: str, kafka_image: str, service_images: Mapping[str, str]
) -> Mapping[str, str]:
    """The images that deploy/compose takes, by their variables, where no registry is asked."""
    try:
        parts = part_images(engine, base)
    except NoImage as error:
        pytest.skip(str(error))
    return {"STENO_VERSION": service_images["ingest"].partition(":")[2], "KAFKA_IMAGE": kafka_image, **parts}
