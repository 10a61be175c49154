"""A real broker and Java's cache of its start."""

import asyncio
from pathlib import Path

import psutil

from steno.broker import LocalCluster
from steno.broker.startup_training import make_startup_cache


async def test_a_broker_starts_from_the_cache() -> None:
    """It is told of the cache, and Java, which tells of one that does not fit, has nothing to say."""
    file = await asyncio.to_thread(make_startup_cache)
    assert isinstance(file, Path)
    async with LocalCluster() as cluster:
        (broker,) = cluster.brokers
        assert broker.pid is not None
        assert f"-XX:AOTCache={file}" in psutil.Process(broker.pid).cmdline()
        assert broker.log_path.with_name("output.log").read_text() == ""
