"""The suite on a Kafka with TLS and access control: each service is a user of its own, with the access of the catalogue."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest
from confluent_kafka import Consumer as ForeignConsumer
from confluent_kafka import Producer as ForeignProducer
from support.ingest_process import KEY, PARTITIONS
from support.secure_kafka import SecureKafka, secure_kafka
from support.service_process import ServiceProcess
from support.suite import SAMPLES

from steno.cli.api import Api, ApiAddress, connect_api
from steno.cli.clients.audio import open_call_audio, paced
from steno.cli.clients.stream import CallDescription, StreamClient, StreamPlayer
from steno.cli.recordings import sidecar
from steno.cli.webhook_receiver import WebhookReceiver
from steno.crypto import make_secret_key
from steno.events.access import Rule, access_of
from steno.events.codec import Codec
from steno.events.records import Insight, RecordingSubmitted
from steno.events.schemas import ShippedSchemaIds
from steno.http.auth import key_line
from steno.settings import SERVICES

PREFIX = "acme."
CALLS = {"by-rest", "by-kafka", "live"}
EVENTS = {(call_id, event) for call_id in CALLS for event in ("transcript.completed", "call.summarised")}

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[SecureKafka]:
    folder = tmp_path / "kafka"
    folder.mkdir()
    own_group = Rule(resource="Group", name="analytics", operations=("Read", "Describe"))
    access = {"downstream": [*access_of("downstream").rules(PREFIX), own_group]}
    with secure_kafka(folder, PREFIX, access=access) as running:
        yield running


@pytest.fixture
async def services(secure: SecureKafka, tmp_path: Path) -> AsyncIterator[dict[str, ServiceProcess]]:
    """The four services, each as its own user."""
    (tmp_path / "shared").mkdir()
    keys = tmp_path / "keys"
    keys.write_text(key_line("test", KEY, tenant="*"), "utf-8")
    secret = make_secret_key()
    own = {
        "transcriber": {"STENO_TRANSCRIBER_FILE_FOLDERS": str(tmp_path / "shared")},
        "notifier": {"STENO_NOTIFIER_ALLOWED_NETWORKS": "127.0.0.0/8"},
    }
    for name in ("ingest", "notifier"):
        own[name] = {
            **own.get(name, {}),
            f"STENO_{name.upper()}_DATABASE_URL": f"sqlite:///{tmp_path}/{name}.db",
            f"STENO_{name.upper()}_API_KEYS_FILE": str(keys),
            f"STENO_{name.upper()}_SECRET_KEY": secret,
        }
    async with AsyncExitStack() as stack:
        running = {}
        for name in SERVICES:
            environment = {
                **secure.environment(name),
                **own.get(name, {}),
                "STENO_OBJECTS_URL": (tmp_path / "objects").as_uri(),
            }
            process = ServiceProcess(
                name, servers=secure.servers, prefix=PREFIX, partitions=PARTITIONS, environment=environment, key=KEY
            )
            running[name] = await stack.enter_async_context(process)
        await asyncio.gather(*(process.ready() for process in running.values()))
        yield running
        assert await asyncio.gather(*(process.stop() for process in running.values())) == [0] * len(running)


def _sample(name: str) -> Path:
    return next(sample for sample in SAMPLES if sample.stem == name)


async def _publish(secure: SecureKafka, recording: Path) -> None:
    """Publishes a recording as an upstream system."""
    submitted = RecordingSubmitted(
        call_id="by-kafka", url=recording.as_uri(), channels=sidecar(recording)["channels"], submitted_at=datetime.now(UTC)
    )
    producer = ForeignProducer({**secure.foreign("upstream"), "partitioner": "murmur2_random"})
    producer.produce(f"{PREFIX}recordings", key="by-kafka", value=Codec(ShippedSchemaIds()).encode(submitted))
    assert await asyncio.to_thread(producer.flush, 30) == 0


async def _play(url: str) -> None:
    audio = open_call_audio(_sample("lost-card"))
    client = StreamClient(CallDescription(call_id="live", roles=["agent", "customer"]), audio)
    await StreamPlayer(client, url=f"{url}/v1/stream", key=KEY).play(paced(audio.frames(20), seconds=0.02, speed=4))


async def _events(receiver: WebhookReceiver) -> dict[tuple[str, str], dict[str, object]]:
    found: dict[tuple[str, str], dict[str, object]] = {}
    async with asyncio.timeout(120):
        while not found.keys() >= EVENTS:
            found |= {(event.data["call_id"], event.type): event.data for event in receiver.pop_events()}
            await asyncio.sleep(0.05)
    return found


def _insights(secure: SecureKafka) -> set[str]:
    """Reads insights as a downstream system, until each call has some; returns the calls."""
    found: set[str] = set()
    consumer = ForeignConsumer({**secure.foreign("downstream"), "group.id": "analytics", "auto.offset.reset": "earliest"})
    try:
        consumer.subscribe([f"{PREFIX}insights"])
        while found != CALLS:
            message = consumer.poll(30)
            assert message is not None, f"insights of {found} alone"
            assert message.error() is None, message.error()
            insight = Codec(ShippedSchemaIds()).decode(message.value() or b"")
            assert isinstance(insight, Insight)
            found.add(insight.call_id)
    finally:
        consumer.close()
    return found


async def _api(services: dict[str, ServiceProcess], stack: AsyncExitStack) -> Api:
    return await stack.enter_async_context(connect_api(ApiAddress(url=await services["ingest"].url(), key=KEY)))


async def test_calls_come_back_where_each_service_may_do_no_more_than_it_does(
    secure: SecureKafka, services: dict[str, ServiceProcess], tmp_path: Path
) -> None:
    """A recording by REST, one by Kafka and a live call become transcripts, insights and verified webhooks; none is refused."""
    async with AsyncExitStack() as stack:
        api = await _api(services, stack)
        receiver = await stack.enter_async_context(WebhookReceiver())
        receiver.secret = (await api.register_webhook(receiver.url))["secret"]
        audio = _sample("billing-dispute")
        await api.submit(audio, sidecar(audio) | {"call_id": "by-rest"})
        shared = tmp_path / "shared" / "delivery-enquiry.wav"
        shared.write_bytes(_sample("delivery-enquiry").read_bytes())
        shared.with_suffix(".json").write_bytes(_sample("delivery-enquiry").with_suffix(".json").read_bytes())
        await _publish(secure, shared)
        await _play(await services["ingest"].url())
        events = await _events(receiver)
        balance = await api.ledger()
    assert all(int(str(events[call_id, "call.summarised"]["phrase_count"])) > 0 for call_id in CALLS)
    assert balance["balanced"]
    assert receiver.rejected == 0
    assert await asyncio.to_thread(_insights, secure) == CALLS
    told = [line for process in services.values() for line in process.lines if "uthoriz" in json.dumps(line)]
    assert told == []
