"""Ingest as it runs: a process of its own, a real database, a real Kafka."""

import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from support.calls import NO_CALLS
from support.ingest_process import PARTITIONS, IngestProcess, eventually
from support.kafka import read_all

from steno.events import ids
from steno.events.catalogue import RECORDINGS, TRANSCRIPTS
from steno.events.codec import Codec
from steno.events.records import RecordingCancelled, RecordingSubmitted, TranscriptCompleted, TranscriptStarted
from steno.events.schemas import ShippedSchemaIds
from steno.kafka.producer import Producer
from steno.settings import KafkaSettings, TopicSettings

CODEC = Codec(ShippedSchemaIds())
NOW = datetime.now(UTC)
pytestmark = pytest.mark.timeout(240)


@asynccontextmanager
async def outside(servers: str, prefix: str) -> AsyncIterator[Producer]:
    """Whoever else publishes: transcribers, upstream systems."""
    topics = TopicSettings(prefix=prefix, partitions=PARTITIONS)
    producer = Producer(KafkaSettings(bootstrap_servers=servers), topics, CODEC, source="test")
    try:
        yield producer
    finally:
        await producer.stop()


def completed(call_id: str, recording_id: str, phrases: int) -> TranscriptCompleted:
    return TranscriptCompleted(
        call_id=call_id,
        recording_id=recording_id,
        result_url="",
        phrase_count=phrases,
        channel_count=1,
        duration_ms=1000,
        completed_at=datetime.now(UTC),
    )


def ledger(**counts: Any) -> Mapping[str, Any]:
    empty = dict.fromkeys(("accepted", "in_progress", "completed", "no_speech", "failed", "cancelled"), 0)
    return {**empty, "calls": NO_CALLS, "balanced": True, **counts}


