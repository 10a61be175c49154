"""What Steno adds between the audio of a live call and what is understood of it, at 50, 200 and 500 two-channel calls.

A generator in a process of its own plays real speech at the door of a whole suite, in frames of 100 ms, whose engine takes next
to no time; what it does take is subtracted. A frame counts from when the generator has handed it to its socket; a record from
when a consumer has it. The consumer reads one partition of four, so that it costs little: these calls are the sample.

Audio counts frame by frame. A hypothesis counts from the last frame that it heard: where chunks are two frames long, as they
are of calls that begin while many are open, the one before waited for it.

Aim: from the last frame to the hypothesis that heard it 15 ms at the median and 50 ms at the 99th percentile, at 200 calls.

`python benchmarks/live_latency.py [CALLS …]`
"""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from aiokafka import AIOKafkaConsumer, TopicPartition
from live_load import CallsDoNotBegin, Generator, cpu_seconds, generator_for, processes, suite_without_engine
from live_player import FRAME_SAMPLES, Played, Second, frame_of
from measured import quantile, report
from prometheus_client.parser import text_string_to_metric_families

from steno.cli.suite import Suite
from steno.events.catalogue import CALL_AUDIO, HYPOTHESES
from steno.events.codec import Codec
from steno.events.records import AudioChunk, Hypothesis
from steno.events.schemas import ShippedSchemaIds
from steno.kafka import topic_name
from steno.settings import TopicSettings

LEVELS = (50, 200, 500)
AIM_CALLS = 200
AIM_P50, AIM_P99 = 0.015, 0.050
WARM_SECONDS, MEASURED_SECONDS = 8, 20
PARTITION = 0
CHANNELS = 2
CODEC = Codec(ShippedSchemaIds())
TOPICS = TopicSettings()


@dataclass(slots=True)
class Arrivals:
    """When records came, by the monotonic clock: of a call, the frame that they have heard all of."""

    audio: list[tuple[str, int, float]] = field(default_factory=list)
    hypotheses: list[tuple[str, int, float]] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """What was measured with so many calls."""

    calls: int
    arrivals: Arrivals
    seconds: list[Second]
    #: What the engine took for one hypothesis, mean.
    engine: float
    #: Cores used, by program.
    cores: dict[str, float]


@asynccontextmanager
async def consumer(kafka: str) -> AsyncIterator[AIOKafkaConsumer]:
    """Reads what comes from now on, of one partition."""
    client = AIOKafkaConsumer(bootstrap_servers=kafka, enable_auto_commit=False)
    await client.start()
    try:
        client.assign([TopicPartition(topic_name(TOPICS, topic), PARTITION) for topic in (CALL_AUDIO, HYPOTHESES)])
        await client.seek_to_end()
        yield client
    finally:
        await client.stop()


