"""A broker that stands still, with its connections open: recordings are accepted, and all of them come back once it goes on."""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.calls import NO_CALLS
from support.kafka import read_all
from support.suite import SAMPLES, SuiteUnderTest, connected, events_told, running_suite

from steno.cli.api import Api
from steno.cli.recordings import sidecar
from steno.cli.webhook_receiver import WebhookReceiver

#: Beyond every session: 10 s of the services in their groups, 9 s of the broker with its controller.
FROZEN_SECONDS = 16
RECORDINGS = 5


@pytest.mark.timeout(180)
async def test_what_was_accepted_while_the_broker_stood_still_comes_back_once(tmp_path: Path) -> None:
    """All that was under way and all that was accepted meanwhile is completed and told once; no dead letter, no restart."""
    environment = {"STENO_TRANSCRIBER_ENGINE": "scripted"}
    async with running_suite(tmp_path / "data", environment) as suite, connected(suite) as api, WebhookReceiver() as receiver:
        receiver.secret = (await api.register_webhook(receiver.url))["secret"]
        services = {name: suite.pid(name) for name in ("ingest", "transcriber", "enricher", "notifier")}
        recordings = await _submit(api, SAMPLES[0], "before")
        with _frozen_broker(suite):
            async with asyncio.timeout(5):
                recordings += await _submit(api, SAMPLES[1], "meanwhile")
            await asyncio.sleep(FROZEN_SECONDS)

        told = await events_told(receiver, 2 * len(recordings))
        expected = [(event, recording) for event in ("call.summarised", "transcript.completed") for recording in recordings]
        assert sorted(told) == sorted(expected)
        assert receiver.verified == len(expected)
        for recording_id in recordings:
            assert (await api.wait_for_recording(recording_id))["state"] == "completed"
        assert await api.ledger() == {
            "accepted": len(recordings),
            "in_progress": 0,
            "completed": len(recordings),
            "no_speech": 0,
            "failed": 0,
            "cancelled": 0,
            "calls": NO_CALLS,
            "balanced": True,
        }
        assert await read_all(suite.kafka, "steno.dead-letters") == []
        assert {name: suite.pid(name) for name in services} == services


async def _submit(api: Api, sample: Path, name: str) -> list[str]:
    metadata = sidecar(sample)
    accepted = [await api.submit(sample, metadata | {"call_id": f"{name}-{number}"}) for number in range(RECORDINGS)]
    return [str(recording["recording_id"]) for recording in accepted]


@contextmanager
def _frozen_broker(suite: SuiteUnderTest) -> Iterator[None]:
    pid = suite.pid("broker")
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
