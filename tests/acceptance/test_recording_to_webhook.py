"""A recording goes in at each door, and comes back as a verified webhook and a row of the ledger."""

import asyncio
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from confluent_kafka import Producer as ForeignProducer
from support.suite import SAMPLES, SuiteUnderTest, connected, running_suite

from steno.cli.api import Api
from steno.cli.recordings import sidecar
from steno.cli.webhook_receiver import ReceivedEvent, WebhookReceiver
from steno.events.codec import Codec
from steno.events.records import RecordingSubmitted
from steno.events.schemas import ShippedSchemaIds

EVENTS = {"transcript.completed", "call.summarised"}

pytestmark = [pytest.mark.timeout(300), pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def suite(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[SuiteUnderTest]:
    """The suite with the embedded engine, a watched folder, and a folder of recordings that the transcriber may read."""
    data = tmp_path_factory.mktemp("suite")
    (data / "watched").mkdir()
    (data / "shared").mkdir()
    environment = {
        "STENO_INGEST_WATCH_FOLDER": str(data / "watched"),
        "STENO_TRANSCRIBER_FILE_FOLDERS": str(data / "shared"),
    }
    async with running_suite(data, environment) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(suite: SuiteUnderTest) -> AsyncIterator[Api]:
    """The suite's REST API."""
    async with connected(suite) as client:
        yield client


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def receiver(api: Api) -> AsyncIterator[WebhookReceiver]:
    """A webhook receiver that verifies signatures, registered for every event."""
    async with WebhookReceiver() as receiver:
        receiver.secret = (await api.register_webhook(receiver.url))["secret"]
        yield receiver


async def events_of(receiver: WebhookReceiver, call_id: str) -> dict[str, ReceivedEvent]:
    """Both events of a call, once they have come."""
    found: dict[str, ReceivedEvent] = {}
    async with asyncio.timeout(60):
        while found.keys() != EVENTS:
            found |= {event.type: event for event in receiver.pop_events() if event.data["call_id"] == call_id}
            await asyncio.sleep(0.05)
    return found


async def assert_came_back(api: Api, receiver: WebhookReceiver, call_id: str, words: str) -> None:
    """A call ended in verified webhooks, a completed row, and the words that were spoken."""
    events = await events_of(receiver, call_id)
    recording = await api.recording(events["transcript.completed"].recording_id)
    assert recording["state"] == "completed"
    transcript = await api.transcript(recording["recording_id"])
    assert words in " ".join(phrase["text"] for phrase in transcript["phrases"]).lower()
    assert {phrase["role"] for phrase in transcript["phrases"]} == {"agent", "customer"}
    assert events["call.summarised"].data["phrase_count"] == len(transcript["phrases"])


async def test_by_rest(suite: SuiteUnderTest, api: Api, receiver: WebhookReceiver) -> None:
    """An upload comes back, and a command that waits for it says so by its exit status."""
    audio = next(sample for sample in SAMPLES if sample.stem == "billing-dispute")
    metadata = suite.data / "shared" / "by-rest.json"
    metadata.write_text(json.dumps(sidecar(audio) | {"call_id": "by-rest"}))
    file = shutil.copy(audio, metadata.with_suffix(".wav"))
    status, results = await diagnosed(suite, "submit", str(file), "--wait")
    assert (status, [result["state"] for result in results]) == (0, ["completed"])
    await assert_came_back(api, receiver, "by-rest", "account number")


async def test_by_folder(suite: SuiteUnderTest, api: Api, receiver: WebhookReceiver) -> None:
    """A file put into the watched folder comes back under its own name, with the roles of its sidecar."""
    audio = next(sample for sample in SAMPLES if sample.stem == "lost-card")
    metadata = sidecar(audio) | {"call_id": "by-folder"}
    (suite.data / "watched" / "by-folder.json").write_text(json.dumps(metadata))
    shutil.copy(audio, suite.data / "watched" / "by-folder.wav")
    await assert_came_back(api, receiver, "by-folder", "card")


async def test_by_kafka_from_a_foreign_client(suite: SuiteUnderTest, api: Api, receiver: WebhookReceiver) -> None:
    """A recording that librdkafka publishes is transcribed and ledgered like any other."""
    audio = next(sample for sample in SAMPLES if sample.stem == "delivery-enquiry")
    shared = Path(shutil.copy(audio, suite.data / "shared"))
    submitted = RecordingSubmitted(
        call_id="by-kafka", url=shared.as_uri(), channels=sidecar(audio)["channels"], submitted_at=datetime.now(UTC)
    )
    producer = ForeignProducer({"bootstrap.servers": suite.kafka, "partitioner": "murmur2_random"})
    producer.produce("steno.recordings", key="by-kafka", value=Codec(ShippedSchemaIds()).encode(submitted))
    assert await asyncio.to_thread(producer.flush, 30) == 0
    del producer  # librdkafka would complain for as long as it lives that the broker is gone
    await assert_came_back(api, receiver, "by-kafka", "furniture")


async def test_the_ledger_balances(api: Api, receiver: WebhookReceiver) -> None:
    """Every door's recordings are accounted for, and no webhook was forged."""
    balance = await api.ledger()
    assert balance["balanced"]
    assert balance["accepted"] == balance["completed"] >= 1
    assert receiver.rejected == 0


async def test_the_doctor_finds_no_error_and_why_tells_a_whole_life(suite: SuiteUnderTest, receiver: WebhookReceiver) -> None:
    """On a suite that works, services, groups and the model are found well, and nothing of a call is missing."""
    status, found = await diagnosed(suite, "doctor")
    assert status == found["status"] < 2, found
    well = {finding["where"] for finding in found["findings"] if finding["severity"] == "ok"}
    assert {"group steno.enricher", f"ingest at {suite.url('ingest')}", "model tiny.en", "schemas"} <= well
    status, told = await diagnosed(suite, "why", "by-kafka")
    assert status == 0, told
    assert [finding["what"] for finding in told["findings"]] == ["nothing is missing"]
    what = " ".join(event["what"] for event in told["events"])
    for step in ("RecordingSubmitted", "TranscriptCompleted", "CallSummary", "attempt 1: 2"):
        assert step in what
    assert "furniture" not in what


async def diagnosed(suite: SuiteUnderTest, command: str, *arguments: str) -> tuple[int | None, Any]:
    """Exit status and document of a command."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("STENO_", "KAFKA_"))}
    kept = {name: value for name, value in os.environ.items() if name == "STENO_CACHE"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "steno.cli", command, *arguments, "--data", str(suite.data), "--json"),
        env={**clean, **kept},
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    return process.returncode, json.loads(output)


async def test_nobody_else_can_read_what_is_kept(suite: SuiteUnderTest) -> None:
    """Kafka's files, the databases with their logs, keys, recordings: but for what the test itself made in the folder."""
    own = {"up.log", "watched", "shared"}
    kept = [suite.data, *(path for path in suite.data.rglob("*") if path.relative_to(suite.data).parts[0] not in own)]
    assert len(kept) > 20
    assert [path for path in kept if path.lstat().st_mode & 0o077] == []
