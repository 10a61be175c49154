"""The door of Azure's Speech SDK beside Steno's own: added latency, processor time of ingest, calls carried without the engine.

The same generator plays the same two-channel calls at both doors of one suite, one after the other: frames of 100 ms, those of
the SDK in its messages. Then the calls become more at each door, as in `live_capacity`, until what a hypothesis has heard is
more than a second old.

`python benchmarks/speech_sdk.py [CALLS [FIRST_LEVEL]]`; with FIRST_LEVEL 0 the second part is left out
"""

import asyncio
import sys

from live_capacity import most_calls
from live_latency import Level, measure, show
from live_load import generator_for, processes, suite_without_engine
from live_player import DOORS
from measured import report

CALLS, FIRST_LEVEL = 50, 100
MOST_LATENCY, MOST_COST, LEAST_CARRIED = 1.25, 1.25, 0.8
"""Beside Steno's own door."""


async def compare(calls: int) -> None:
    """Latency and cost with so many calls."""
    latency: dict[str, tuple[float, float]] = {}
    levels: dict[str, Level] = {}
    async with suite_without_engine() as (suite, _):
        for door in DOORS:
            async with generator_for(suite, prefix=door, door=door) as generator:
                level = levels[door] = await measure(suite, generator, calls)
                played = await generator.stop()
            print(f"{door}:")
            latency[door] = show(level, played)
    for name, index in (("p50", 0), ("p99", 1)):
        report(
            f"speech_sdk_added_latency_{name}_at_{calls}_calls",
            value=latency["speech_sdk"][index],
            unit="milliseconds",
            limit=MOST_LATENCY * latency["stream"][index],
            higher_is_better=False,
            beside=f"{MOST_LATENCY} times the {latency['stream'][index]:.1f} ms of /v1/stream with the same calls, same run",
        )
    report(
        f"speech_sdk_ingest_cores_at_{calls}_calls",
        value=levels["speech_sdk"].cores["ingest"],
        unit="cores",
        limit=MOST_COST * levels["stream"].cores["ingest"],
        higher_is_better=False,
        beside=f"{MOST_COST} times what ingest takes of /v1/stream with the same calls, same run",
    )


async def carry(first: int) -> None:
    """Calls carried at each door."""
    carried = {}
    for door in DOORS:
        async with suite_without_engine() as (suite, _), generator_for(suite, door=door) as generator:
            carried[door] = (await most_calls(door, generator, processes(suite), first)).calls
    report(
        "speech_sdk_calls_carried",
        value=carried["speech_sdk"],
        unit="two-channel calls",
        limit=LEAST_CARRIED * carried["stream"],
        higher_is_better=True,
        beside=f"{LEAST_CARRIED} of the {carried['stream']} that /v1/stream carries, same generator, same run",
    )


async def main() -> None:
    """Both."""
    given = [int(argument) for argument in sys.argv[1:]]
    await compare(given[0] if given else CALLS)
    first = given[1] if len(given) > 1 else FIRST_LEVEL
    if first:
        await carry(first)


if __name__ == "__main__":
    asyncio.run(main())
