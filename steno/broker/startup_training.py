"""Makes Java's start-up cache for Kafka, by a start of a broker on a temporary folder."""

import asyncio
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from steno.broker import jars
from steno.broker.data import prepare
from steno.broker.errors import BrokerFailed
from steno.broker.local import LocalBroker
from steno.broker.runtime import find_java
from steno.broker.startup_cache import cache_file

_END_SECONDS = 180.0


def make_startup_cache() -> Path | None:
    """Makes the cache if it does not exist, in some seconds; returns its path, or None for a Java without such caches.

    Raises:
        BrokerError: the broker does not run.
    """
    java = find_java()
    file = cache_file(java, jars.fetch())
    if file is None or file.exists():
        return file
    file.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=file.parent, prefix=".partial-") as partial:
        made = Path(partial) / file.name
        command = prepare(Path(partial) / "data")
        position = command.argv.index(str(java)) + 1
        argv = (*command.argv[:position], f"-XX:AOTCacheOutput={made}", *command.argv[position:])
        broker = LocalBroker(replace(command, argv=argv))
        if not asyncio.run(_start_and_stop(broker)):
            raise broker.explain(BrokerFailed(f"Java did not finish the cache of a start within {_END_SECONDS} s"))
        if not made.exists():
            raise broker.explain(BrokerFailed("Java made no cache of a start"))
        made.rename(file)
    return file


async def _start_and_stop(broker: LocalBroker) -> bool:
    await broker.start()
    # Java writes the cache when the program ends in order.
    return await broker.stop(seconds=_END_SECONDS)