async def test_a_recording_comes_in_and_its_result_comes_back(
    kafka: str, topic_prefix: str, tmp_path: Path, database_url: str
) -> None:
    """By REST, by folder and by Kafka: published or ledgered, ended by what transcribers say; rubbish goes to dead letters."""
    drop = tmp_path / "drop"
    options = {"watch_folder": str(drop), "watch_poll_seconds": "0.05", "watch_settle_seconds": "0.1"}
    async with (
        IngestProcess(kafka, topic_prefix, tmp_path, database_url, **options) as ingest,
        outside(kafka, topic_prefix) as producer,
    ):
        await ingest.ready()
        trace = "4bf92f3577b34da6a3ce929d0e0e4736"
        answer = await ingest.upload(
            b"by rest", {"call_id": "call-1"}, headers={"traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
        )
        (drop / "call-2.wav").write_bytes(b"by folder")
        foreign = RecordingSubmitted(call_id="call-3", url="https://audio.example/3.wav")

        await producer.send(RECORDINGS, foreign)
        await producer.send_raw(RECORDINGS, key=b"x", value=b"rubbish", headers=[])
        by_folder = await eventually(lambda: _listed(ingest, "call-2"))
        by_kafka = await eventually(lambda: _listed(ingest, "call-3"))
        assert by_kafka == ids.recording_id("call-3", foreign.url)

        async def published() -> list[Any]:
            found = [
                entry for entry in await read_all(kafka, f"{topic_prefix}recordings") if entry.key in (b"call-1", b"call-2")
            ]
            return found if len(found) == 2 else []

        ours = {entry.key.decode(): entry for entry in await eventually(published)}
        assert dict(ours["call-1"].headers)["traceparent"].decode().split("-")[1] == trace
        records = {key: CODEC.decode(entry.value) for key, entry in ours.items()}
        assert {key: getattr(record, "recording_id", None) for key, record in records.items()} == {
            "call-1": answer["recording_id"],
            "call-2": by_folder,
        }

        started = TranscriptStarted(call_id="call-1", recording_id=answer["recording_id"], started_at=NOW)
        await producer.send(TRANSCRIPTS, started)
        await producer.send(TRANSCRIPTS, completed("call-1", answer["recording_id"], 3))
        await producer.send(TRANSCRIPTS, completed("call-2", by_folder, 0))
        await producer.send(RECORDINGS, RecordingCancelled(call_id="call-3", recording_id=by_kafka, cancelled_at=NOW))
        for recording_id, state in ((answer["recording_id"], "completed"), (by_folder, "no_speech"), (by_kafka, "cancelled")):

            async def ended(recording_id: str = recording_id, state: str = state) -> bool:
                return await ingest.state(recording_id) == state

            await eventually(ended)

        async def dead() -> list[Any]:
            return await read_all(kafka, f"{topic_prefix}dead-letters")

        assert [entry.value for entry in await eventually(dead)] == [b"rubbish"]
        counts = ledger(accepted=3, completed=1, no_speech=1, cancelled=1)
        assert await ingest.request("GET", "/v1/ledger") == (200, counts)
        metrics = await ingest.metrics()
        for door in ("rest", "folder", "kafka"):
            assert f'steno_ingest_accepted_total{{door="{door}"}} 1.0' in metrics
        assert 'steno_ingest_seconds_to_end_count{state="completed"} 1.0' in metrics
        assert "steno_ingest_outbox_depth" in metrics
        assert await ingest.stop() == 0
        accepted = [line for line in ingest.lines if line["event"] == "recording.accepted"]
        assert {line["call_id"] for line in accepted} == {"call-1", "call-2", "call-3"}
        errors = {line["event"] for line in ingest.lines if line["level"] == "error" and line["logger"].startswith("steno")}
        assert errors == {"message.dead_lettered"}


async def _listed(ingest: IngestProcess, call_id: str) -> str:
    _, answer = await ingest.request("GET", "/v1/recordings", params={"call_id": call_id})
    return str(answer["items"][0]["recording_id"]) if answer["items"] else ""


async def test_without_kafka_the_door_is_open(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    """Started with Kafka away it accepts; killed then, the next process publishes each once, in order."""
    database_url = f"sqlite:///{tmp_path}/ingest.db"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        nowhere = f"127.0.0.1:{listener.getsockname()[1]}"
    async with IngestProcess(nowhere, topic_prefix, tmp_path, database_url) as ingest:
        accepted = [(await ingest.upload(b"audio", {"call_id": f"call-{n}"}))["recording_id"] for n in range(5)]
        status, ready = await ingest.request("GET", "/health/ready")
        assert (status, ready["checks"]["database"], ready["checks"]["topics"]) == (503, True, False)
        alive = {"healthy": True, "checks": {"consumer": True, "call_log": True}}
        assert await ingest.request("GET", "/health/live") == (200, alive)
        counts = ledger(accepted=5, in_progress=5)
        assert await ingest.request("GET", "/v1/ledger") == (200, counts)
        await ingest.kill()

        ingest.reach(kafka)
        await ingest.start()
        await ingest.ready()

        async def published() -> list[Any]:
            found = await read_all(kafka, f"{topic_prefix}recordings")
            return found if len(found) >= 5 else []

        records = [CODEC.decode(entry.value) for entry in await eventually(published)]
        assert sorted(getattr(record, "recording_id", "") for record in records) == sorted(accepted)
        assert await ingest.request("GET", "/v1/ledger") == (200, counts)
        assert await ingest.stop() == 0


async def test_it_stops_while_kafka_is_away(topic_prefix: str, tmp_path: Path) -> None:
    """SIGTERM ends it with status 0 in bounded time; what was accepted stays in the outbox."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        nowhere = f"127.0.0.1:{listener.getsockname()[1]}"
    async with IngestProcess(nowhere, topic_prefix, tmp_path, f"sqlite:///{tmp_path}/ingest.db") as ingest:
        await ingest.upload(b"audio", {"call_id": "call-1"})
        assert await ingest.stop() == 0
