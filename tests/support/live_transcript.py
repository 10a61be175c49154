"""The transcriber's part of a live call, where a test is about other parts: one phrase, and that it was all."""

from datetime import UTC, datetime

from support.ingest_process import PARTITIONS

from steno.events import ids
from steno.events.catalogue import PHRASES, TRANSCRIPTS
from steno.events.codec import Codec
from steno.events.records import Phrase, Role, TranscriptCompleted
from steno.events.schemas import ShippedSchemaIds
from steno.kafka.producer import Producer
from steno.settings import KafkaSettings, TopicSettings


async def transcribe(servers: str, prefix: str, call_id: str) -> None:
    """On channel 1 the customer says "good morning" after a second and a half; the transcript is complete."""
    live = ids.live_pass_id(call_id)
    phrase = Phrase(
        call_id=call_id,
        recording_id=live,
        phrase_id=ids.phrase_id(call_id, live, 1, 1500),
        sequence=0,
        channel=1,
        role=Role.CUSTOMER,
        start_ms=1500,
        duration_ms=500,
        text="good morning",
        confidence=0.9,
    )
    completed = TranscriptCompleted(
        call_id=call_id,
        recording_id=live,
        result_url="",
        phrase_count=1,
        channel_count=2,
        duration_ms=1000,
        completed_at=datetime.now(UTC),
    )
    topics = TopicSettings(prefix=prefix, partitions=PARTITIONS)
    producer = Producer(KafkaSettings(bootstrap_servers=servers), topics, Codec(ShippedSchemaIds()), source="test")
    try:
        await producer.send(PHRASES, phrase)
        await producer.send(TRANSCRIPTS, completed)
    finally:
        await producer.stop()
