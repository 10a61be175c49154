"""The engine that the tests of this folder need."""

from collections.abc import Iterator

import docker
import pytest
from support.docker_engine import NoEngine, base_image, docker_engine


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
