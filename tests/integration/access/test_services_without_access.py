"""A service that the cluster does not let work says why in its log, and goes on once it may; nothing is lost."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from support.certificates import Authority
from support.enricher_process import make_call
from support.secure_kafka import SecureKafka, secure_kafka
from support.service_process import ServiceProcess

from steno.events.access import Rule, access_of
from steno.events.catalogue import PHRASES, RECORDINGS
from steno.events.codec import Codec
from steno.events.records import RecordingSubmitted
from steno.events.schemas import ShippedSchemaIds
from steno.kafka.producer import Producer
from steno.kafka.topics import create_topics
from steno.settings import TopicSettings

PREFIX = "acme."
TOPICS = TopicSettings(prefix=PREFIX, partitions=2)

pytestmark = pytest.mark.timeout(180)


def _without(service: str, name: str, operation: str) -> list[Rule]:
    """The rules of a service, less one operation on one topic."""
    return [
        rule
        if rule.name != PREFIX + name
        else Rule(resource=rule.resource, name=rule.name, operations=tuple(o for o in rule.operations if o != operation))
        for rule in access_of(service).rules(PREFIX)
    ]


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureKafka]:
    """A broker that does not let the transcriber read recordings, nor the enricher read phrases."""
    access = {
        "transcriber": _without("transcriber", RECORDINGS.name, "Read"),
        "enricher": _without("enricher", PHRASES.name, "Read"),
    }
    with secure_kafka(tmp_path_factory.mktemp("secure"), PREFIX, access=access) as running:
        yield running


@asynccontextmanager
async def _running(
    secure: SecureKafka, service: str, environment: Mapping[str, str], **changed: str
) -> AsyncIterator[ServiceProcess]:
    process = ServiceProcess(
        service,
        servers=secure.servers,
        prefix=PREFIX,
        partitions=TOPICS.partitions,
        environment={**secure.environment(service, **changed), **environment},
    )
    async with process:
        yield process


async def _logged(process: ServiceProcess, matches: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while True:
            if found := [line for line in process.lines if matches(line)]:
                return found[0]
            await asyncio.sleep(0.05)


async def _producer(secure: SecureKafka, user: str) -> Producer:
    await create_topics(secure.settings(user), TOPICS, access_of(user).topics)
    return Producer(secure.settings(user), TOPICS, Codec(ShippedSchemaIds()), source=user)


def _scripted(folder: Path) -> dict[str, str]:
    return {"STENO_OBJECTS_URL": (folder / "objects").as_uri(), "STENO_TRANSCRIBER_ENGINE": "scripted"}


async def test_a_missing_acl_is_named_and_its_records_come_later(secure: SecureKafka, tmp_path: Path) -> None:
    """The transcriber says which topic it may not read, stays up, and takes the recording once it may."""
    producer = await _producer(secure, "ingest")
    try:
        async with _running(secure, "transcriber", _scripted(tmp_path)) as transcriber:
            line = await _logged(transcriber, lambda line: line["event"] == "consumer.access_refused")
            assert (
                "does not allow user transcriber the topic acme.recordings: give it the ACLs of docs/topics.md"
                in line["reason"]
            )
            recording = RecordingSubmitted(call_id="waiting", url="file:///nowhere.wav", submitted_at=datetime.now(UTC))
            await producer.send(RECORDINGS, recording)
            await secure.allow("transcriber", access_of("transcriber").rules(PREFIX))
            # There is no such file: that the transcriber has tried is enough here.
            await _logged(transcriber, lambda line: "waiting" in str(line) and "recording" in line["event"])
            assert transcriber.running
            named = [line for line in transcriber.lines if line["event"] == "consumer.access_refused"]
            assert len(named) <= 7, "one line in ten seconds"
    finally:
        await producer.stop()


async def test_the_enricher_names_a_missing_acl_and_goes_on(secure: SecureKafka) -> None:
    """Faust does not crash: what could not be read is read once it may be."""
    producer = await _producer(secure, "transcriber")
    phrases, _ = make_call("waiting", 4)
    try:
        async with _running(secure, "enricher", {}) as enricher:
            line = await _logged(enricher, lambda line: line["event"] == "worker.access_refused")
            assert "does not allow user enricher the topic acme.phrases" in line["reason"]
            for phrase in phrases:
                await producer.send(PHRASES, phrase)
            await secure.allow("enricher", access_of("enricher").rules(PREFIX))
            async with asyncio.timeout(60):
                while "steno_enricher_insights_total 4.0" not in await enricher.metrics():
                    await asyncio.sleep(0.1)
    finally:
        await producer.stop()


async def test_a_service_with_a_wrong_authority_waits_and_says_so(secure: SecureKafka, tmp_path: Path) -> None:
    """It answers for its health, is not ready, and logs one line in ten seconds with the file of the setting."""
    other = Authority(tmp_path)
    async with _running(secure, "transcriber", _scripted(tmp_path), SSL_CAFILE=str(other.file)) as transcriber:
        line = await _logged(transcriber, lambda line: line["event"] == "kafka.away")
        assert f"is not of KAFKA_SSL_CAFILE ({other.file})" in line["reason"]
        status, health = await transcriber.request("GET", "/health/ready")
        assert status == 503
        assert "KAFKA_SSL_CAFILE" in str(health)
        assert transcriber.running


async def test_a_service_whose_files_are_missing_does_not_start(secure: SecureKafka, tmp_path: Path) -> None:
    """The variable is named."""
    async with _running(secure, "enricher", {}, SSL_CAFILE=str(tmp_path / "nowhere.pem")) as enricher:
        assert await enricher.ended() == 1
        assert "KAFKA_SSL_CAFILE: " in enricher.lines[-1]["reason"]
