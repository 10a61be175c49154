"""Installs programs that tests need besides Python, or lists them with the tests that will be skipped.

`prerequisites.py` looks for what the default suite needs; `prerequisites.py docker` for what the container tests need too.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Prerequisite:
    """Programs of a Debian package, and the tests that need them."""

    packages: tuple[str, ...]
    tests: str
    found: bool


def wanted(*, docker: bool) -> list[Prerequisite]:
    """Returns all prerequisites."""
    prerequisites = [
        Prerequisite(
            packages=("postgresql",),
            tests="the ledger and the deliveries on PostgreSQL",
            found=shutil.which("initdb") is not None or any(Path("/usr/lib/postgresql").glob("*/bin/initdb")),
        ),
        Prerequisite(
            packages=("prometheus",),
            tests="dashboards and alert rules on a real Prometheus",
            found=all(map(shutil.which, ("prometheus", "promtool"))),
        ),
        Prerequisite(packages=("npm",), tests="AsyncAPI's own parser on our document", found=shutil.which("npm") is not None),
    ]
    if docker:
        prerequisites.append(
            Prerequisite(
                packages=("docker.io", "docker-compose", "debootstrap", "iptables"),
                tests="Kafka in a container, the image of a service, and the suite by Docker Compose",
                found=all(map(shutil.which, ("dockerd", "docker-compose", "debootstrap", "iptables"))),
            )
        )
    return prerequisites


def main(arguments: list[str]) -> None:
    """Installs missing programs, or lists the skipped tests. It never fails, since the tests report missing programs too."""
    missing = [entry for entry in wanted(docker="docker" in arguments) if not entry.found]
    packages = [package for entry in missing for package in entry.packages]
    if not missing:
        return
    if os.geteuid() == 0 and shutil.which("apt-get") and _installed(packages):
        return
    for entry in missing:
        print(f"left out: {entry.tests} (install {' '.join(entry.packages)} to run it)")


def _installed(packages: list[str]) -> bool:
    print(f"installing {' '.join(packages)}", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    commands = (["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages])
    return all(subprocess.run(command, env=environment, check=False).returncode == 0 for command in commands)


if __name__ == "__main__":
    main(sys.argv[1:])
