"""Recordings by Azure through the processes of Steno on a real Kafka, while the transcriber and Azure are killed."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.azure_recordings import JOB_RECORDINGS, RecordingsByAzure, recordings_by_azure
from support.ingest_process import eventually

from steno.events.records import TranscriptCompleted
from steno.local_ports import free_port


@pytest.fixture
async def bed(kafka: str, topic_prefix: str, tmp_path: Path) -> AsyncIterator[RecordingsByAzure]:
    async with recordings_by_azure(kafka, topic_prefix, tmp_path) as made:
        yield made


async def test_the_recordings_of_a_job_are_whole_and_paid_for_once_whatever_is_killed(bed: RecordingsByAzure) -> None:
    """Each recording is in one job, its phrases are there once, and nothing is left at Azure (more in `make soak`)."""
    await bed.survive_kills(JOB_RECORDINGS)


async def test_a_transcriber_stops_while_azure_works(bed: RecordingsByAzure) -> None:
    """At once, since the work goes on there; the next one has the answer."""
    steno, azure = bed.steno, bed.azure
    await azure.set_faults(never_start=True)
    await bed.upload(1)
    await steno.transcriber.start()
    await eventually(azure.jobs)
    await asyncio.sleep(1)
    began = time.monotonic()
    assert await steno.transcriber.stop() == 0
    assert time.monotonic() - began < 15, "less than the time to drain"
    await azure.set_faults(never_start=False)
    await steno.transcriber.start()
    await steno.until(lambda: len(steno.ended(TranscriptCompleted)) == 1)
    assert set((await azure.sent()).values()) == {1}


async def test_azure_says_to_a_transcriber_that_a_job_has_ended(bed: RecordingsByAzure, tmp_path: Path) -> None:
    """By its webhook, on the port of the transcriber; the result comes before the job would be asked for again."""
    steno, azure = bed.steno, bed.azure
    port, secrets = str(free_port()), tmp_path / "webhook-secrets"
    secrets.write_text("s" * 32 + "\n")
    steno.transcriber.environment |= {
        "STENO_TRANSCRIBER_HTTP_PORT": port,
        "STENO_TRANSCRIBER_AZURE_WEBHOOK_URL": f"http://127.0.0.1:{port}/azure/webhook",
    }
    await steno.transcriber.start()
    assert await steno.transcriber.ended() == 1, "there is no file of secrets"
    assert "STENO_TRANSCRIBER_AZURE_WEBHOOK_SECRET_FILE" in steno.transcriber.lines[-1]["reason"]

    steno.transcriber.environment["STENO_TRANSCRIBER_AZURE_WEBHOOK_SECRET_FILE"] = str(secrets)
    await azure.set_faults(ends_after=2.0)
    await bed.upload(1)
    await steno.transcriber.start()
    await eventually(lambda: _has(bed, 'events_total{outcome="challenge"} 1.0'))
    await steno.until(lambda: len(steno.ended(TranscriptCompleted)) == 1, seconds=25)
    assert await _has(bed, 'events_total{outcome="followed"} 1.0')


async def _has(bed: RecordingsByAzure, metric: str) -> bool:
    return f"steno_transcriber_azure_webhook_{metric}" in await bed.steno.transcriber.metrics()
