"""How long live calls are without captions when their worker is killed (kill -9).

First the only worker, which the supervisor starts again: from the kill to the next caption of its calls, hypothesis or phrase.
Then one of two, which nobody starts again: its partitions are dealt to the other when its session is over.
The engine is scripted, so that the time is Steno's; `STENO_TRANSCRIBER_ENGINE=whisper` adds the loading of the model.

Aim: 2 s with the supervisor; the session of 10 s and 2 s more without.
"""

import asyncio
import json
import os
import signal
import statistics
import sys
import time
from array import array
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path

from live_load import generator_for, suite_without_engine
from measured import quantile, report

from steno.cli import run_file
from steno.cli.suite import Suite
from steno.kafka import partition_of

CALLS = 20
ROUNDS = 5
PARTITIONS = 4
"""Of each topic of a local suite."""

SETTLED_SECONDS = 10
WATCHED_SECONDS = 22
"""How long captions are looked for after a kill; behind a program that ran for 20 s the supervisor does not wait."""

SESSION_SECONDS = 10.0
AIM_SECONDS = 2.0


async def kill_the_only_worker() -> list[list[float]]:
    """Some times over: from the kill to the next caption of each call."""
    async with suite_without_engine() as (suite, _), generator_for(suite) as generator:
        await generator.play(CALLS)
        await generator.seconds(SETTLED_SECONDS)
        killed = []
        for _ in range(ROUNDS):
            os.kill(run_file.read(suite.data)["services"]["transcriber"]["pid"], signal.SIGKILL)
            killed.append(time.monotonic())
            await generator.seconds(WATCHED_SECONDS)
        captioned = (await generator.stop()).captioned
    return [silence_after(moment, captioned) for moment in killed]


async def kill_one_of_two_workers() -> list[float]:
    """From the kill to the next caption of each call of the killed worker."""
    async with suite_without_engine() as (suite, _), generator_for(suite) as generator, second_worker(suite) as (worker, log):
        await generator.play(CALLS)
        await generator.seconds(SETTLED_SECONDS)
        partitions = opened_in(log)
        worker.kill()
        killed = time.monotonic()
        await generator.seconds(WATCHED_SECONDS)
        captioned = (await generator.stop()).captioned
    theirs = {call_id: times for call_id, times in captioned.items() if partition_of(call_id, PARTITIONS) in partitions}
    print(f"one of two workers killed: it had partitions {sorted(partitions)} and {len(theirs)} of {len(captioned)} calls")
    return silence_after(killed, theirs)


@asynccontextmanager
async def second_worker(suite: Suite) -> AsyncIterator[tuple[asyncio.subprocess.Process, Path]]:
    """Another transcriber, which nobody starts again, and its log; once it has partitions of the live log."""
    environment = {
        **os.environ,
        "KAFKA_BOOTSTRAP_SERVERS": suite.kafka,
        "STENO_TOPIC_PARTITIONS": str(PARTITIONS),
        "STENO_OBJECTS_URL": (suite.data / "objects").as_uri(),
        "STENO_TRANSCRIBER_INSTANCE": "1",
    }
    log = suite.data / "logs" / "transcriber-1.log"
    with log.open("wb") as output:
        worker = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "steno_transcriber"), env=environment, stdout=output, stderr=output
        )
    try:
        async with asyncio.timeout(90):
            while len(opened_in(log)) < PARTITIONS // 2:
                await asyncio.sleep(0.1)
        yield worker, log
    finally:
        if worker.returncode is None:
            worker.kill()
        await worker.wait()


def opened_in(log: Path) -> set[int]:
    """The partitions of the live log that a worker has, by what it logged."""
    lines = (json.loads(line) for line in log.read_text("utf-8").splitlines(keepends=True) if line.endswith("\n"))
    return {line["partition"] for line in lines if line.get("event") == "live.opened"}


def silence_after(killed: float, captioned: Mapping[str, "array[float]"]) -> list[float]:
    """From a kill to the next caption of each of its calls, the first of them first; infinite where there was none.

    What the dead one had published still comes in: the next captions are those after the longest silence of all.
    """
    times = sorted(at for times in captioned.values() for at in times if killed <= at < killed + WATCHED_SECONDS)
    if not times:
        return [float("inf")]
    _, resumed = max((after - before, after) for before, after in pairwise([killed, *times]))
    return sorted(next((at - killed for at in times if at >= resumed), float("inf")) for times in captioned.values())


def show(what: str, waited: list[float]) -> None:
    """Prints how long the calls waited."""
    print(
        f"{what}: next caption after {waited[0]:.2f} s, half of the calls {quantile(waited, 0.5):.2f} s, "
        f"all {waited[-1]:.2f} s; load {os.getloadavg()[0]:.1f}"
    )


async def main() -> None:
    """Measures both."""
    rounds = await kill_the_only_worker()
    for waited in rounds:
        show("the only worker killed", waited)
    alone = await kill_one_of_two_workers()
    show("one of two workers killed", alone)
    report(
        "live_takeover_with_supervisor",
        value=statistics.median(waited[0] for waited in rounds),
        unit="seconds",
        limit=AIM_SECONDS,
        higher_is_better=False,
        beside=f"the aim: from kill -9 of the only worker to the next caption of its calls, median of {ROUNDS} kills",
    )
    report(
        "live_takeover_without_supervisor",
        value=alone[0],
        unit="seconds",
        limit=SESSION_SECONDS + AIM_SECONDS,
        higher_is_better=False,
        beside="the aim: from kill -9 of one of two workers to the next caption of its calls: the session and 2 s",
    )


if __name__ == "__main__":
    asyncio.run(main())
