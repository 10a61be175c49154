"""Makes Java's cache of a start of Kafka: starts a broker on a folder that is thrown away, and has Java keep what it loads."""

import asyncio
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from steno.broker import jars
from steno.broker.data import prepare
from steno.broker.errors import BrokerFailed
from steno.broker.ready import wait_ready
from steno.broker.runtime import find_java
from steno.broker.startup_cache import cache_file

_END_SECONDS = 180


def make_startup_cache() -> Path | None:
    """The cache, made if it is not there yet, which takes some seconds; None for a Java that has no such caches.

    Raises:
        BrokerError: the broker does not run.
    """
    java = find_java()
    file = cache_file(java, jars.fetch())
    if file is None or file.exists():
        return file
    file.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=file.parent, prefix=".partial-") as partial:
        made, output = Path(partial) / file.name, Path(partial) / "output.log"
        command = prepare(Path(partial) / "data")
        position = command.argv.index(str(java)) + 1
        argv = (*command.argv[:position], f"-XX:AOTCacheOutput={made}", *command.argv[position:])
        with output.open("wb") as stream:
            process = subprocess.Popen(argv, env=command.env, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream)
        try:
            asyncio.run(wait_ready(command.bootstrap_servers))
            process.terminate()  # Java writes the cache when the program ends in order
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise BrokerFailed(f"Java did not finish the cache of a start within {_END_SECONDS} s") from error
        finally:
            process.kill()
            process.wait()
        if not made.exists():
            raise BrokerFailed(f"Java made no cache of a start:\n{output.read_text(errors='replace')[-2000:]}")
        made.rename(file)
    return file
