"""Captions of live calls through the notifier as a process, on a real Kafka."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from support.captions import CaptionReader, SpokenCall
from support.notifier_process import PARTITIONS, NotifierProcess

from steno.events.codec import Codec
from steno.events.records import CallStatus
from steno.events.schemas import ShippedSchemaIds
from steno.http.auth import key_line
from steno.kafka.producer import Producer
from steno.settings import KafkaSettings, TopicSettings


@pytest.fixture
async def notifier(kafka: str, topic_prefix: str, tmp_path: Path, secret_key: str) -> AsyncIterator[NotifierProcess]:
    async with NotifierProcess(tmp_path, kafka, topic_prefix, secret_key) as notifier:
        await notifier.ready()
        yield notifier


@pytest.fixture
async def producer(kafka: str, topic_prefix: str) -> AsyncIterator[Producer]:
    topics = TopicSettings(prefix=topic_prefix, partitions=PARTITIONS)
    producer = Producer(KafkaSettings(bootstrap_servers=kafka), topics, Codec(ShippedSchemaIds()), source="test")
    await producer.start()
    yield producer
    await producer.stop()


async def _cut_at_random(reader: CaptionReader, chance: random.Random) -> None:
    while not (reader.told and reader.told[-1].event == "end"):
        await reader.read(most=chance.randrange(1, 9), by_query=chance.random() < 0.5)


async def test_cut_and_resumed_anywhere_each_phrase_comes_once(notifier: NotifierProcess, producer: Producer) -> None:
    """Two readers of a call that goes on beside another one, one of them cut at random points: all phrases once, in order."""
    call, other = SpokenCall(producer, "call"), SpokenCall(producer, "other")
    await call.state(CallStatus.ACTIVE)
    for _ in range(5):
        await call.say()
        await other.say()
    steady, cut = CaptionReader(notifier, "call"), CaptionReader(notifier, "call")
    reading = asyncio.gather(steady.read(), _cut_at_random(cut, random.Random(7)))
    async with asyncio.timeout(30):
        while not (steady.told and cut.told):  # both are there while the call goes on
            await asyncio.sleep(0.01)
    for _ in range(35):
        await call.say()
        await other.say()
    await call.end()
    await asyncio.wait_for(reading, 60)
    for reader in (steady, cut):
        assert reader.phrases == list(range(40))
        events = [told.event for told in reader.told]
        assert (events[0], events[-2:]) in [("state", ["state", "end"]), ("state", ["phrase", "end"])]
        assert [told.data["state"] for told in reader.told if told.event == "state"] == ["active", "ending"]
    assert cut.connections > 4
    assert "hypothesis" in {told.event for told in steady.told}
    late = CaptionReader(notifier, "call")
    await late.read()
    assert late.phrases == list(range(40))
    assert [told.event for told in late.told if told.event != "phrase"] == ["state", "end"]
    status, _ = await notifier.request("GET", "/v1/calls/call/captions", headers={"Last-Event-ID": late.told[-1].id})
    assert status == 204
    status, problem = await notifier.request("GET", "/v1/calls/nobody/captions")
    assert (status, problem["status"]) == (404, 404)


async def test_a_reader_outlives_the_notifier(notifier: NotifierProcess, producer: Producer) -> None:
    """kill -9 in the middle of a call, phrases meanwhile, a restart: the reader comes back and has each phrase once."""
    call = SpokenCall(producer, "call")
    await call.state(CallStatus.ACTIVE)
    reader = CaptionReader(notifier, "call")
    for _ in range(8):
        await call.say()
    await reader.read(most=6)
    reading = asyncio.create_task(reader.read_to_the_end())
    await call.say()
    await notifier.kill()
    for _ in range(6):
        await call.say()
    await notifier.start()
    await notifier.ready()
    for _ in range(5):
        await call.say()
    await call.end()
    await asyncio.wait_for(reading, 60)
    assert reader.phrases == list(range(20))


async def test_a_stop_ends_the_readers(notifier: NotifierProcess, producer: Producer) -> None:
    """A reader whose call goes on does not keep the process from stopping well, and is told why it is left."""
    call = SpokenCall(producer, "call")
    await call.state(CallStatus.ACTIVE)
    url = await notifier.url()
    async with notifier.session() as session, session.get(f"{url}/v1/calls/call/captions") as answer:
        assert await answer.content.readline() == b"retry: 1000\n"
        assert await notifier.stop() == 0
        assert b": closed: the service is stopping" in await answer.content.read()


async def test_a_reader_whose_key_is_revoked_is_let_go(notifier: NotifierProcess, producer: Producer, tmp_path: Path) -> None:
    """Its stream ends within two seconds or so and says why, and it does not come back; another tenant never got one."""
    keys = tmp_path / "keys"
    operator = keys.read_text("utf-8")
    keys.write_text(operator + key_line("acme", "acme-key") + key_line("other", "other-key"), "utf-8")
    await SpokenCall(producer, "call", tenant="acme").state(CallStatus.ACTIVE)
    url = f"{await notifier.url()}/v1/calls/call/captions"
    mine, others = {"X-Api-Key": "acme-key"}, {"X-Api-Key": "other-key"}
    async with aiohttp.ClientSession() as session:
        async with session.get(url, headers=others) as refused:
            assert refused.status == 404
        async with session.get(url, headers=mine) as answer, notifier.session() as operators, operators.get(url) as watching:
            assert await answer.content.readline() == b"retry: 1000\n"
            assert await watching.content.readline() == b"retry: 1000\n"
            keys.write_text(operator, "utf-8")
            async with asyncio.timeout(10):
                assert b": closed: the API key was removed, expired or changed" in await answer.content.read()
            assert not watching.content.at_eof()
        async with session.get(url, headers=mine) as again:
            assert again.status == 401
