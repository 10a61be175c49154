"""The pinned jars: the lock, and what happens to a file that is not the pinned one."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steno.broker import jars
from steno.broker.errors import JarsUnavailable
from steno.broker.jars import KAFKA, Jar, fetch, read_lock, render_lock

CONTENT = b"the right content"
JAR = Jar(coordinate="org.example:thing:1.0", sha256=hashlib.sha256(CONTENT).hexdigest(), size=len(CONTENT))
WORD = st.from_regex(r"[a-z][a-z0-9._-]{0,20}", fullmatch=True)


@pytest.fixture
def repository(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], list[str]]:
    """Has downloads give the content; the list it returns holds what was asked for."""

    def serve(content: bytes) -> list[str]:
        asked: list[str] = []

        def download(jar: Jar, partial: Path, count: object) -> Path:
            asked.append(jar.coordinate)
            path = partial / jar.filename
            path.write_bytes(content)
            return path

        monkeypatch.setattr(jars, "_download", download)
        return asked

    return serve


def test_the_shipped_lock_pins_kafka_its_client_and_one_logging_binding() -> None:
    """The lock holds the broker and the client of one version, and the binding that fits slf4j 1."""
    pinned = {jar.coordinate for jar in read_lock()}
    assert {f"org.apache.kafka:kafka_2.13:{KAFKA}", f"org.apache.kafka:kafka-clients:{KAFKA}"} <= pinned
    assert len([name for name in pinned if ":log4j-slf4j" in name]) == 1
    assert len({jar.filename for jar in read_lock()}) == len(pinned)


@given(
    st.lists(
        st.builds(Jar, coordinate=st.tuples(WORD, WORD, WORD).map(":".join), sha256=st.just("0" * 64), size=st.integers(1)),
        min_size=1,
    )
)
def test_a_written_lock_reads_back(tmp_path_factory: pytest.TempPathFactory, wanted: list[Jar]) -> None:
    """What is written is what is read."""
    path = tmp_path_factory.getbasetemp() / "jars.lock.toml"
    path.write_text(render_lock(wanted))
    assert read_lock(path) == tuple(wanted)


@pytest.mark.parametrize("text", ["", "jar = 3", "[[jar]]\nname = 'x'", "[[jar]]\ncoordinate='a:b'\nsha256='00'\nsize=1", "]"])
def test_a_damaged_lock_is_refused_by_name(tmp_path: Path, text: str) -> None:
    """A file that is not a lock says which file it is."""
    path = tmp_path / "damaged.toml"
    path.write_text(text)
    with pytest.raises(JarsUnavailable, match=r"damaged\.toml is not a lock of jars"):
        read_lock(path)


def test_a_jar_of_another_digest_is_refused_and_not_kept(tmp_path: Path, repository: Callable[[bytes], list[str]]) -> None:
    """The error names the jar and says what to do; the wrong file does not stay in the cache."""
    repository(b"something else")
    with pytest.raises(JarsUnavailable, match=r"org\.example:thing:1\.0 is not the file that was pinned.*try again"):
        fetch([JAR], cache=tmp_path)
    assert not list(tmp_path.rglob("*.jar"))


def test_a_cached_jar_is_not_fetched_again(tmp_path: Path, repository: Callable[[bytes], list[str]]) -> None:
    """The second start finds what the first fetched."""
    asked = repository(CONTENT)
    assert fetch([JAR], cache=tmp_path) == fetch([JAR], cache=tmp_path)
    assert asked == [JAR.coordinate]


def test_a_jar_altered_in_the_cache_is_fetched_anew(tmp_path: Path, repository: Callable[[bytes], list[str]]) -> None:
    """Digests are verified at every start, not only when fetched."""
    asked = repository(CONTENT)
    (path,) = fetch([JAR], cache=tmp_path)
    path.write_bytes(CONTENT[::-1])
    fetch([JAR], cache=tmp_path)
    assert path.read_bytes() == CONTENT
    assert len(asked) == 2


def test_progress_ends_at_the_size_of_all(tmp_path: Path, repository: Callable[[bytes], list[str]]) -> None:
    """What is there already counts, so that the bar ends full."""
    repository(CONTENT)
    fetch([JAR], cache=tmp_path)
    seen: list[tuple[int, int]] = []
    fetch([JAR], cache=tmp_path, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(len(CONTENT), len(CONTENT))]


def test_an_unreachable_repository_is_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a network the error names the jar and says that what was fetched is kept."""

    def unreachable(folder: Path, count: object) -> None:
        raise ConnectionError("no route to host")

    monkeypatch.setattr(jars, "_maven", unreachable)
    with pytest.raises(JarsUnavailable, match=r"org\.example:thing:1\.0 could not be fetched.*no route to host.*is kept"):
        fetch([JAR], cache=tmp_path)
