"""The notifier as a process: records in by Kafka, verified webhooks out."""

import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import web
from support.captions import SpokenCall
from support.certificates import Authority
from support.kafka import read_all
from support.notifier_process import PARTITIONS, NotifierProcess
from support.webhooks import completed, receiving, webhook

from steno.crypto import SecretBox
from steno.events import ids
from steno.events.catalogue import CALL_SUMMARIES, CALLS, DEAD_LETTERS, HYPOTHESES, PHRASES, TRANSCRIPTS, WEBHOOKS
from steno.events.codec import Codec
from steno.events.records import CallStatus, CallSummary, TranscriptFailed, TranscriptStarted
from steno.events.schemas import ShippedSchemaIds
from steno.kafka.producer import Producer
from steno.kafka.topics import create_topics, topic_name
from steno.settings import KafkaSettings, TopicSettings

TRACEPARENT = f"00-{'a' * 32}-{'b' * 16}-01".encode()


@pytest.fixture
def topics(topic_prefix: str) -> TopicSettings:
    return TopicSettings(prefix=topic_prefix, partitions=PARTITIONS)


@pytest.fixture
async def producer(kafka: str, topics: TopicSettings) -> AsyncIterator[Producer]:
    settings = KafkaSettings(bootstrap_servers=kafka)
    await create_topics(settings, topics, (WEBHOOKS, CALLS, PHRASES, HYPOTHESES, TRANSCRIPTS, CALL_SUMMARIES, DEAD_LETTERS))
    producer = Producer(settings, topics, Codec(ShippedSchemaIds()), source="test")
    await producer.start()
    yield producer
    await producer.stop()


@pytest.fixture
def notifier(kafka: str, topic_prefix: str, tmp_path: Path, secret_key: str) -> NotifierProcess:
    return NotifierProcess(tmp_path, kafka, topic_prefix, secret_key, STENO_NOTIFIER_PUBLIC_URL="https://steno.example")


async def test_results_on_kafka_become_verified_deliveries(
    kafka: str, topics: TopicSettings, producer: Producer, notifier: NotifierProcess, box: SecretBox
) -> None:
    """Completed, failed and summarised each arrive signed, on the trace of their record, and nothing leaks."""
    now = datetime.now(UTC)
    recording = {"call_id": "call-1", "recording_id": "recording-1"}
    async with receiving() as receiver, notifier:
        await producer.send_raw(WEBHOOKS, key=b"broken", value=b"not avro", headers=[])
        await producer.send(WEBHOOKS, webhook("w", receiver.url, box))
        await producer.send(TRANSCRIPTS, TranscriptStarted(**recording, started_at=now))
        await producer.send(TRANSCRIPTS, completed(1), headers={"traceparent": TRACEPARENT})
        await producer.send(
            TRANSCRIPTS, TranscriptFailed(**recording, reason="not audio", error="unreadable_audio", failed_at=now)
        )
        await producer.send(
            CALL_SUMMARIES,
            CallSummary(
                **recording,
                summary_id="s",
                phrase_count=3,
                duration_ms=1,
                silence_ms=0,
                overlap_ms=0,
                key_phrases=("lost card",),
                summarised_at=now,
            ),
        )
        received = {request.body["type"]: request for request in await receiver.has(3)}
        assert set(received) == {"transcript.completed", "transcript.failed", "call.summarised"}
        done = received["transcript.completed"]
        assert done.webhook_id == ids.event_id("transcript.completed", "recording-1")
        assert done.body["data"]["transcript_url"] == "https://steno.example/v1/recordings/recording-1/transcript"
        assert done.traceparent is not None
        assert done.traceparent.split("-")[1] == "a" * 32
        await notifier.ready()

        # A deleted webhook hears nothing more, one that comes now does.
        async with receiving() as second:
            await producer.send_raw(WEBHOOKS, key=b"w", value=None, headers=[])
            await producer.send(WEBHOOKS, webhook("second", second.url, box))
            assert len(await second.has(3)) == 3  # registered in January: the events since are its too
            await producer.send(TRANSCRIPTS, completed(2))
            await second.has(4)
        assert len(receiver.received) == 3
        assert {entry["state"] for entry in await notifier.deliveries(webhook_id="w")} == {"delivered"}
        # What is rubbish there is read anew at each start: it is passed over, and stays where it is.
        assert await read_all(kafka, topic_name(topics, DEAD_LETTERS)) == []
        assert 'error_class="undecodable",group="",topic=' in await notifier.metrics()
        assert 'steno_notifier_deliveries_total{outcome="delivered"} 7.0' in await notifier.metrics()
        assert await notifier.stop() == 0
    assert "lost card" not in str(notifier.lines)
    assert "whsec_" not in str(notifier.lines)


