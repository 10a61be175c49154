"""Submits recordings while processes are killed, and checks that each has one result, as in an undisturbed run."""

import asyncio
import random
from pathlib import Path

from support.calls import NO_CALLS
from support.kafka import read_all
from support.suite import SAMPLES, SuiteUnderTest, connected, events_told, words_of

from steno.cli.api import Api
from steno.cli.recordings import sidecar
from steno.cli.webhook_receiver import WebhookReceiver

VICTIMS = ("transcriber", "enricher", "notifier", "broker", "ingest")
RECORDINGS_A_KILL = 4


async def survive_kills(suite: SuiteUnderTest) -> None:
    """Kills each process of the suite during recordings; fails if one is lost, doubled or has other words."""
    async with connected(suite) as api, WebhookReceiver() as receiver:
        receiver.secret = (await api.register_webhook(receiver.url))["secret"]
        undisturbed = {sample: await _words(api, await _submit(api, sample, f"calm-{sample.stem}")) for sample in SAMPLES}
        assert all(undisturbed.values())
        recordings = await _submitted_between_kills(suite, api)

        for recording_id, sample in recordings.items():
            assert await _words(api, recording_id) == undisturbed[sample]
        expected = len(recordings) + len(SAMPLES)
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


async def _submitted_between_kills(suite: SuiteUnderTest, api: Api) -> dict[str, Path]:
    """Submits some recordings before each kill; returns the sample of each recording."""
    seed = random.randrange(1_000_000)
    print(f"seed of the kills: {seed}")
    chance = random.Random(seed)
    recordings: dict[str, Path] = {}
    for victim in VICTIMS:
        for _ in range(RECORDINGS_A_KILL):
            sample = SAMPLES[len(recordings) % len(SAMPLES)]
            recordings[await _submit(api, sample, f"call-{len(recordings)}")] = sample
        await asyncio.sleep(chance.uniform(0, 0.6))
        await suite.kill(victim)
    await suite.ready("ingest")
    return recordings


async def _submit(api: Api, sample: Path, call_id: str) -> str:
    accepted = await api.submit(sample, sidecar(sample) | {"call_id": call_id})
    return str(accepted["recording_id"])


async def _words(api: Api, recording_id: str) -> list[tuple[int, int, int, str]]:
    recording = await api.wait_for_recording(recording_id)
    assert recording["state"] == "completed", recording
    return words_of(await api.transcript(recording_id))
