"""Live calls at Steno's own door: a process of its own, real WebSockets, a real Kafka."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from support.calls import live_phrase
from support.ingest_process import KEY, PARTITIONS, IngestProcess, eventually
from support.kafka import read_all
from support.stream_peer import StreamPeer, stream_peer

from steno.events import ids
from steno.events.catalogue import HYPOTHESES, PHRASES, TRANSCRIPTS
from steno.events.codec import Codec
from steno.events.records import (
    AudioChunk,
    CallEnded,
    CallPaused,
    CallResumed,
    CallStarted,
    DtmfPressed,
    Hypothesis,
    Phrase,
    Record,
    TranscriptCompleted,
)
from steno.events.schemas import ShippedSchemaIds
from steno.kafka.producer import Producer
from steno.settings import KafkaSettings, TopicSettings

CODEC = Codec(ShippedSchemaIds())
pytestmark = pytest.mark.timeout(240)


def speech(samples: int) -> bytes:
    """Audio in which every place can be told from its neighbours."""
    return bytes(number * 7 % 251 for number in range(samples))


@asynccontextmanager
async def ingest(servers: str, prefix: str, folder: Path, **settings: str) -> AsyncIterator[IngestProcess]:
    """Ingest that is ready."""
    async with IngestProcess(servers, prefix, folder, f"sqlite:///{folder}/ingest.db", **settings) as process:
        await process.ready()
        yield process


async def log_of(servers: str, prefix: str, call_id: str) -> list[Record]:
    """What stands in the log of a call, in order."""
    messages = await read_all(servers, f"{prefix}call-audio")
    return [CODEC.decode(message.value) for message in messages if message.key == call_id.encode()]


async def ended_log(servers: str, prefix: str, call_id: str) -> list[Record]:
    """The same, once the call has ended."""

    async def ended() -> list[Record]:
        records = await log_of(servers, prefix, call_id)
        return records if any(isinstance(record, CallEnded) for record in records) else []

    found: list[Record] = await eventually(ended)
    return found


def heard(records: list[Record]) -> bytes:
    """The audio that a consumer takes of a log: each number once."""
    audio, last = b"", -1
    for record in records:
        if isinstance(record, AudioChunk) and record.sequence > last:
            assert record.position == len(audio)
            audio, last = audio + record.audio, record.sequence
    return audio


async def test_a_call_comes_in_and_captions_go_out(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    """Audio goes onto the log as it came, nothing of a pause does, and what is understood goes back until all is told."""
    audio = speech(8000)
    async with ingest(kafka, topic_prefix, tmp_path) as process, stream_peer(await process.url(), KEY) as peer:
        started = await peer.start("call-1", properties={"queue": "sales"})
        assert (started["sequence"], started["position"]) == (0, 0)
        await peer.speak(audio[:4000])
        await peer.hear("ack", position=4000)
        status, _ = await process.request("POST", "/v1/calls/call-1/pause", json={"reason": "card"})
        assert status == 200
        await peer.hear("paused")
        await peer.speak(b"\xff" * 1600)
        await peer.say("dtmf", digit="4")
        await peer.hear("ack", position=5600)
        assert (await process.request("POST", "/v1/calls/call-1/resume"))[0] == 200
        await peer.hear("resumed")
        await peer.say("dtmf", digit="7")
        await peer.speak(audio[5600:])
        await peer.say("end")
        await peer.hear("ended", complete=True)
        await _tell_captions(kafka, topic_prefix, "call-1")
        assert (await peer.hear("hypothesis"))["stable_text"] == "good"
        assert (await peer.hear("phrase"))["text"] == "good morning"
        assert (await peer.hear("completed"))["phrase_count"] == 1
        assert await peer.closed() == 1000
    records = await log_of(kafka, topic_prefix, "call-1")
    start, *rest = records
    assert isinstance(start, CallStarted)
    assert (start.protocol, start.properties) == ("stream", {"queue": "sales"})
    kept = b"".join(record.audio for record in records if isinstance(record, AudioChunk))
    assert kept == audio[:4000] + audio[5600:]
    others = [record for record in rest if not isinstance(record, AudioChunk)]
    assert [type(record) for record in others] == [CallPaused, CallResumed, DtmfPressed, CallEnded]
    paused, resumed, key, end = others
    assert isinstance(paused, CallPaused)
    assert (paused.position, paused.requested_by, paused.reason) == (4000, "tester", "card")
    assert isinstance(resumed, CallResumed)
    assert resumed.position == 5600
    assert isinstance(key, DtmfPressed)
    assert key.digit == "x"
    assert isinstance(end, CallEnded)
    assert (end.position, end.complete, end.reason) == (8000, True, "hangup")


async def _tell_captions(servers: str, prefix: str, call_id: str) -> None:
    live = ids.live_pass_id(call_id)
    about: dict[str, Any] = {"call_id": call_id, "recording_id": live, "start_ms": 0, "duration_ms": 400, "channel": 0}
    phrase_id = ids.phrase_id(call_id, live, 0, 0)
    topics = TopicSettings(prefix=prefix, partitions=PARTITIONS)
    producer = Producer(KafkaSettings(bootstrap_servers=servers), topics, CODEC, source="test")
    try:
        await producer.send(
            HYPOTHESES, Hypothesis(**about, phrase_id=phrase_id, revision=1, text="good mor", stable_text="good")
        )
        await producer.send(PHRASES, Phrase(**about, phrase_id=phrase_id, sequence=0, text="good morning", confidence=0.9))
        await producer.send(
            TRANSCRIPTS,
            TranscriptCompleted(
                call_id=call_id,
                recording_id=live,
                result_url="",
                phrase_count=1,
                channel_count=1,
                duration_ms=1000,
                completed_at=datetime.now(UTC),
            ),
        )
    finally:
        await producer.stop()


async def test_a_killed_ingest_loses_nothing_of_a_call_whose_peer_comes_back(
    kafka: str, topic_prefix: str, tmp_path: Path
) -> None:
    """The peer goes on from its last ack at the process that follows; the log then has every sample once."""
    audio = speech(24_000)
    async with ingest(kafka, topic_prefix, tmp_path) as process:
        async with stream_peer(await process.url(), KEY) as peer:
            await peer.start("call-1")
            await peer.speak(audio[:6000])
            safe = await peer.hear("ack")
            await peer.speak(audio[6000:15_000])
            await process.kill()
        await process.start()
        async with stream_peer(await process.url(), KEY) as peer:
            goes_on = await peer.start("call-1", resume={"sequence": safe["sequence"], "position": safe["position"]})
            assert goes_on["position"] == safe["position"]
            await peer.speak(audio[goes_on["position"] :])
            await peer.say("end")
            await peer.hear("ended", complete=True)
    records = await log_of(kafka, topic_prefix, "call-1")
    assert heard(records) == audio
    assert sum(isinstance(record, CallStarted) for record in records) == 1


async def test_a_connection_that_is_lost_is_not_the_end_of_its_call(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    """A peer that comes back in time goes on behind all that was received; one that does not is ended torn."""
    audio = speech(16_000)
    async with ingest(kafka, topic_prefix, tmp_path, resume_seconds="2") as process:
        url = await process.url()
        async with stream_peer(url, KEY) as peer:
            await peer.start("call-1")
            await peer.speak(audio[:8050])
            await peer.hear("ack", position=8000)
        async with stream_peer(url, KEY) as peer:
            goes_on = await peer.start("call-1", resume={"sequence": 10, "position": 8000})
            assert goes_on["position"] == 8050
            await peer.speak(audio[8050:])
            await peer.hear("ack", position=16_000)
        records = await ended_log(kafka, topic_prefix, "call-1")
        assert heard(records) == audio
        end = records[-1]
        assert isinstance(end, CallEnded)
        assert (end.complete, end.reason, end.position) == (False, "torn", 16_000)


async def test_a_peer_that_comes_back_is_told_what_was_said_meanwhile(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    """Every phrase that it does not have, once: its connection was lost, then ingest itself was killed."""
    audio = speech(8000)
    async with ingest(kafka, topic_prefix, tmp_path) as process:
        async with stream_peer(await process.url(), KEY) as peer:
            await peer.start("call-1")
            await peer.speak(audio[:800])
            await _say(kafka, topic_prefix, 0)
            await peer.hear("phrase", sequence=0)
        await _say(kafka, topic_prefix, 1, 2)
        async with stream_peer(await process.url(), KEY) as peer:
            await peer.start("call-1", resume={"sequence": 0, "position": 0})
            await peer.hear("phrase", sequence=2)
            assert [told["sequence"] for told in peer.heard if told["type"] == "phrase"] == [0, 1, 2]
            await peer.speak(audio[800:1600])
            safe = await peer.hear("ack", position=1600)
            await process.kill()
        await _say(kafka, topic_prefix, 3, 4)
        await process.start()
        async with stream_peer(await process.url(), KEY) as peer:
            await peer.start("call-1", resume={"sequence": safe["sequence"], "position": safe["position"], "phrases": 3})
            await _say(kafka, topic_prefix, 5)
            while sorted(told["sequence"] for told in peer.heard if told["type"] == "phrase") != [3, 4, 5]:
                phrase = await peer.hear("phrase")
            assert phrase["text"] == f"phrase number {phrase['sequence']}"
            assert phrase["words"][0]["text"] == "phrase"
            assert phrase["locale"] == "en-IE"


async def _say(servers: str, prefix: str, *numbers: int) -> None:
    """The transcriber's finals of these numbers are on their topic."""
    topics = TopicSettings(prefix=prefix, partitions=PARTITIONS)
    producer = Producer(KafkaSettings(bootstrap_servers=servers), topics, CODEC, source="test")
    try:
        for number in numbers:
            await producer.send(PHRASES, live_phrase(number, "call-1", locale="en-IE"))
    finally:
        await producer.stop()


