"""Good recordings: uploaded, linked, put into the watched folder, and published on Kafka."""

import asyncio
import json
import shutil
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aiohttp
from aiohttp import web
from aiokafka import AIOKafkaProducer
from support.chaos.arrivals import CODEC
from support.suite import SAMPLES, SuiteUnderTest, connected, words_of

from steno.cli import api
from steno.cli.recordings import sidecar
from steno.events.records import RecordingSubmitted

WAYS = ("upload", "link", "folder", "kafka")
WATCHED, SHARED = "watched", "shared"
_ENDED_SECONDS = 150
_EVERY_SECONDS = 0.5

Words = list[tuple[int, int, int, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class GoodRecording:
    """One recording and its way in."""

    call_id: str
    way: str
    sample: Path


def good_recordings(run: str, count: int) -> list[GoodRecording]:
    """Makes recordings, alternating between ways and samples."""
    return [
        GoodRecording(
            call_id=f"{run}-recording-{number}",
            way=WAYS[number % len(WAYS)],
            sample=SAMPLES[number // len(WAYS) % len(SAMPLES)],
        )
        for number in range(count)
    ]


def environment(data: Path) -> dict[str, str]:
    """Returns the settings for the folders."""
    for name in (WATCHED, SHARED):
        (data / name).mkdir(parents=True, exist_ok=True)
    for sample in SAMPLES:
        shutil.copy(sample, data / SHARED / sample.name)
    return {
        "STENO_INGEST_WATCH_FOLDER": str(data / WATCHED),
        "STENO_INGEST_WATCH_SETTLE_SECONDS": "0.5",
        "STENO_TRANSCRIBER_FILE_FOLDERS": str(data / SHARED),
        "STENO_TRANSCRIBER_ALLOWED_NETWORKS": "127.0.0.0/8",
    }


async def bring(suite: SuiteUnderTest, recordings: list[GoodRecording], *, apart_seconds: float) -> dict[str, Words]:
    """Submits recordings one by one with pauses; returns the words of each. Fails if one fails."""
    async with _samples_served() as served, _producer(suite) as producer:
        for recording in recordings:
            await _bring(suite, recording, served, producer)
            await asyncio.sleep(apart_seconds)
        async with asyncio.timeout(_ENDED_SECONDS):
            return {recording.call_id: await _understood(suite, recording) for recording in recordings}


async def _bring(suite: SuiteUnderTest, recording: GoodRecording, served: str, producer: AIOKafkaProducer) -> None:
    metadata = sidecar(recording.sample) | {"call_id": recording.call_id}
    match recording.way:
        case "upload":
            async with connected(suite) as client:
                await client.submit(recording.sample, metadata)
        case "link":
            await _link(suite, metadata | {"url": f"{served}/{recording.sample.name}"})
        case "folder":
            folder = suite.data / WATCHED
            (folder / f"{recording.call_id}.json").write_text(json.dumps(metadata))
            shutil.copy(recording.sample, folder / f"{recording.call_id}.wav")
        case _:
            record = RecordingSubmitted(
                call_id=recording.call_id,
                url=(suite.data / SHARED / recording.sample.name).as_uri(),
                channels=metadata["channels"],
                submitted_at=datetime.now(UTC),
            )
            await producer.send_and_wait("steno.recordings", key=recording.call_id.encode(), value=CODEC.encode(record))


async def _link(suite: SuiteUnderTest, link: dict[str, Any]) -> None:
    place = api.find_api(suite.data)
    headers = {"Authorization": f"Bearer {place.key}", "Idempotency-Key": str(uuid.uuid4())}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(f"{place.url}/v1/recordings", json=link) as answer,
    ):
        assert answer.status == 202, await answer.text()


async def _understood(suite: SuiteUnderTest, recording: GoodRecording) -> Words:
    async with connected(suite) as client:
        while True:
            page = await client._get(f"/v1/recordings?{urlencode({'call_id': recording.call_id})}")
            if page["items"] and page["items"][0]["state"] in api.ENDED:
                break
            await asyncio.sleep(_EVERY_SECONDS)
        (found,) = page["items"]
        assert found["state"] == "completed", found
        return words_of(await client.transcript(found["recording_id"]))


@asynccontextmanager
async def _samples_served() -> AsyncIterator[str]:
    application = web.Application()
    application.router.add_static("/", SAMPLES[0].parent)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def _producer(suite: SuiteUnderTest) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(bootstrap_servers=suite.kafka, acks="all", enable_idempotence=True)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()
