"""When a start of Kafka uses Java's cache, with files that stand in for a Java."""

import os
from pathlib import Path

import pytest

from steno.broker import startup_cache


@pytest.fixture
def java(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Java that makes caches."""
    monkeypatch.setenv("STENO_CACHE", str(tmp_path / "cache"))
    (tmp_path / "java" / "lib").mkdir(parents=True)
    (tmp_path / "java" / "lib" / "modules").touch()
    (tmp_path / "java" / "release").write_text('IMPLEMENTOR="x"\nJAVA_VERSION="25.0.2"\n')
    return tmp_path / "java" / "bin" / "java"


@pytest.fixture
def jar(tmp_path: Path) -> Path:
    """A jar of Kafka."""
    path = tmp_path / "kafka.jar"
    path.touch()
    return path


def test_a_start_uses_the_cache_once_it_is_there(java: Path, jar: Path) -> None:
    """A file that is missing would be complained of at each start."""
    assert startup_cache.flags(java, [jar]) == ()
    file = startup_cache.cache_file(java, [jar])
    assert file is not None
    file.parent.mkdir(parents=True)
    file.touch()
    assert startup_cache.flags(java, [jar])[0] == f"-XX:AOTCache={file}"


def test_other_files_have_another_cache(java: Path, jar: Path) -> None:
    """Java refuses a cache of jars that have changed since, if only in their times."""
    before = startup_cache.cache_file(java, [jar])
    os.utime(jar, (1, 1))
    assert startup_cache.cache_file(java, [jar]) != before


def test_an_older_java_is_told_of_no_cache(java: Path, jar: Path) -> None:
    """It would not start for a flag that it does not know."""
    (java.parents[1] / "release").write_text('JAVA_VERSION="21.0.1"\n')
    assert startup_cache.cache_file(java, [jar]) is None
    assert startup_cache.flags(java, [jar]) == ()


def test_a_program_that_is_no_java_home_has_no_cache(tmp_path: Path, jar: Path) -> None:
    """A script that runs Java, say."""
    assert startup_cache.flags(tmp_path / "run-java", [jar]) == ()
