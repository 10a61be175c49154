"""How many two-channel calls this machine carries with the engine taken out, beside a bare WebSocket -> aiokafka echo.

The same generator plays at a whole suite (five processes: doors, ledger, recorder, transcriber with voice activity and a
scripted engine, sentiment, captions) and at `live_echo`, one after the other, in one run. The calls become more by a tenth
until audio falls behind real time: at the 99th percentile of the calls audio waits more than a second to be acknowledged, or
at the median what a hypothesis has heard is more than a second old. The last number that held counts.

Aim: at least 1,000 calls, and at least 0.7 of the echo.

`python benchmarks/live_capacity.py [FIRST_LEVEL]`
"""

import asyncio
import os
import sys
from dataclasses import dataclass

import psutil
from live_echo import echo
from live_load import CallsDoNotBegin, Generator, cpu_seconds, generator_for, processes, suite_without_engine
from live_player import Second
from measured import report

from steno.broker import LocalCluster

FIRST_LEVEL = 150
GROWTH = 1.1
MOST_CALLS = 1900
"""Below what ingest takes (`STENO_INGEST_MAX_CALLS`)."""

AIM_CALLS, AIM_RATIO = 1000, 0.7
BEHIND_SECONDS = 1.0
GOOD_SECONDS, PATIENCE_SECONDS = 5, 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """The last level that held."""

    calls: int
    second: Second
    #: Cores used, by program.
    cores: dict[str, float]


def behind(second: Second) -> bool:
    """Whether audio waits too long."""
    return second.unacknowledged > BEHIND_SECONDS or second.heard_after is None or second.heard_after > BEHIND_SECONDS


async def holds(generator: Generator, running: dict[str, psutil.Process]) -> tuple[Second, dict[str, float]] | None:
    """Whether some seconds in a row are good, soon enough: the last of them, and the cores used in them."""
    good, before = 0, cpu_seconds(running)
    for _ in range(PATIENCE_SECONDS):
        second = await generator.second()
        if behind(second):
            good, before = 0, cpu_seconds(running)
        elif (good := good + 1) == GOOD_SECONDS:
            after = cpu_seconds(running)
            return second, {name: (after[name] - before[name]) / GOOD_SECONDS for name in running}
    return None


async def most_calls(name: str, generator: Generator, running: dict[str, psutil.Process], first: int) -> Carried:
    """Raises the number of calls until it is too much."""
    carried, calls = None, first
    while calls <= MOST_CALLS:
        try:
            await generator.play(calls)
        except CallsDoNotBegin as error:
            print(f"{name}: {error}")
            break
        held = await holds(generator, running)
        if held is None:
            break
        carried = Carried(calls=calls, second=held[0], cores=held[1])
        calls = int(calls * GROWTH) + 1
    if carried is None:
        sys.exit(f"{name} does not carry {first} calls: begin with fewer")
    cores = ", ".join(f"{program} {used:.2f}" for program, used in carried.cores.items())
    print(
        f"{name}: {carried.calls} calls, {calls} too many; cores: {cores}, generator {carried.second.cpu:.2f} (its own lag p99 "
        f"{carried.second.own_lag * 1000:.0f} ms); {carried.second.captions} captions a second; load {os.getloadavg()[0]:.1f}"
    )
    return carried


async def main() -> None:
    """Measures the suite, then the echo."""
    first = int(sys.argv[1]) if len(sys.argv) > 1 else FIRST_LEVEL
    async with suite_without_engine() as (suite, _), generator_for(suite) as generator:
        ours = await most_calls("suite", generator, processes(suite), first)
    async with LocalCluster() as cluster, echo(cluster.bootstrap_servers) as (url, running), Generator(url, "") as generator:
        (broker,) = cluster.pids
        bare = await most_calls("echo", generator, running | {"broker": psutil.Process(broker)}, first)
    report(
        "live_calls_carried",
        value=ours.calls,
        unit="two-channel calls",
        limit=AIM_CALLS,
        higher_is_better=True,
        beside="the aim, on two cores, generator included",
    )
    report(
        "live_calls_carried_beside_echo",
        value=ours.calls,
        unit="two-channel calls",
        limit=AIM_RATIO * bare.calls,
        higher_is_better=True,
        beside=f"{AIM_RATIO} of the {bare.calls} that a bare WebSocket -> aiokafka echo carries, same generator, same run",
    )


if __name__ == "__main__":
    asyncio.run(main())
