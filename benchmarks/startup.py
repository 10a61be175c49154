"""Start of `steno up` to ready: Kafka, topics, four services with their model loaded.

Aim: at most 10 s the first time on a data folder, with everything fetched.
"""

import asyncio
import tempfile
import time
from pathlib import Path

from measured import report

from steno.cli.suite import Suite

LIMIT_SECONDS = 10.0


async def start_and_stop(folder: Path) -> float:
    """Seconds from nothing to ready."""
    suite = Suite(folder)
    began = time.perf_counter()
    try:
        await suite.start(lambda step: print(f"{time.perf_counter() - began:6.2f} s  {step}"))
        return time.perf_counter() - began
    finally:
        await suite.stop()


async def main() -> None:
    """Measures a first start and one on the same data."""
    with tempfile.TemporaryDirectory(prefix="steno-bench-") as folder:
        first = await start_and_stop(Path(folder))
        again = await start_and_stop(Path(folder))
    print(f"first start {first:.1f} s, again on the same data {again:.1f} s")
    report("start_to_ready", value=first, unit="seconds", limit=LIMIT_SECONDS, higher_is_better=False, beside="the aim")


if __name__ == "__main__":
    asyncio.run(main())
