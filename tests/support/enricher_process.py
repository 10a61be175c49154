"""The enricher as a process, and calls for it."""

import asyncio
import random
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, TopicPartition
from support.kafka import read_all
from support.service_process import ServiceProcess

from steno.events.catalogue import CALLS, PHRASES, TRANSCRIPTS, Topic
from steno.events.codec import Codec
from steno.events.ids import live_pass_id, phrase_id
from steno.events.records import CallChannel, CallState, CallStatus, Phrase, Record, Role, TranscriptCompleted
from steno.events.schemas import ShippedSchemaIds
from steno.kafka.producer import Producer
from steno.kafka.topics import topic_name
from steno.settings import KafkaSettings, TopicSettings

PARTITIONS = 4
_SENTENCES = (
    "Thank you for calling Harbour Bank, how can I help you?",
    "I lost my credit card and I need a replacement debit card.",
    "It still doesn't work, this is unacceptable.",
    "You have been very helpful, thank you so much.",
    "Can I speak to your manager about the billing error?",
    "My internet connection drops every evening.",
    "I would like to check the balance on my savings account.",
    "No, that will be all.",
)


class EnricherProcess(ServiceProcess):
    """Runs `python -m steno_enricher` until the block is left."""

    def __init__(self, servers: str, prefix: str, *, instance: str = "0", **environment: str) -> None:
        super().__init__(
            "enricher",
            servers=servers,
            prefix=prefix,
            partitions=PARTITIONS,
            environment={"STENO_ENRICHER_INSTANCE": instance, "STENO_ENRICHER_DRAIN_SECONDS": "10", **environment},
        )


class Steno:
    """The topics of one installation, for a test to write and read."""

    def __init__(self, servers: str, prefix: str) -> None:
        self.kafka = KafkaSettings(bootstrap_servers=servers)
        self.topics = TopicSettings(prefix=prefix, partitions=PARTITIONS)
        self.codec = Codec(ShippedSchemaIds())
        self.producer = Producer(self.kafka, self.topics, self.codec, source="test")

    async def publish(self, records: Iterable[Record]) -> None:
        """Publishes phrases, completions and states of calls, in order."""
        topics = {Phrase: PHRASES, CallState: CALLS}
        await asyncio.gather(*(self.producer.send(topics.get(type(record), TRANSCRIPTS), record) for record in records))

    async def read(self, topic: Topic) -> list[Any]:
        """Reads all raw records on a topic."""
        return await read_all(self.kafka.bootstrap_servers, topic_name(self.topics, topic))

    async def wait_for(self, topic: Topic, count: int, *, seconds: float = 60) -> None:
        """Waits until a topic has records with a number of distinct CloudEvents ids."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.kafka.bootstrap_servers, enable_auto_commit=False)
        await consumer.start()
        try:
            name, found = topic_name(self.topics, topic), set[bytes]()
            consumer.assign([TopicPartition(name, number) for number in range(PARTITIONS)])
            await consumer.seek_to_beginning()
            async with asyncio.timeout(seconds):
                while len(found) < count:
                    for records in (await consumer.getmany(timeout_ms=100)).values():
                        found.update(dict(raw.headers)["ce_id"] for raw in records)
        finally:
            await consumer.stop()

    async def __aenter__(self) -> Self:
        await self.producer.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.producer.stop()


def make_call(call_id: str, phrases: int, *, seed: int = 0, recording_id: str = "") -> tuple[list[Phrase], TranscriptCompleted]:
    """Makes a two-channel call: its phrases by start, and its completion."""
    chance = random.Random(f"{call_id} {seed}")
    recording_id = recording_id or f"recording-of-{call_id}"
    made, at = [], 0
    for sequence in range(phrases):
        at += chance.randrange(200, 4000)
        channel = sequence % 2
        made.append(
            Phrase(
                call_id=call_id,
                recording_id=recording_id,
                phrase_id=phrase_id(call_id, recording_id, channel, at),
                sequence=sequence,
                channel=channel,
                role=(Role.AGENT, Role.CUSTOMER)[channel],
                start_ms=at,
                duration_ms=chance.randrange(300, 6000),
                text=chance.choice(_SENTENCES),
                confidence=0.9,
            )
        )
    completed = TranscriptCompleted(
        call_id=call_id,
        recording_id=recording_id,
        result_url="file:///nowhere",
        phrase_count=phrases,
        channel_count=2,
        duration_ms=at + 10_000,
        properties={"campaign": call_id},
        completed_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    return made, completed


def interleaved(calls: Sequence[tuple[list[Phrase], TranscriptCompleted]]) -> list[Record]:
    """Interleaves the records of simultaneous calls: the first phrase of each, the second of each, …, then the completions."""
    longest = max(len(phrases) for phrases, _ in calls)
    records: list[Record] = [phrases[n] for n in range(longest) for phrases, _ in calls if n < len(phrases)]
    return [*records, *(completed for _, completed in calls)]


def call_state(call_id: str, state: CallStatus, *roles: Role, revision: int = 0) -> CallState:
    """Makes the state of a live call, with the roles of its channels in order."""
    now = datetime.now(UTC)
    return CallState(
        call_id=call_id,
        recording_id=live_pass_id(call_id),
        state=state,
        channels=tuple(CallChannel(channel=number, role=role) for number, role in enumerate(roles)),
        roles_revision=revision,
        started_at=now,
        updated_at=now,
    )