async def test_a_live_call_is_told(producer: Producer, notifier: NotifierProcess, box: SecretBox) -> None:
    """Started and ended once each, the transcript of the live pass, and phrases to the webhook that names them alone."""
    async with receiving() as everything, receiving() as phrases, notifier:
        await producer.send(WEBHOOKS, webhook("everything", everything.url, box))
        await producer.send(WEBHOOKS, webhook("phrases", phrases.url, box, events=("phrase.final",)))
        await notifier.ready()
        call = SpokenCall(producer, "call-1")
        for _ in range(3):
            await call.state(CallStatus.ACTIVE)
            await call.say()
        await call.end()
        await call.state(CallStatus.COMPLETED, reason="hung up")
        told = {request.body["type"]: request.body["data"] for request in await everything.has(3)}
        assert set(told) == {"call.started", "call.ended", "transcript.completed"}
        assert (told["call.ended"]["complete"], told["call.ended"]["reason"]) == (True, "hung up")
        assert told["transcript.completed"]["pass"] == "live"
        said = [request.body["data"] for request in await phrases.has(3)]
        assert {phrase["text"] for phrase in said} == {f"phrase {number}" for number in range(3)}
        assert await notifier.stop() == 0
        assert (len(everything.received), len(phrases.received)) == (3, 3)
    assert "phrase 1" not in str(notifier.lines)


async def test_killed_in_the_middle_every_event_arrives(producer: Producer, notifier: NotifierProcess, box: SecretBox) -> None:
    """kill -9 with deliveries under way: after a restart each of 40 events has arrived, under its own id."""

    async def slowly(_request: web.Request) -> web.StreamResponse:
        await receiver.has(8)
        return web.Response()

    wanted = {ids.event_id("transcript.completed", f"recording-{number}") for number in range(40)}
    async with receiving(*[slowly] * 8) as receiver, notifier:
        await producer.send(WEBHOOKS, webhook("w", receiver.url, box))
        for number in range(40):
            await producer.send(TRANSCRIPTS, completed(number))
        await receiver.has(8, seconds=60)
        await notifier.kill()
        before = len(receiver.received)
        assert before < 40
        await notifier.start()
        await receiver.has_ids(wanted, seconds=60)
        assert {request.webhook_id for request in receiver.received} == wanted
        assert await notifier.stop() == 0


async def test_a_certificate_counts_for_its_name_only(
    kafka: str, topic_prefix: str, tmp_path: Path, secret_key: str, producer: Producer, box: SecretBox
) -> None:
    """Over TLS a delivery goes to a receiver whose certificate names its host, and not to one whose names another."""
    authority = Authority(tmp_path)
    notifier = NotifierProcess(tmp_path, kafka, topic_prefix, secret_key, SSL_CERT_FILE=str(authority.file))
    async with (
        receiving(tls=authority.server("localhost"), host="localhost") as right,
        receiving(tls=authority.server("elsewhere.example"), host="localhost") as wrong,
        notifier,
    ):
        await producer.send(WEBHOOKS, webhook("right", right.url, box))
        await producer.send(WEBHOOKS, webhook("wrong", wrong.url, box))
        await producer.send(TRANSCRIPTS, completed(1))
        await right.has(1)
        await notifier.ready()
        (failed,) = await notifier.settled(webhook_id="wrong")
        assert wrong.received == []
        assert failed["state"] == "failed"
        assert "certificate was not accepted" in failed["reason"]
        status, answer = await notifier.request("GET", f"/v1/deliveries/{failed['delivery_id']}")
        assert status == 200
        assert [attempt["status_code"] for attempt in answer["attempt_log"]] == [None] * 3


async def test_without_kafka_it_serves_what_it_has(topic_prefix: str, tmp_path: Path, secret_key: str) -> None:
    """It lives, lists deliveries and is not ready, while Kafka is away; and it stops when it is told."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        servers = f"127.0.0.1:{closed.getsockname()[1]}"
        async with NotifierProcess(tmp_path, servers, topic_prefix, secret_key) as notifier:
            assert await notifier.deliveries() == []
            assert (await notifier.request("GET", "/health/live"))[0] == 200
            status, answer = await notifier.request("GET", "/health/ready")
            assert status == 503
            away = dict.fromkeys(("topics", "webhooks", "consumer", "captions"), False)
            assert answer["checks"] == {"database": True, **away}
            assert await notifier.stop() == 0
