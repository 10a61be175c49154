"""Images that stand in for the official ones of deploy/compose, where no image registry is reached."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import docker

from steno.cache_folder import cache_folder

_GATEWAY = "github.com/versity/versitygw/cmd/versitygw@v1.8.0"
_VARIABLES = {"postgres": "POSTGRES_IMAGE", "prometheus": "PROMETHEUS_IMAGE", "store": "STORE_IMAGE"}


class NoImage(Exception):
    """An image cannot be made here; the message says why, and what to do."""


def part_images(engine: docker.DockerClient, base: str) -> dict[str, str]:
    """Builds the images of PostgreSQL, Prometheus and the S3 store; returns their names by the variables of compose.yaml.

    Raises:
        NoImage: one cannot be made.
    """
    found = {}
    with tempfile.TemporaryDirectory(prefix="parts-") as name:
        context = Path(name)
        for file in Path(__file__).parent.glob("[!_]*"):
            if file.is_file():
                shutil.copy(file, context)
        shutil.copy(_gateway(), context)
        for part, variable in _VARIABLES.items():
            tag = found[variable] = f"steno-test-{part}:latest"
            arguments = {"BASE": base}
            engine.images.build(path=str(context), tag=tag, target=part, buildargs=arguments, network_mode="host", rm=True)
    return found


def _gateway() -> Path:
    """The S3 gateway, built once and kept beside what else is fetched."""
    folder = cache_folder() / "go"
    program = folder / "versitygw"
    if not program.exists():
        if not shutil.which("go"):
            raise NoImage("the S3 store is built from its source: install Go 1.25 or newer")
        environment = {**os.environ, "GOBIN": str(folder), "CGO_ENABLED": "0"}
        made = subprocess.run(["go", "install", _GATEWAY], env=environment, capture_output=True, text=True, check=False)
        if made.returncode != 0:
            raise NoImage(f"the S3 store cannot be built: {made.stderr[-2000:]}")
    return program
