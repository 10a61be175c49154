"""Recordings by Azure through the processes of Steno on a real Kafka, while the transcriber and Azure are killed."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.azure_recordings import JOB_RECORDINGS, RecordingsByAzure, recordings_by_azure
from support.ingest_process import eventually

from steno.events.records import TranscriptCompleted


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
