"""Plays live calls while processes are killed, and compares their results with those of an undisturbed run."""

import asyncio
import os
import random
import signal
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from support.kafka import read_all
from support.live_suite import Said, ended_call, finals, play_all
from support.memory_growth import nothing_waits, watched_memory
from support.suite import SAMPLES, SuiteUnderTest, connected

CALLS = 20
SLOWLY = 0.5
"""Of real time: a call of 24 seconds leaves time for every fault."""
QUICKLY = 6.0
MOST_MB = 80
"""By which a service may grow, whatever happens: 4 for each of the calls, or what Whisper holds to work with."""
BEYOND_SESSION_SECONDS = 13

Fault = Callable[[], Awaitable[None]]


async def undisturbed(suite: SuiteUnderTest) -> dict[Path, list[Said]]:
    calls = {f"calm-{sample.stem}": sample for sample in SAMPLES}
    await play_all(suite, calls, speed=QUICKLY)
    async with connected(suite) as client:
        for call_id in calls:
            await ended_call(client, call_id)
    said = await finals(suite, calls)
    assert all(len(phrases) > 3 for phrases in said.values())
    return {sample: said[call_id] for call_id, sample in calls.items()}


async def survive(
    suite: SuiteUnderTest,
    calm: Mapping[Path, list[Said]],
    faults: Mapping[str, Fault],
    *,
    calls: int = CALLS,
    speed: float = SLOWLY,
) -> None:
    """Plays calls during faults, and compares their phrases with those of an undisturbed run."""
    playing = {f"call-{number}": SAMPLES[number % len(SAMPLES)] for number in range(calls)}
    async with connected(suite) as client, watched_memory(suite) as memory:
        players = asyncio.create_task(play_all(suite, playing, speed=speed))
        await _let_happen(faults)
        clients = await players
        assert [client.state for client in clients if not client.complete] == []
        # One that lost its connection behind the end of its call was not told how many there are.
        told = [client for client in clients if client.phrase_count is not None]
        missed = [(client.phrases, client.phrase_count) for client in told if client.phrases != client.phrase_count]
        assert not missed, f"phrases that came, and that there are: {missed}"
        for call_id in playing:
            ended = await ended_call(client, call_id)
            assert (ended["state"], ended["complete"]) == ("completed", True), ended
        said = await finals(suite, playing)
        for call_id, sample in playing.items():
            assert said[call_id] == calm[sample], call_id
        ledger = await client.ledger()
    assert ledger["balanced"] is True, ledger
    assert await read_all(suite.kafka, "steno.dead-letters") == []
    print(f"grown by, in MB: {memory.grown}")
    assert max(memory.grown.values()) <= MOST_MB
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


async def freeze(pid: int) -> None:
    os.kill(pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(BEYOND_SESSION_SECONDS)
    finally:
        os.kill(pid, signal.SIGCONT)