async def test_a_service_that_stops_sends_its_peers_elsewhere(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    """The peer is told and closed with 1012, its call stays open; where nobody comes back for it, the next process ends it."""
    async with ingest(kafka, topic_prefix, tmp_path, resume_seconds="1") as process:
        async with stream_peer(await process.url(), KEY) as peer:
            await peer.start("call-1")
            await peer.speak(speech(1600))
            await peer.hear("ack", position=1600)
            stopping = asyncio.create_task(process.stop())
            assert (await peer.hear("error"))["code"] == "service_stopping"
            assert await peer.closed() == 1012
            assert await stopping == 0
        assert not any(isinstance(record, CallEnded) for record in await log_of(kafka, topic_prefix, "call-1"))
        await process.start()
        end = (await ended_log(kafka, topic_prefix, "call-1"))[-1]
        assert isinstance(end, CallEnded)
        assert (end.complete, end.reason) == (False, "service_stopping")


async def test_a_call_is_taken_while_kafka_is_away(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    """The peer waits for nobody but the ledger; killed before Kafka is back, the call is on its log all the same, and ended."""
    async with IngestProcess(
        "127.0.0.1:1", topic_prefix, tmp_path, f"sqlite:///{tmp_path}/ingest.db", resume_seconds="0"
    ) as process:
        async with stream_peer(await process.url(), KEY) as peer:
            async with asyncio.timeout(5):
                assert (await peer.start("call-1"))["type"] == "started"
            await peer.speak(speech(1600))
            await peer.say("ping")
            await peer.hear("pong")
            await process.kill()
        process.reach(kafka)
        await process.start()
        await process.ready()
        start, end = await ended_log(kafka, topic_prefix, "call-1")
        assert isinstance(start, CallStarted)
        assert isinstance(end, CallEnded)
        assert (end.complete, end.reason) == (False, "ingest_lost")


async def test_each_bad_input_ends_its_own_call_and_no_other(kafka: str, topic_prefix: str, tmp_path: Path) -> None:
    """The protocol's own error, the reason on the log, and a call beside it that does not notice."""
    async with ingest(kafka, topic_prefix, tmp_path) as process, stream_peer(await process.url(), KEY) as beside:
        url = await process.url()
        await beside.start("beside")
        await beside.speak(speech(800))

        async def refused(send: Any, *, code: str | None, close: int) -> None:
            async with stream_peer(url, KEY) as peer:
                await send(peer)
                assert await peer.closed() == close
                assert next((told["code"] for told in peer.heard if told["type"] == "error"), None) == code

        await refused(lambda peer: peer.speak(bytes(160)), code="audio_before_start", close=1008)
        await refused(lambda peer: peer.start("beside"), code="call_id_in_use", close=1008)
        await refused(lambda peer: peer.start("x", codec="OPUS"), code="not_valid", close=1008)
        await refused(lambda peer: peer.socket.send_str("no json"), code="not_json", close=1008)
        await refused(lambda peer: peer.start("x", resume={"sequence": 8, "position": 6400}), code="no_such_call", close=1008)
        await refused(_start_twice, code="already_started", close=1008)
        await refused(_send_half_a_sample, code="broken_frame", close=1008)
        await refused(_send_ten_megabytes, code=None, close=1009)
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.WSServerHandshakeError) as error:
                await session.ws_connect(f"{url}/v1/stream")
            assert error.value.status == 401
        for call_id, reason in (("twice", "start` came twice"), ("half", "not a whole number"), ("large", "larger than 65536")):
            end = (await ended_log(kafka, topic_prefix, call_id))[-1]
            assert isinstance(end, CallEnded)
            assert (end.complete, end.reason) == (False, "protocol_error")
            assert reason in end.error
        await beside.speak(speech(1600)[800:])
        await beside.say("end")
        await beside.hear("ended", complete=True)
    assert heard(await log_of(kafka, topic_prefix, "beside")) == speech(1600)


async def _start_twice(peer: StreamPeer) -> None:
    await peer.start("twice")
    await peer.start("twice-again")


async def _send_half_a_sample(peer: StreamPeer) -> None:
    await peer.start("half", codec="S16LE", channels=[{}, {}])
    await peer.socket.send_bytes(bytes(6))


async def _send_ten_megabytes(peer: StreamPeer) -> None:
    await peer.start("large")
    await peer.socket.send_str(json.dumps({"type": "update", "properties": {"x": "y" * 10_000_000}}))
