"""Nobody's bad input stops anybody else: good calls and recordings go through whatever attackers of three kinds do."""

import asyncio
import json
import os
import random
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from support.attacks.attack import Target
from support.attacks.table import ATTACKS
from support.chaos.arrivals import KINDS, Sent, lateness, quantile
from support.chaos.good_calls import good_calls, play_good_calls
from support.chaos.good_recordings import Words, bring, environment, good_recordings
from support.live_suite import Said
from support.memory_growth import SERVICES, nothing_waits, watched_memory
from support.suite import SuiteUnderTest, connected, running_suite

from steno.cli.key_store import add_key

CALLS, RECORDINGS = 20, 100
RECORDINGS_APART_SECONDS = 0.15
ATTACK_SECONDS = 45
HEAD_START_SECONDS = 3
WAITING_SECONDS = 120
MOST_MB = 100
"""By which a service may grow under attack; the calm run before it has made it as large as its work does."""

SPREAD_SECONDS = 0.5
"""By which the p99 of a run may be beyond twice that of the calm ones: attackers, services and broker share one small machine,
so that two hundred phrases spread widely, and hypotheses give way to everything else by design. What is seen is printed."""

SETTINGS = {
    "STENO_TRANSCRIBER_ENGINE": "scripted",
    # What attackers leave behind is to be over within the test: what nobody ends is ended, what cannot be had is given up.
    "STENO_INGEST_RESUME_SECONDS": "5",
    "STENO_INGEST_INACTIVE_SECONDS": "10",
    "STENO_INGEST_PAUSED_SECONDS": "15",
    "STENO_TRANSCRIBER_FETCH_CONNECT_SECONDS": "2",
    "STENO_TRANSCRIBER_FETCH_READ_SECONDS": "4",
    "STENO_TRANSCRIBER_FETCH_TOTAL_SECONDS": "10",
    "STENO_TRANSCRIBER_FETCH_ATTEMPTS": "2",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of good calls and recordings, each by its kind."""

    calls: Mapping[tuple[str, str], list[list[Said]]]
    recordings: Mapping[str, list[Words]]
    #: By topic: how late its records came, seconds.
    late: Mapping[str, list[float]]


@pytest.mark.timeout(600)
async def test_good_calls_and_recordings_go_through_an_attack_of_every_kind(tmp_path: Path) -> None:
    """All complete in a calm run's words, about twice as late at most; no service restarts or grows, and nothing is left."""
    seed = random.randrange(1_000_000)
    print(f"seed of the attackers: {seed}")
    data = tmp_path / "data"
    async with running_suite(data, SETTINGS | environment(data)) as suite:
        calm = await _good_load(suite, "calm")
        before = {name: suite.pid(name) for name in SERVICES}
        async with watched_memory(suite) as memory, _attackers(suite, seed, tmp_path) as told:
            attacked = await _good_load(suite, "attacked")
        await nothing_waits(suite, seconds=WAITING_SECONDS)
        # What else the machine does changes meanwhile: what is calm is told by the runs before and after.
        again = await _good_load(suite, "calm-again")
        late = {kind: [*calm.late[kind], *again.late[kind]] for kind in KINDS}
        _show(late, attacked.late, told, memory.grown)
        await nothing_waits(suite, seconds=WAITING_SECONDS)
        async with connected(suite) as client:
            ledger = await client.ledger()
        after = {name: suite.pid(name) for name in SERVICES}
    assert after == before, "a service was restarted"
    assert ledger["balanced"] is True, ledger
    assert ledger["in_progress"] == 0, ledger
    assert (ledger["calls"]["active"], ledger["calls"]["ending"]) == (0, 0), ledger
    assert attacked.calls == calm.calls == again.calls
    assert attacked.recordings == calm.recordings == again.recordings
    assert {attack.name for attack in ATTACKS} == told.keys()
    assert [name for name, answers in told.items() if answers.get("500")] == [], "a request was answered with 500"
    assert max(memory.grown.values()) <= MOST_MB
    for kind in KINDS:
        assert quantile(attacked.late[kind], 0.99) < 2 * quantile(late[kind], 0.99) + SPREAD_SECONDS, kind


async def _good_load(suite: SuiteUnderTest, run: str) -> Outcome:
    """Twenty calls, and a hundred recordings meanwhile. Fails where one does not complete."""
    sent, calls, recordings = Sent(), good_calls(run, CALLS), good_recordings(run, RECORDINGS)
    async with lateness(suite.kafka, sent) as late:
        said, words = await asyncio.gather(
            play_good_calls(suite, calls, sent), bring(suite, recordings, apart_seconds=RECORDINGS_APART_SECONDS)
        )
    said_by_kind: dict[tuple[str, str], list[list[Said]]] = {}
    for call in calls:
        said_by_kind.setdefault(call.kind, []).append(said[call.call_id])
    words_by_sample: dict[str, list[Words]] = {}
    for recording in recordings:
        words_by_sample.setdefault(recording.sample.stem, []).append(words[recording.call_id])
    return Outcome(calls=said_by_kind, recordings=words_by_sample, late=late)


@asynccontextmanager
async def _attackers(suite: SuiteUnderTest, seed: int, folder: Path) -> AsyncIterator[dict[str, Any]]:
    """Attackers at work inside the block; gives, once it is left, what they were told."""
    target = Target(
        ingest=suite.url("ingest"),
        notifier=suite.url("notifier"),
        kafka=suite.kafka,
        key=add_key(suite.data / "api-keys", "attacker"),
        others=[call.call_id for call in good_calls("attacked", CALLS)],
        data=str(suite.data),
        seconds=ATTACK_SECONDS,
        seed=seed,
    )
    target_file = folder / "target.json"
    target_file.write_text(target.to_json())
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "support.attacks", str(target_file)),
        cwd=Path(__file__).parents[2],
        stdout=asyncio.subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    told: dict[str, Any] = {}
    try:
        await asyncio.sleep(HEAD_START_SECONDS)
        yield told
        output, _ = await process.communicate()
        assert process.returncode == 0, "the attackers ended early; what they wrote says why"
        told |= json.loads(output)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def _show(
    calm: Mapping[str, list[float]], attacked: Mapping[str, list[float]], told: Mapping[str, Any], grown: Mapping[str, float]
) -> None:
    for kind in KINDS:
        for run, late in (("calm", calm[kind]), ("attacked", attacked[kind])):
            p50, p99 = (quantile(late, share) * 1000 for share in (0.5, 0.99))
            print(f"{kind}, {run}: p50 {p50:.0f} ms, p99 {p99:.0f} ms of {len(late)}")
    print(f"grown by, in MB: {dict(grown)}")
    for name, answers in told.items():
        print(f"  {name}: {answers}")
