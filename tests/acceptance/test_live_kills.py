"""Live calls go on whatever is killed or frozen: the finals are those of an undisturbed run, word for word with their times."""

import asyncio
import os
import random
import signal
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from support.growth import nothing_waits, watched_memory
from support.kafka import read_all
from support.live_suite import Said, ended_call, finals, play_all
from support.service_process import ServiceProcess
from support.suite import SAMPLES, SuiteUnderTest, connected, running_suite

from steno.broker import LocalCluster

CALLS = 20
SLOWLY = 0.5
"""Of real time: a call of 24 seconds leaves time for every fault."""
QUICKLY = 6.0
MOST_MB = 60
"""By which a service may grow, whatever happens: 3 for each of the calls, or what Whisper holds to work with."""
BEYOND_SESSION_SECONDS = 13
SCRIPTED = {"STENO_TRANSCRIBER_ENGINE": "scripted", "STENO_INGEST_SECOND_PASS": "false"}

Fault = Callable[[], Awaitable[None]]


@pytest.mark.timeout(400)
async def test_twenty_live_calls_survive_a_kill_of_everything(tmp_path: Path) -> None:
    """One of two workers killed, one frozen past its session, ingest, enricher and a broker of three killed, in any order."""
    async with AsyncExitStack() as stack:
        cluster = await stack.enter_async_context(LocalCluster(brokers=3))
        environment = SCRIPTED | {"KAFKA_BOOTSTRAP_SERVERS": cluster.bootstrap_servers}
        suite = await stack.enter_async_context(running_suite(tmp_path / "data", environment))
        other = await stack.enter_async_context(_second_worker(suite, tmp_path))
        await other.ready()
        calm = await _undisturbed(suite)

        async def kill_other_worker() -> None:
            await other.kill()
            await other.start()

        async def kill_broker() -> None:
            # Not the one that everything is bootstrapped from: that it is named first says nothing else of it.
            await cluster.brokers[1].kill()
            await cluster.brokers[1].start()

        await _survive(
            suite,
            calm,
            {
                "kill one of two workers": lambda: suite.kill("transcriber"),
                "kill the other worker": kill_other_worker,
                "freeze a worker past its session": lambda: _freeze(other.pid),
                "kill ingest": lambda: suite.kill("ingest"),
                "kill the enricher": lambda: suite.kill("enricher"),
                "kill one of three brokers": kill_broker,
            },
        )
        assert other.running


@pytest.mark.timeout(300)
async def test_calls_survive_a_kill_of_the_only_worker_and_of_the_only_broker(tmp_path: Path) -> None:
    """With nobody to take over, whoever is started again goes on where the dead one was."""
    async with running_suite(tmp_path / "data", SCRIPTED) as suite:
        calm = await _undisturbed(suite)
        faults: dict[str, Fault] = {
            "kill the only worker": lambda: suite.kill("transcriber"),
            "kill the only broker": lambda: suite.kill("broker"),
            "kill ingest": lambda: suite.kill("ingest"),
        }
        await _survive(suite, calm, faults)


@pytest.mark.timeout(300)
async def test_whispers_words_are_the_same_after_a_kill(tmp_path: Path) -> None:
    """The embedded engine, on a few calls: what is decoded again comes out as it would have come out at first."""
    async with running_suite(tmp_path / "data", {"STENO_INGEST_SECOND_PASS": "false"}) as suite:
        calm = await _undisturbed(suite)
        assert any("card" in phrase[3].lower() for phrases in calm.values() for phrase in phrases)
        faults: dict[str, Fault] = {"kill the only worker": lambda: suite.kill("transcriber")}
        await _survive(suite, calm, faults, calls=3)


def _second_worker(suite: SuiteUnderTest, folder: Path) -> ServiceProcess:
    return ServiceProcess(
        "transcriber",
        servers=suite.kafka,
        prefix="steno.",
        partitions=4,
        environment={
            **SCRIPTED,
            "STENO_TRANSCRIBER_INSTANCE": "1",
            "STENO_OBJECTS_URL": (suite.data / "objects").as_uri(),
            "STENO_TRANSCRIBER_TEMPORARY_FOLDER": str(folder),
        },
    )


async def _undisturbed(suite: SuiteUnderTest) -> dict[Path, list[Said]]:
    calls = {f"calm-{sample.stem}": sample for sample in SAMPLES}
    await play_all(suite, calls, speed=QUICKLY)
    async with connected(suite) as client:
        for call_id in calls:
            await ended_call(client, call_id)
    said = await finals(suite, calls)
    assert all(len(phrases) > 3 for phrases in said.values())
    return {sample: said[call_id] for call_id, sample in calls.items()}


async def _survive(
    suite: SuiteUnderTest, calm: Mapping[Path, list[Said]], faults: Mapping[str, Fault], *, calls: int = CALLS
) -> None:
    """Plays calls, lets the faults happen meanwhile, and compares what is said of them with what was said undisturbed."""
    playing = {f"call-{number}": SAMPLES[number % len(SAMPLES)] for number in range(calls)}
    async with connected(suite) as client, watched_memory(suite) as memory:
        players = asyncio.create_task(play_all(suite, playing, speed=SLOWLY))
        await _let_happen(faults)
        clients = await players
        assert [client.state for client in clients if not client.complete] == []
        for call_id in playing:
            ended = await ended_call(client, call_id)
            assert (ended["state"], ended["complete"]) == ("completed", True), ended
        said = await finals(suite, playing)
        for call_id, sample in playing.items():
            assert said[call_id] == calm[sample], call_id
        ledger = await client.ledger()
    assert ledger["balanced"] is True, ledger
    assert await read_all(suite.kafka, "steno.dead-letters") == []
    assert max(memory.grown.values()) <= MOST_MB, memory.grown
    await nothing_waits(suite)


async def _let_happen(faults: Mapping[str, Fault]) -> None:
    seed = random.randrange(1_000_000)
    print(f"seed of the faults: {seed}")
    chance = random.Random(seed)
    names = chance.sample(list(faults), k=len(faults))
    for name in names:
        pause = chance.uniform(1.0, 4.0)
        await asyncio.sleep(pause)
        print(f"after {pause:.2f} s: {name}")
        await faults[name]()


async def _freeze(pid: int) -> None:
    os.kill(pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(BEYOND_SESSION_SECONDS)
    finally:
        os.kill(pid, signal.SIGCONT)
