"""Steno by `deploy/compose`, with images that need no image registry."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import docker
import yaml
from docker.models.containers import Container

from steno.local_ports import free_port

FILE = Path(__file__).parents[2] / "deploy/compose/compose.yaml"
WITHOUT_GRAFANA = ("ingest", "transcriber", "enricher", "notifier", "prometheus")
"""The services to start where Grafana cannot be had; what they depend on is started with them."""

_COMMAND_SECONDS = 240.0
_HEALTHY_SECONDS = 120.0


class NoCompose(Exception):
    """There is no Docker Compose; the message says what to do."""


def compose_command() -> list[str]:
    """Returns the command of Docker Compose, of whichever version there is.

    Raises:
        NoCompose: there is none.
    """
    if (
        shutil.which("docker")
        and subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode == 0
    ):
        return ["docker", "compose"]
    if shutil.which("docker-compose"):
        return ["docker-compose"]
    raise NoCompose("there is no Docker Compose (on Debian: apt-get install docker-compose)")


@dataclass(frozen=True, kw_only=True)
class Compose:
    """A suite of its own name, ports, secrets and volumes."""

    engine: docker.DockerClient
    project: str
    files: Sequence[Path]
    secrets: Path
    environment: Mapping[str, str]

    def run(self, *arguments: str) -> str:
        """Runs a command of Compose; returns what it prints, and fails with what it complains of."""
        files = [part for file in self.files for part in ("--file", str(file))]
        done = subprocess.run(
            [*compose_command(), "--project-name", self.project, *files, *arguments],
            env={**os.environ, **self.environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_COMMAND_SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"{arguments}: {done.stderr[-3000:]}{self.told()}"
        return done.stdout

    def up(self, *options: str) -> None:
        """Starts the suite without Grafana, and waits until every container that goes on is healthy."""
        self.run("up", "--detach", *options, *WITHOUT_GRAFANA)
        deadline = time.monotonic() + _HEALTHY_SECONDS
        while wanting := [container.name for container in self.containers() if not _good(container)]:
            assert time.monotonic() < deadline, f"not healthy: {wanting}{self.told()}"
            time.sleep(0.5)

    def containers(self, service: str = "") -> list[Container]:
        """All containers, or those of a service, those that ended too."""
        labels = [f"com.docker.compose.project={self.project}", *([f"com.docker.compose.service={service}"] if service else [])]
        found: list[Container] = self.engine.containers.list(all=True, filters={"label": labels})
        return found

    def url(self, service: str) -> str:
        """Where a service is reached from outside."""
        return f"http://127.0.0.1:{self.environment[f'STENO_{service.upper()}_PORT']}"

    def told(self) -> str:
        """The last of what each container logged."""
        logs = [f"\n== {each.name}\n{each.logs(tail=15).decode(errors='replace')[-3000:]}" for each in self.containers()]
        return "".join(logs)


def _good(container: Container) -> bool:
    state = container.attrs["State"]
    if state["Status"] == "exited":
        return bool(state["ExitCode"] == 0)
    return bool(state.get("Health", {}).get("Status") == "healthy")


@contextmanager
def composed(engine: docker.DockerClient, images: Mapping[str, str], folder: Path, model: Path) -> Iterator[Compose]:
    """Gives a suite that is not started yet, and removes all of it at the end.

    Args:
        images: The image of each part that no registry is asked for, by the variable that names it.
        folder: Where the secrets and the changes for this machine lie.
        model: A folder with the files of the speech model, which is pulled from there.
    """
    changes = {
        "services": {
            "model": {
                "command": ["steno", "models", "pull", "tiny.en", "--folder", "/model"],
                "volumes": [f"{model}:/model:ro"],
            },
            # The receiver of webhooks is this machine.
            "notifier": {"environment": {"STENO_NOTIFIER_ALLOWED_NETWORKS": "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16"}},
        }
    }
    own = folder / "compose.override.yaml"
    own.write_text(yaml.safe_dump(changes))
    ports = {f"STENO_{name}_PORT": str(free_port()) for name in ("INGEST", "NOTIFIER", "PROMETHEUS")}
    suite = Compose(
        engine=engine,
        project=f"steno-test-{uuid4().hex[:8]}",
        files=(FILE, own),
        secrets=folder / "secrets",
        environment={**images, **ports, "STENO_SECRETS": str(folder / "secrets")},
    )
    try:
        yield suite
    finally:
        suite.run("down", "--volumes", "--timeout", "45")
