"""Clients that know nothing of Steno but its .avsc files: librdkafka on the wire, Apache's Avro for the bytes."""

import asyncio
import json
from io import BytesIO
from uuid import uuid4

import avro.io
from confluent_kafka import Consumer as ForeignConsumer
from confluent_kafka import Message as ForeignMessage
from support.foreign_clients import avsc, produce, written_abroad
from support.kafka import create_topic, read_all
from support.records import PHRASE

from steno.events.catalogue import PHRASES, RECORDINGS
from steno.events.codec import Codec
from steno.events.records import ChannelRole, RecordingSubmitted, Role
from steno.events.schemas import ShippedSchemaIds
from steno.kafka.producer import Producer
from steno.kafka.topics import topic_name
from steno.settings import KafkaSettings, TopicSettings

PARTITIONS = 12
CALLS = [f"call-{number}" for number in range(20)] + ["Gespräch-1", "通話-2"]
CODEC = Codec(ShippedSchemaIds())


async def publish_phrases(kafka: str, topics: TopicSettings) -> None:
    """Our producer writes one phrase of each call."""
    producer = Producer(KafkaSettings(bootstrap_servers=kafka), topics, CODEC, source="test")
    await producer.start()
    try:
        for call_id in CALLS:
            await producer.send(PHRASES, PHRASE.model_copy(update={"call_id": call_id}))
    finally:
        await producer.stop()


def consume(kafka: str, topic: str, count: int) -> list[ForeignMessage]:
    """So many records of a topic, by librdkafka."""
    consumer = ForeignConsumer(
        {
            "bootstrap.servers": kafka,
            "group.id": f"foreign-{uuid4()}",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe([topic])
    found: list[ForeignMessage] = []
    try:
        while len(found) < count:
            message = consumer.poll(30)
            assert message is not None, f"only {len(found)} of {count} records came"
            assert message.error() is None
            found.append(message)
    finally:
        consumer.close()
    return found


async def test_librdkafka_reads_a_phrase_with_nothing_but_its_schema(kafka: str, topic_prefix: str) -> None:
    """Five bytes of frame, then Avro: any client with the .avsc has every field."""
    topics = TopicSettings(prefix=topic_prefix, partitions=PARTITIONS)
    topic = topic_name(topics, PHRASES)
    await create_topic(kafka, topic, partitions=PARTITIONS)
    await publish_phrases(kafka, topics)
    for message in await asyncio.to_thread(consume, kafka, topic, len(CALLS)):
        value, key = message.value(), message.key()
        assert isinstance(value, bytes)
        assert isinstance(key, bytes)
        phrase = avro.io.DatumReader(avsc("Phrase")).read(avro.io.BinaryDecoder(BytesIO(value[5:])))
        assert phrase == {**json.loads(PHRASE.model_dump_json()), "call_id": key.decode()}
        assert dict(message.headers() or [])["ce_type"] == b"steno.Phrase"


async def test_a_call_has_one_partition_whoever_writes(kafka: str, topic_prefix: str) -> None:
    """Our producer puts a key where librdkafka's `murmur2_random`, and so Java, puts it."""
    topics = TopicSettings(prefix=topic_prefix, partitions=PARTITIONS)
    topic = topic_name(topics, PHRASES)
    await create_topic(kafka, topic, partitions=PARTITIONS)
    await publish_phrases(kafka, topics)
    ours = {record.key.decode(): record.partition for record in await read_all(kafka, topic)}
    theirs = await asyncio.to_thread(produce, kafka, topic, [(call_id, b"") for call_id in CALLS])
    assert ours == theirs
    assert len(set(ours.values())) > 1


async def test_we_read_a_recording_that_a_foreign_producer_submitted(kafka: str, topic_prefix: str) -> None:
    """An upstream system needs no library of ours to submit a recording; what it leaves out has its default."""
    topic = topic_name(TopicSettings(prefix=topic_prefix), RECORDINGS)
    await create_topic(kafka, topic, partitions=PARTITIONS)
    fields = {
        "url": "https://recordings.example.org/1.wav",
        "recording_id": "",
        "supersedes": "",
        "channels": [{"channel": 0, "role": "agent"}, {"channel": 1, "role": "customer"}],
        "locale": "en-US",
        "properties": {"queue": "billing"},
        "sha256": "",
        "submitted_at": None,
    }
    values = [(call_id, written_abroad("RecordingSubmitted", {"call_id": call_id, **fields})) for call_id in CALLS]
    await asyncio.to_thread(produce, kafka, topic, values)
    submitted = {record.key.decode(): CODEC.decode(record.value) for record in await read_all(kafka, topic)}
    assert submitted == {
        call_id: RecordingSubmitted(
            call_id=call_id,
            url="https://recordings.example.org/1.wav",
            channels=(ChannelRole(channel=0, role=Role.AGENT), ChannelRole(channel=1, role=Role.CUSTOMER)),
            properties={"queue": "billing"},
        )
        for call_id in CALLS
    }