async def arrive(client: AIOKafkaConsumer, arrivals: Arrivals) -> None:
    """Notes when records come, until cancelled."""
    while True:
        for records in (await client.getmany(timeout_ms=100)).values():
            now = time.monotonic()
            for raw in records:
                match CODEC.decode(raw.value):
                    case AudioChunk(call_id=call_id, position=position, audio=audio):
                        end = position + len(audio) // CHANNELS
                        frames = range(position // FRAME_SAMPLES, end // FRAME_SAMPLES)
                        arrivals.audio += ((call_id, frame, now) for frame in frames)
                    case Hypothesis(call_id=call_id, start_ms=start_ms, duration_ms=duration_ms):
                        arrivals.hypotheses.append((call_id, frame_of(start_ms + duration_ms), now))


async def engine_use(suite: Suite) -> tuple[float, float]:
    """How long the engine has worked, and for how many hypotheses and phrases."""
    async with aiohttp.ClientSession() as session, session.get(f"{suite.urls['transcriber']}/metrics") as answer:
        found = {
            sample.name: sample.value
            for family in text_string_to_metric_families(await answer.text())
            for sample in family.samples
        }
    answers = found["steno_transcriber_live_hypotheses_total"] + found["steno_transcriber_live_final_seconds_count"]
    return found["steno_transcriber_engine_seconds_total"], answers


async def measure(suite: Suite, generator: Generator, calls: int) -> Level:
    """One level, once it has settled."""
    await generator.play(calls)
    await generator.seconds(WARM_SECONDS)
    running = processes(suite)
    arrivals = Arrivals()
    async with consumer(suite.kafka) as client:
        taking = asyncio.create_task(arrive(client, arrivals))
        cpu, (worked, answers) = cpu_seconds(running), await engine_use(suite)
        seconds = await generator.seconds(MEASURED_SECONDS)
        spent, (worked_since, answers_since) = cpu_seconds(running), await engine_use(suite)
        taking.cancel()
        await asyncio.gather(taking, return_exceptions=True)
    return Level(
        calls=calls,
        arrivals=arrivals,
        seconds=seconds,
        engine=(worked_since - worked) / max(1, answers_since - answers),
        cores={name: (spent[name] - cpu[name]) / MEASURED_SECONDS for name in running},
    )


def added(found: list[tuple[str, int, float]], played: Played, *, without: float = 0.0) -> tuple[float, float]:
    """Median and 99th percentile of the time from a frame to the record."""
    taken = [at - played.sent[call_id][frame] - without for call_id, frame, at in found]
    if not taken:
        sys.exit("no such records came: what is measured does not work")
    return quantile(taken, 0.5), quantile(taken, 0.99)


def show(level: Level, played: Played) -> tuple[float, float]:
    """Prints a level; what Steno adds to a hypothesis, at the median and the 99th percentile, in milliseconds."""
    audio = [1000 * taken for taken in added(level.arrivals.audio, played)]
    hypothesis = [1000 * taken for taken in added(level.arrivals.hypotheses, played, without=level.engine)]
    rate = len(level.arrivals.hypotheses) / MEASURED_SECONDS
    cores = ", ".join(f"{name} {used:.2f}" for name, used in level.cores.items())
    print(
        f"{level.calls} calls: to the audio on its topic {audio[0]:.1f} ms, p99 {audio[1]:.1f} ms; to the hypothesis "
        f"{hypothesis[0]:.1f} ms, p99 {hypothesis[1]:.1f} ms (without the engine's {level.engine * 1000:.1f} ms; "
        f"{rate:.0f} hypotheses a second in the sample)"
    )
    if lost := level.seconds[-1].lost:
        print(f"  lost and replaced so far: {lost}")
    print(
        f"  cores: {cores}, generator {max(second.cpu for second in level.seconds):.2f}; the generator's own lag p99 "
        f"{max(second.own_lag for second in level.seconds) * 1000:.1f} ms in the worst second; load {os.getloadavg()[0]:.1f}"
    )
    return hypothesis[0], hypothesis[1]


async def main() -> None:
    """Measures one level after the other, in one suite."""
    levels = [int(argument) for argument in sys.argv[1:]] or LEVELS
    async with suite_without_engine() as (suite, _), generator_for(suite) as generator:
        measured = []
        for calls in levels:
            try:
                measured.append(await measure(suite, generator, calls))
            except CallsDoNotBegin as error:
                print(f"{calls} calls are too many here: {error}")
                break
        played = await generator.stop()
    if not measured:
        sys.exit("nothing was measured: begin with fewer calls")
    shown = {level.calls: show(level, played) for level in measured}
    calls = AIM_CALLS if AIM_CALLS in shown else max(shown)
    for name, value, aim in zip(("p50", "p99"), shown[calls], (AIM_P50, AIM_P99), strict=True):
        report(
            f"live_added_latency_{name}_at_{calls}_calls",
            value=value,
            unit="milliseconds",
            limit=aim * 1000,
            higher_is_better=False,
            beside="the aim: from a frame to the hypothesis that heard it, without the engine's own time",
        )


if __name__ == "__main__":
    asyncio.run(main())
