"""Any process may be killed at any moment, the broker too: nothing is lost, nothing comes twice, the text stays the same."""

import asyncio
import random
from pathlib import Path

import pytest
from support.calls import NO_CALLS
from support.kafka import read_all
from support.suite import SAMPLES, SuiteUnderTest, connected, events_told, running_suite, words_of

from steno.cli.api import Api
from steno.cli.recordings import sidecar
from steno.cli.webhook_receiver import WebhookReceiver

RECORDINGS = 20
VICTIMS = ["ingest", "transcriber", "enricher", "notifier", "broker"]


@pytest.mark.timeout(600)
async def test_twenty_recordings_survive_a_kill_of_everything(tmp_path: Path) -> None:
    """kill -9 of each service, then of the broker: 20 completed, once each, same text, no dead letter, ledger balanced."""
    async with running_suite(tmp_path / "data", {}) as suite, connected(suite) as api, WebhookReceiver() as receiver:
        receiver.secret = (await api.register_webhook(receiver.url))["secret"]
        undisturbed = {sample: await _transcript(api, await _submit(api, sample, f"calm-{sample.stem}")) for sample in SAMPLES}
        recordings = {}
        for number in range(RECORDINGS):
            sample = SAMPLES[number % len(SAMPLES)]
            recordings[await _submit(api, sample, f"call-{number}")] = sample
        await _kill_everything(suite)

        for recording_id, sample in recordings.items():
            assert await _transcript(api, recording_id) == undisturbed[sample]
        expected = RECORDINGS + len(SAMPLES)
        assert await api.ledger() == {
            "accepted": expected,
            "in_progress": 0,
            "completed": expected,
            "no_speech": 0,
            "failed": 0,
            "cancelled": 0,
            "calls": NO_CALLS,
            "balanced": True,
        }
        assert await read_all(suite.kafka, "steno.dead-letters") == []
        told = await events_told(receiver, 2 * expected)
        assert len(told) == len(set(told)) == 2 * expected
        assert receiver.rejected == 0


async def _submit(api: Api, sample: Path, call_id: str) -> str:
    accepted = await api.submit(sample, sidecar(sample) | {"call_id": call_id})
    return str(accepted["recording_id"])


async def _transcript(api: Api, recording_id: str) -> list[tuple[int, int, int, str]]:
    recording = await api.wait(recording_id)
    assert recording["state"] == "completed", recording
    return words_of(await api.transcript(recording_id))


async def _kill_everything(suite: SuiteUnderTest) -> None:
    seed = random.randrange(1_000_000)
    print(f"seed of the kills: {seed}")
    chance = random.Random(seed)
    for victim in VICTIMS:
        await asyncio.sleep(chance.uniform(0.2, 1.0))
        await suite.kill(victim)
