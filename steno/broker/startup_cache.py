"""The path of Java's start-up cache for Kafka (an AOT cache, JEP 483 and 514), and the flags to use it.

The cache has the classes that Kafka loads, parsed and linked: a start with it takes half the processor time.
"""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from steno.cache_folder import cache_folder

OLDEST_JAVA = 25
"""The first that makes a cache in one run (JEP 514)."""

_VERSION = re.compile(r'^JAVA_VERSION="(\d+)', re.MULTILINE)


def cache_file(java: Path, jars: Sequence[Path]) -> Path | None:
    """The path of the cache for jars and a Java, whether it exists or not; None for a Java without such caches.

    Java takes a cache for the very files it was made of, by their times and sizes, so these name it.
    """
    home = java.resolve().parent.parent
    try:
        release = (home / "release").read_text()
        facts = [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in (home / "lib" / "modules", *jars)]
    except OSError:
        return None
    version = _VERSION.search(release)
    if version is None or int(version[1]) < OLDEST_JAVA:
        return None
    # Not where Java lies: environments of Python share one copy of it by links.
    digest = hashlib.sha256(repr((release, facts[0][1:], facts[1:])).encode()).hexdigest()
    return cache_folder() / "kafka-starts" / f"{digest[:16]}.aot"


def flags(java: Path, jars: Sequence[Path]) -> tuple[str, ...]:
    """The flags that make Java use the cache; empty where there is no cache yet."""
    file = cache_file(java, jars)
    # Two of its many adapters have names that Java takes for each other: it warns, and makes them anew.
    return (f"-XX:AOTCache={file}", "-Xlog:aot*=error") if file is not None and file.exists() else ()
