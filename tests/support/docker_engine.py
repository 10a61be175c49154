"""A Docker engine for tests, the running one or one that is started; and a base image made without an image registry."""

import os
import shutil
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import docker
import pytest
from docker.errors import DockerException, ImageNotFound

BASE_IMAGE = "steno-test-base:bookworm-venv"

_SOCKET = Path("/var/run/docker.sock")
_START_SECONDS = 60.0


class NoEngine(Exception):
    """No Docker engine runs or can be started here; the message says why, and what to do."""


@contextmanager
def docker_engine() -> Iterator[docker.DockerClient]:
    """Gives a client of a running engine; `DOCKER_HOST` is its address inside the block.

    Where none runs, `dockerd` is started with all it keeps in a folder of its own, and stopped at the end.

    Raises:
        NoEngine: there is none.
    """
    with ExitStack() as stack:
        # Looked for first: a client that finds no socket file leaves a socket of its own open.
        if "DOCKER_HOST" not in os.environ and not _SOCKET.exists():
            stack.enter_context(_started_engine())
        try:
            client = docker.from_env(timeout=300)
        except DockerException as error:
            raise NoEngine(f"the Docker engine does not answer: {error}") from error
        stack.callback(client.close)
        yield client


@contextmanager
def _started_engine() -> Iterator[None]:
    if sys.platform != "linux" or os.geteuid() != 0:
        raise NoEngine("no Docker engine runs, and only root on Linux can start one")
    if not shutil.which("dockerd"):
        raise NoEngine("no Docker engine runs, and dockerd is not installed (on Debian: apt-get install docker.io)")
    with (
        tempfile.TemporaryDirectory(prefix="dockerd-", ignore_cleanup_errors=True) as name,
        pytest.MonkeyPatch.context() as environment,
    ):
        folder = Path(name)
        host = f"unix://{folder}/socket"
        places: list[str | Path] = ["--data-root", folder / "data", "--exec-root", folder / "exec", "--pidfile", folder / "pid"]
        with (folder / "log").open("wb") as log:
            engine = subprocess.Popen(["dockerd", *places, "--host", host], stdout=log, stderr=subprocess.STDOUT)
        try:
            _wait_until_it_answers(engine, host, folder / "log")
            environment.setenv("DOCKER_HOST", host)
            yield
        finally:
            engine.terminate()
            try:
                engine.wait(30)
            except subprocess.TimeoutExpired:
                engine.kill()
                engine.wait()
            for mounted in folder.glob("exec/netns/*"):  # Docker leaves its own network namespace mounted, and so the folder
                subprocess.run(["umount", mounted], check=False)


def _wait_until_it_answers(engine: subprocess.Popen[bytes], host: str, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    socket = Path(host.removeprefix("unix://"))
    while True:
        if socket.exists():  # it listens only once it is ready to answer
            docker.DockerClient(base_url=host).close()
            return
        if engine.poll() is not None or time.monotonic() > deadline:
            raise NoEngine(f"dockerd cannot run here: {log.read_text(errors='replace')[-2000:]}")
        time.sleep(0.1)


def base_image(client: docker.DockerClient) -> str:
    """Returns the name of an image of Debian with Python and venv; makes it by debootstrap if the engine has none.

    Raises:
        NoEngine: it cannot be made.
    """
    try:
        client.images.get(BASE_IMAGE)
    except ImageNotFound:
        if not shutil.which("debootstrap"):
            raise NoEngine("no base image can be made: debootstrap is not installed (apt-get install debootstrap)") from None
        with tempfile.TemporaryDirectory(prefix="debian-") as name:
            _import_debian(client, Path(name))
    return BASE_IMAGE


def _import_debian(client: docker.DockerClient, folder: Path) -> None:
    packages = "--include=python3,python3-venv,ca-certificates"
    made = subprocess.run(
        ["debootstrap", "--variant=minbase", packages, "bookworm", folder / "root"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if made.returncode != 0:
        raise NoEngine(f"no base image can be made: debootstrap says {made.stdout[-2000:]}")
    trusted = ssl.get_default_verify_paths().cafile
    if trusted:  # what is built on the image then reaches a package index wherever this machine does
        shutil.copy(trusted, folder / "root/etc/ssl/certs/ca-certificates.crt")
    archive = folder / "root.tar"
    subprocess.run(["tar", "-C", folder / "root", "-cf", archive, "."], check=True)
    repository, _, tag = BASE_IMAGE.partition(":")
    client.api.import_image(str(archive), repository=repository, tag=tag)
