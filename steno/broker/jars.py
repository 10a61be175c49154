"""Fetches the jars of Kafka that `jars.lock.toml` pins into a cache, and verifies them at every use.

`python -m steno.broker fetch` fetches them ahead of time; `python -m steno.broker lock` writes a new lock for `KAFKA`.
"""

import hashlib
import os
import shutil
import threading
import tomllib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from filelock import FileLock

from steno.authorities import authorities
from steno.broker.errors import JarsUnavailable
from steno.cache_folder import cache_folder

KAFKA = "4.3.1"
LOCK_FILE = Path(__file__).with_name("jars.lock.toml")

Progress = Callable[[int, int], None]
"""Called with the bytes there and the bytes wanted, from any thread, one call at a time."""

_BROKER = "org.apache.kafka:kafka_2.13"
_LOGGING = "org.apache.logging.log4j:log4j-slf4j-impl"
_NEEDLESS = frozenset(
    f"{name}:{name}" for name in ("commons-beanutils", "commons-collections", "commons-digester", "commons-logging")
)
"""What commons-validator names as needed, of which Kafka uses one class that needs none of it (a test looks). The old
collections are known for what they let a hostile object do, and have had no release since 2015."""

_TRUST = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""How requests, by which jgo fetches, is told of other authorities than its own; jgo has no way to."""

_DOWNLOADS_AT_ONCE = 4
_TRIES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Jar:
    """One pinned file: its Maven coordinate (group:artifact:version), SHA-256 as hex, and size in bytes."""

    coordinate: str
    sha256: str
    size: int

    @property
    def filename(self) -> str:
        _, artifact, version = self.coordinate.split(":")
        return f"{artifact}-{version}.jar"


def read_lock(path: Path = LOCK_FILE) -> tuple[Jar, ...]:
    """Reads the pinned jars from a lock file.

    Raises:
        JarsUnavailable: the file is not a lock.
    """
    try:
        entries = tomllib.loads(path.read_text())["jar"]
        jars = tuple(Jar(**entry) for entry in entries)
        malformed = [jar.coordinate for jar in jars if jar.coordinate.count(":") != 2 or len(jar.sha256) != 64]
    except (OSError, tomllib.TOMLDecodeError, KeyError, TypeError, AttributeError) as error:
        raise JarsUnavailable(f"{path} is not a lock of jars: {error!r}") from error
    if malformed or not jars:
        raise JarsUnavailable(f"{path} is not a lock of jars: {malformed or 'it is empty'}")
    return jars


def fetch(
    jars: Iterable[Jar] | None = None, *, cache: Path | None = None, progress: Progress | None = None
) -> tuple[Path, ...]:
    """Fetches missing jars, verifies the digests of all, and returns their paths.

    What an earlier, interrupted call fetched is kept. Many processes may call it at once: one
    fetches, the others wait and verify. It blocks: call it from a thread.

    Raises:
        JarsUnavailable: a jar cannot be fetched, or its content is not what was pinned.
    """
    wanted = tuple(read_lock() if jars is None else jars)
    folder = (cache or cache_folder()) / "jars"
    folder.mkdir(parents=True, exist_ok=True)
    count = _Count(sum(jar.size for jar in wanted), progress)
    with FileLock(folder / ".lock"), TemporaryDirectory(dir=folder, prefix=".partial-") as partial:
        _remove_abandoned(folder, keep=Path(partial))
        missing = []
        for jar in wanted:
            if _is_genuine(folder / jar.filename, jar):
                count.add(jar.size)
            else:
                missing.append(jar)
        pool = ThreadPoolExecutor(_DOWNLOADS_AT_ONCE)
        try:
            for download in [pool.submit(_fetch_one, jar, folder, Path(partial), count) for jar in missing]:
                download.result()
        finally:
            pool.shutdown(cancel_futures=True)  # after a failure the rest is not even tried
    return tuple(folder / jar.filename for jar in wanted)


class _Count:
    """Counts the bytes fetched so far for the progress callback."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self._total, self._progress, self._done = total, progress, 0
        self._lock = threading.Lock()

    def add(self, size: int) -> None:
        with self._lock:
            self._done = min(self._done + size, self._total)  # a download tried twice counts once
            if self._progress:
                self._progress(self._done, self._total)

    @contextmanager
    def download(self, _filename: str, _size: int) -> Iterator[Callable[[int], None]]:
        """The callback of jgo: a context that gives a function to be called with the size of each piece."""
        yield self.add


