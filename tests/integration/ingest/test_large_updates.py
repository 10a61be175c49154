"""Updates of a call without end, through a door and straight onto Kafka: they cost their sender, and nobody else."""

import asyncio
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from support.foreign_clients import produce, written_abroad
from support.ingest_process import KEY, PARTITIONS, IngestProcess, eventually
from support.kafka import create_topic, read_all
from support.stream_peer import stream_peer

from steno.events.codec import Codec
from steno.events.records import CallState
from steno.events.schemas import ShippedSchemaIds

CODEC = Codec(ShippedSchemaIds())
NOW = datetime.now(UTC)
pytestmark = pytest.mark.timeout(240)


def foreign(record: str, **fields: Any) -> tuple[str, bytes]:
    """A record of the call that an upstream system publishes."""
    return "foreign", written_abroad(record, {"call_id": "foreign", **fields})


def updates() -> list[tuple[str, bytes]]:
    """Forty of three new properties each, and forty of 60 kB each."""
    small = [{f"p{number}-{i}": "x" * 1000 for i in range(3)} for number in range(40)]
    large = [{f"large-{number}": "x" * 60_000} for number in range(40)]
    return [foreign("CallUpdated", properties=properties, locale="", updated_at=NOW) for properties in [*small, *large]]


async def test_forty_updates_stop_nobody(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    """The peer is told and its call over; the upstream system's call goes on with what fits; ingest was never restarted."""
    started = foreign(
        "CallStarted",
        codec="PCMU",
        sample_rate=8000,
        channels=[{"channel": 0, "role": "agent", "participant": "Ada"}],
        locale="en-GB",
        protocol="siprec",
        properties={"queue": "billing"},
        tenant="",
        started_at=NOW,
    )
    audio = foreign("AudioChunk", sequence=0, position=0, audio=bytes(range(200)) * 4)
    ended = foreign("CallEnded", position=800, complete=True, reason="hangup", error="", ended_at=NOW)
    async with IngestProcess(kafka, topic_prefix, tmp_path, f"sqlite:///{tmp_path}/ingest.db") as ingest:
        await ingest.ready()
        async with stream_peer(await ingest.url(), KEY) as good, stream_peer(await ingest.url(), KEY) as bad:
            assert (await good.start("good"))["type"] == "started"
            assert (await bad.start("bad"))["type"] == "started"
            for number in range(40):
                await bad.say("update", properties={f"n{number}-{i}": "x" * 1900 for i in range(4)})
            error = await bad.hear("error")
            assert (error["code"], "are kept" in error["message"]) == ("not_valid", True)
            assert await bad.closed() == 1008
            await asyncio.to_thread(produce, kafka, f"{topic_prefix}call-audio", [started, *updates(), audio, ended])

            async def recorded() -> dict[str, Any]:
                status, answer = await ingest.request("GET", "/v1/calls/foreign")
                return dict(answer) if status == 200 and answer["audio_url"] else {}

            call = await eventually(recorded, seconds=60)
            assert 20 < len(call["properties"]) < 40
            assert call["complete"]
            await good.speak(bytes(1600))
            await good.say("end")
            assert (await good.hear("ended"))["complete"]
        _, ledger = await ingest.request("GET", "/v1/ledger")
        assert (ledger["balanced"], ledger["calls"]["accepted"]) == (True, 3)
        assert not [line for line in ingest.lines if line["event"] == "outbox.record_refused"]
    letters = await read_all(kafka, f"{topic_prefix}dead-letters")
    assert Counter(dict(letter.headers)["steno-error-class"] for letter in letters) == {
        b"undecodable": 40,
        b"properties_too_large": 1,
    }
    states = [CODEC.decode(record.value) for record in await read_all(kafka, f"{topic_prefix}calls")]
    assert max(sum(map(len, state.properties.values())) for state in states if isinstance(state, CallState)) <= 32_768


async def test_a_topic_that_takes_little_costs_those_who_say_much(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    """Set aside and told: the recording and the call whose records do not fit fail, the others go on, the ledger balances."""
    for topic in ("recordings", "call-audio"):
        limit = {"max.message.bytes": "4000"}
        await create_topic(kafka, f"{topic_prefix}{topic}", partitions=PARTITIONS, configs=limit)
    # Kafka compresses, so what is said must not be compressible.
    much = {f"p{number}": "".join(chr(0x4E00 + (number * 7919 + i * i) % 20_000) for i in range(500)) for number in range(12)}
    async with IngestProcess(kafka, topic_prefix, tmp_path, f"sqlite:///{tmp_path}/ingest.db") as ingest:
        await ingest.ready()
        refused = await ingest.upload(b"much", {"call_id": "c1", "properties": much})
        taken = await ingest.upload(b"little", {"call_id": "c1"})

        async def failed() -> bool:
            return await ingest.state(refused["recording_id"]) == "failed"

        assert await eventually(failed)
        async with stream_peer(await ingest.url(), KEY) as bad, stream_peer(await ingest.url(), KEY) as good:
            await bad.start("bad", properties=much)
            assert (await good.start("good"))["type"] == "started"
            assert "Kafka refuses" in (await bad.hear("error"))["message"]
            assert await bad.closed() == 1008
            await good.speak(bytes(1600))
            await good.say("end")
            assert (await good.hear("ended"))["complete"]

        async def ended() -> bool:
            _, call = await ingest.request("GET", "/v1/calls/bad")
            return bool(call["state"] == "failed" and call["error"] == "record_refused")

        assert await eventually(ended)
        _, ledger = await ingest.request("GET", "/v1/ledger")
        assert ledger["balanced"]
        refusals = f'steno_kafka_records_refused_total{{topic="{topic_prefix}%s"}} 1.0'
        metrics = await ingest.metrics()
        assert all(refusals % topic in metrics for topic in ("recordings", "call-audio"))
    records = await read_all(kafka, f"{topic_prefix}recordings")
    assert [getattr(CODEC.decode(record.value), "recording_id", "") for record in records] == [taken["recording_id"]]
