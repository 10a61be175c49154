"""Recordings by Azure through the processes of Steno on a real Kafka, while the transcriber and Azure are killed."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.azure_process import AzureProcess
from support.azure_world import wav
from support.ingest_process import IngestProcess, eventually
from support.transcriber_process import Installation, installation

from steno.events.records import Phrase, Role, TranscriptCompleted, TranscriptFailed

RECORDINGS, SECONDS, PHRASES = 7, 6, 6
SECRET = "a secret of more than 32 characters"


@pytest.fixture
async def azure(tmp_path: Path) -> AsyncIterator[AzureProcess]:
    made = AzureProcess(tmp_path)
    await made.start()
    yield made
    await made.kill()


@pytest.fixture
async def steno(kafka: str, topic_prefix: str, tmp_path: Path, azure: AzureProcess) -> AsyncIterator[Installation]:
    (tmp_path / "keys").write_text("key-one key-two\n")
    (tmp_path / "links").write_text(SECRET.replace(" ", "-") + "\n")
    settings = {
        "STENO_TRANSCRIBER_ENGINE": "azure",
        "STENO_TRANSCRIBER_AZURE_ENDPOINTS": azure.url,
        "STENO_TRANSCRIBER_AZURE_KEYS_FILE": str(tmp_path / "keys"),
        "STENO_TRANSCRIBER_AZURE_JOB_RECORDINGS": "3",
        "STENO_TRANSCRIBER_AZURE_JOB_SECONDS": "1",
        "STENO_LINKS_SECRET_FILE": str(tmp_path / "links"),
    }
    async with installation(kafka, topic_prefix, tmp_path, settings) as made:
        yield made


@pytest.fixture
async def ingest(kafka: str, topic_prefix: str, tmp_path: Path, steno: Installation) -> AsyncIterator[IngestProcess]:
    made = IngestProcess(kafka, topic_prefix, tmp_path, f"sqlite:///{tmp_path}/ingest.db")
    made.environment["STENO_LINKS_SECRET_FILE"] = str(tmp_path / "links")
    async with made:
        await made.ready()
        steno.transcriber.environment["STENO_LINKS_URL"] = await made.url()
        yield made


@pytest.mark.timeout(400)  # what was noted, but maybe not sent, is sent again only when it is certain, after 75 s
async def test_recordings_are_whole_and_paid_for_once_whatever_is_killed(
    steno: Installation, ingest: IngestProcess, azure: AzureProcess
) -> None:
    """Each recording is in one job, its phrases are there once, and nothing is left at Azure."""
    await azure.set_faults(ends_after=2.5)
    audio = wav(seconds=SECONDS)
    channels = [{"channel": 0, "role": "agent"}, {"channel": 1, "role": "customer"}]
    for index in range(RECORDINGS):
        await ingest.upload(audio, {"call_id": f"call-{index}", "channels": channels})

    await steno.transcriber.start()
    await eventually(azure.jobs)
    await steno.transcriber.kill()  # a job was asked for just now
    await steno.transcriber.start()
    await asyncio.sleep(3)
    await azure.kill()
    await asyncio.sleep(1)
    await azure.start()
    await steno.until(lambda: bool(steno.of(Phrase)))
    await steno.transcriber.kill()  # phrases are published just now
    await steno.transcriber.start()

    await steno.until(lambda: len(steno.ended(TranscriptCompleted)) == RECORDINGS, seconds=200)
    await eventually(lambda: _all_deleted(azure))
    assert set((await azure.sent()).values()) == {1}
    assert len(await azure.sent()) == RECORDINGS
    by_recording = steno.phrases()
    assert len(by_recording) == RECORDINGS
    for phrases in by_recording.values():
        assert [phrase.sequence for phrase in phrases] == list(range(PHRASES))
        assert {(phrase.channel, phrase.role) for phrase in phrases} == {(0, Role.AGENT), (1, Role.CUSTOMER)}
    assert not steno.of(TranscriptFailed)
    assert not steno.dead_letters


async def test_a_transcriber_stops_while_azure_works(steno: Installation, ingest: IngestProcess, azure: AzureProcess) -> None:
    """At once, since the work goes on there; the next one has the answer."""
    await azure.set_faults(never_start=True)
    await ingest.upload(wav(seconds=SECONDS), {"call_id": "call-1"})
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


async def _all_deleted(azure: AzureProcess) -> bool:
    return all(job.deleted for job in await azure.jobs())