def _remove_abandoned(folder: Path, *, keep: Path) -> None:
    for partial in folder.glob(".partial-*"):
        if partial != keep:
            shutil.rmtree(partial)


def _is_genuine(path: Path, jar: Jar) -> bool:
    return path.is_file() and path.stat().st_size == jar.size and digest(path) == jar.sha256


def digest(path: Path) -> str:
    """The SHA-256 of a file, as hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fetch_one(jar: Jar, folder: Path, partial: Path, count: _Count) -> None:
    fetched = _download(jar, partial, count)
    found = digest(fetched)
    if found != jar.sha256:
        raise JarsUnavailable(
            f"{jar.coordinate} is not the file that was pinned: its SHA-256 is {found}, {jar.sha256} was expected. "
            "It was thrown away. Something between here and the Maven repository alters files (a proxy, a mirror): "
            "try again on another network, and if it stays so do not run it."
        )
    fetched.replace(folder / jar.filename)


def _download(jar: Jar, partial: Path, count: _Count) -> Path:
    for attempt in range(1, _TRIES + 1):
        try:
            context = _maven(partial / str(attempt), count)
            return Path(context.create_dependency(jar.coordinate).artifact.resolve())
        except (OSError, RuntimeError) as error:  # requests' errors are OSErrors; jgo says RuntimeError for "not there"
            reason = error
    raise JarsUnavailable(
        f"{jar.coordinate} could not be fetched in {_TRIES} tries: {reason}. Is the Maven repository reachable from here? "
        "What was fetched is kept; start again to go on."
    ) from reason


def _maven(folder: Path, count: _Count) -> Any:
    if not any(os.environ.get(name) for name in _TRUST) and (trusted := authorities()):
        os.environ[_TRUST[0]] = trusted
    # Imported here: it is slow to import, and not needed once the jars are there.
    from jgo.maven import MavenContext, PythonResolver

    return MavenContext(repo_cache=folder, resolver=PythonResolver(progress_callback=count.download))


def write_lock(path: Path = LOCK_FILE) -> tuple[Jar, ...]:
    """Resolves Kafka and its logging again, fetches every jar, and writes a new lock.

    Raises:
        JarsUnavailable: something could not be fetched.
    """
    with TemporaryDirectory() as temporary:
        folder, count = Path(temporary), _Count(0, None)
        maven = _maven(folder, count)
        # Kafka is resolved alone: with a second root jgo mediates versions otherwise than Maven, and takes an older client.
        roots, transitive = maven.resolver.resolve([maven.create_dependency(f"{_BROKER}:{KAFKA}")])
        needed = [*roots, *(found for found in transitive if found.scope in ("compile", "runtime"))]
        coordinates = {f"{found.groupId}:{found.artifactId}:{found.version}" for found in needed}
        (logging,) = (found.version for found in needed if found.artifactId == "log4j-core")
        coordinates.add(f"{_LOGGING}:{logging}")
        coordinates = {coordinate for coordinate in coordinates if coordinate.rpartition(":")[0] not in _NEEDLESS}
        jars = []
        for coordinate in sorted(coordinates):
            file = _download(Jar(coordinate=coordinate, sha256="", size=0), folder, count)
            jars.append(Jar(coordinate=coordinate, sha256=digest(file), size=file.stat().st_size))
    path.write_text(render_lock(jars))
    return tuple(jars)


def render_lock(jars: Iterable[Jar]) -> str:
    """The lock as text."""
    entries = (f'[[jar]]\ncoordinate = "{jar.coordinate}"\nsha256 = "{jar.sha256}"\nsize = {jar.size}\n' for jar in jars)
    return "\n".join(["# Written by `python -m steno.broker lock`.\n", *entries])
