"""Memory of each service at rest, and after 500 recordings: what it keeps of work that is done.

The engine is the test double here, so that the growth that shows is the services' own. Aim: at most 1.25 times as much.
"""

import asyncio
import os
import time

import psutil
from measured import SAMPLES, measured_suite, report

from steno.cli import run_file
from steno.cli.recordings import sidecar
from steno.cli.suite import Suite

RECORDINGS = 500
LIMIT_RATIO = 1.25


def resident(suite: Suite) -> dict[str, float]:
    """Resident megabytes of each process of the suite, with what those hold that it began."""
    services = run_file.read(suite.data)["services"]
    return {name: _resident(psutil.Process(entry["pid"])) for name, entry in services.items()}


def _resident(process: psutil.Process) -> float:
    # What a process shares with those it began is counted once.
    began = sum(child.memory_full_info().uss for child in process.children(recursive=True))
    return (process.memory_info().rss + began) / 1e6


async def main() -> None:
    """Measures before and after."""
    os.environ["STENO_TRANSCRIBER_ENGINE"] = "scripted"
    async with measured_suite() as (suite, api):
        at_rest = resident(suite)
        sample = SAMPLES[0]
        for number in range(RECORDINGS):
            await api.submit(sample, sidecar(sample) | {"call_id": f"memory-{number}-{time.monotonic_ns()}"})
        while (await api.ledger())["in_progress"]:
            await asyncio.sleep(0.2)
        after = resident(suite)
    for name in at_rest:
        print(f"{name:12} {at_rest[name]:6.0f} MB at rest, {after[name]:6.0f} MB after {RECORDINGS} recordings")
    ours = [name for name in at_rest if name != "broker"]
    report(
        "memory_after_500_recordings",
        value=sum(after[name] for name in ours),
        unit="megabytes of the four services",
        limit=LIMIT_RATIO * sum(at_rest[name] for name in ours),
        higher_is_better=False,
        beside="1.25 times what they hold at rest, in this run",
    )


if __name__ == "__main__":
    asyncio.run(main())
