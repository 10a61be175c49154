"""Memory and CPU of ingest and the transcriber for each live two-channel call, at 10, 100 and 1,000 calls.

Memory is what they hold beyond what they held with the first few calls, which bring in what all need; CPU time is counted for
each minute of call audio that was acknowledged. The engine is scripted: what shows is the cost of the door, the log, the
recorder, voice activity and captions. A number of calls that the machine cannot carry is said to be so; memory then holds what
waits.

Aim: a call among 1,000 costs no more than 1.25 times what one among 100 does. `python benchmarks/live_memory.py [CALLS …]`
"""

import asyncio
import os
import sys
from dataclasses import dataclass

import psutil
from live_load import CallsDoNotBegin, Generator, cpu_seconds, generator_for, processes, suite_without_engine
from measured import report

LEVELS = (10, 100, 1000)
LIMIT_RATIO = 1.25
SERVICES = ("ingest", "transcriber")
WARM_CALLS, SETTLED_SECONDS, MEASURED_SECONDS = 4, 10, 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """What one call cost among so many."""

    calls: int
    #: Megabytes, by service.
    memory: dict[str, float]
    #: CPU seconds for each minute of call audio, by service.
    cpu: dict[str, float]


def resident(running: dict[str, psutil.Process]) -> dict[str, float]:
    """Megabytes in memory, by service."""
    return {name: running[name].memory_info().rss / 1e6 for name in SERVICES}


async def measure(generator: Generator, running: dict[str, psutil.Process], calls: int, rest: dict[str, float]) -> Level:
    """One level, once it has settled."""
    await generator.play(calls)
    await generator.seconds(SETTLED_SECONDS)
    cpu, before = cpu_seconds(running), await generator.second()
    seconds = await generator.seconds(MEASURED_SECONDS)
    spent, after = cpu_seconds(running), seconds[-1]
    minutes = (after.acknowledged_seconds - before.acknowledged_seconds) / 60
    memory = resident(running)
    level = Level(
        calls=calls,
        memory={name: (memory[name] - rest[name]) / (calls - WARM_CALLS) for name in SERVICES},
        cpu={name: (spent[name] - cpu[name]) / minutes for name in running},
    )
    carried = minutes * 60 / calls / (after.at - before.at)
    print(
        f"{calls} calls: {', '.join(f'{name} {1000 * held:.0f} kB' for name, held in level.memory.items())} a call; "
        f"CPU seconds a call-minute: {', '.join(f'{name} {used:.3f}' for name, used in level.cpu.items())}"
    )
    print(
        f"  audio acknowledged at {carried:.2f} of real time, at most {max(second.unacknowledged for second in seconds):.1f} s "
        f"late; hypotheses heard {after.heard_after or float('nan'):.2f} s old audio; {after.captions} captions a second; "
        f"generator {max(second.cpu for second in seconds):.2f} cores; load {os.getloadavg()[0]:.1f}"
    )
    return level


async def main() -> None:
    """Measures one level after the other, in one suite."""
    levels = [int(argument) for argument in sys.argv[1:]] or LEVELS
    async with suite_without_engine() as (suite, _), generator_for(suite) as generator:
        await generator.play(WARM_CALLS)
        await generator.seconds(SETTLED_SECONDS)
        running = processes(suite)
        rest = resident(running)
        print(f"with {WARM_CALLS} calls: {', '.join(f'{name} {held:.0f} MB' for name, held in rest.items())}")
        measured = []
        for calls in levels:
            try:
                measured.append(await measure(generator, running, calls, rest))
            except CallsDoNotBegin as error:
                print(f"{calls} calls are too many here: {error}")
                break
    if len(measured) < 2:
        sys.exit("there is nothing to compare")
    *_, before, last = measured
    for what, unit, costs in (
        ("memory", "kilobytes a call, ingest and transcriber", [1000 * sum(level.memory.values()) for level in (before, last)]),
        ("cpu", "CPU seconds a call-minute, whole suite", [sum(level.cpu.values()) for level in (before, last)]),
    ):
        report(
            f"live_{what}_a_call_at_{last.calls}_calls",
            value=costs[1],
            unit=unit,
            limit=LIMIT_RATIO * costs[0],
            higher_is_better=False,
            beside=f"{LIMIT_RATIO} times what a call among {before.calls} costs, in this run",
        )


if __name__ == "__main__":
    asyncio.run(main())
