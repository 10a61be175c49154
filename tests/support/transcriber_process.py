"""The transcriber as a process of its own, and the topics around it."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from support.service_process import ServiceProcess

from steno.events.catalogue import DEAD_LETTERS, HYPOTHESES, PHRASES, RECORDINGS, TRANSCRIPTS
from steno.events.codec import Codec
from steno.events.records import (
    ChannelRole,
    Phrase,
    Record,
    RecordingSubmitted,
    Role,
    TranscriptCompleted,
    TranscriptFailed,
    TranscriptStarted,
)
from steno.events.schemas import ShippedSchemaIds
from steno.kafka.producer import Producer
from steno.kafka.topics import create_topics, topic_name
from steno.settings import KafkaSettings, TopicSettings
from steno.storage.objects import ObjectStore

PARTITIONS = 4


class Installation:
    """Topics, an object store and a transcriber that share them; what is published is collected as it comes."""

    def __init__(self, servers: str, prefix: str, folder: Path, environment: Mapping[str, str]) -> None:
        self.kafka = KafkaSettings(bootstrap_servers=servers)
        self.topics = TopicSettings(prefix=prefix, partitions=PARTITIONS)
        self.codec = Codec(ShippedSchemaIds())
        self.producer = Producer(self.kafka, self.topics, self.codec, source="test")
        self.folder = folder
        self.store = ObjectStore((folder / "objects").as_uri())
        self.transcriber = ServiceProcess(
            "transcriber",
            servers=servers,
            prefix=prefix,
            partitions=PARTITIONS,
            environment={
                "STENO_OBJECTS_URL": self.store.url,
                "STENO_TRANSCRIBER_ENGINE": "scripted",
                "STENO_TRANSCRIBER_THREADS": "2",
                "STENO_TRANSCRIBER_FILE_FOLDERS": str(folder / "calls"),
                "STENO_TRANSCRIBER_DRAIN_SECONDS": "20",
                "STENO_TRANSCRIBER_FETCH_MISSING_SECONDS": "3",
                **environment,
            },
        )
        #: What stands on the topics so far, in the order of each partition.
        self.records: list[Record] = []
        self.dead_letters: list[dict[str, bytes]] = []
        self._news = asyncio.Condition()
        self._enough = asyncio.Event()

    async def submit(self, recording_id: str, url: str, **fields: Any) -> RecordingSubmitted:
        """Publishes a recording of a call of its own, agent on channel 0 and customer on channel 1."""
        recording = RecordingSubmitted(
            call_id=f"call-of-{recording_id}",
            recording_id=recording_id,
            url=url,
            channels=(ChannelRole(channel=0, role=Role.AGENT), ChannelRole(channel=1, role=Role.CUSTOMER)),
            submitted_at=datetime.now(UTC),
            **fields,
        )
        await self.producer.send(RECORDINGS, recording)
        return recording

    async def until(self, condition: Callable[[], bool], *, seconds: float = 60) -> None:
        """Returns when what was collected meets the condition."""
        try:
            async with asyncio.timeout(seconds), self._news:
                await self._news.wait_for(condition)
        except TimeoutError:
            ends = sorted({(type(r).__name__, getattr(r, "recording_id", "")) for r in self.records})
            raise AssertionError(f"not met in {seconds} s; published: {ends}; log: {self.transcriber.lines[-10:]}") from None

    def of(self, kind: type[Record]) -> list[Any]:
        """The collected records of one kind."""
        return [record for record in self.records if isinstance(record, kind)]

    def ended(self, kind: type[Record] = TranscriptCompleted) -> set[str]:
        """Ids of the recordings that ended (or began, by `TranscriptStarted`) so."""
        assert kind in (TranscriptStarted, TranscriptCompleted, TranscriptFailed)
        return {record.recording_id for record in self.of(kind)}

    def failure(self, recording_id: str) -> TranscriptFailed:
        """How a recording failed."""
        found: TranscriptFailed = next(r for r in self.of(TranscriptFailed) if r.recording_id == recording_id)
        return found

    def phrases(self) -> dict[str, list[Phrase]]:
        """The phrases of each recording in order, one of each id; two of one id must be the same."""
        by_id: dict[str, Phrase] = {}
        for phrase in self.of(Phrase):
            assert by_id.setdefault(phrase.phrase_id, phrase) == phrase
        by_recording: dict[str, list[Phrase]] = defaultdict(list)
        for phrase in sorted(by_id.values(), key=lambda phrase: phrase.sequence):
            by_recording[phrase.recording_id].append(phrase)
        return by_recording

    def stop_collecting(self) -> None:
        """Lets `collect` return."""
        self._enough.set()

    async def collect(self) -> None:
        """Reads everything the transcriber writes."""
        names = {topic_name(self.topics, topic): topic for topic in (HYPOTHESES, PHRASES, TRANSCRIPTS, DEAD_LETTERS)}
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self.kafka.bootstrap_servers, enable_auto_commit=False, auto_offset_reset="earliest"
        )
        await consumer.start()
        try:
            consumer.assign([TopicPartition(name, number) for name in names for number in range(PARTITIONS)])
            while not self._enough.is_set():
                for partition, found in (await consumer.getmany(timeout_ms=50)).items():
                    for raw in found:
                        if names[partition.topic] is DEAD_LETTERS:
                            self.dead_letters.append(dict(raw.headers))
                        else:
                            self.records.append(self.codec.decode(raw.value))
                async with self._news:
                    self._news.notify_all()
        finally:
            await consumer.stop()


@asynccontextmanager
async def installation(
    servers: str, prefix: str, folder: Path, environment: Mapping[str, str] | None = None
) -> AsyncIterator[Installation]:
    """Topics of its own and a transcriber that is not started yet; ended afterwards."""
    (folder / "calls").mkdir(exist_ok=True)
    made = Installation(servers, prefix, folder, environment or {})
    await create_topics(made.kafka, made.topics, (RECORDINGS, HYPOTHESES, PHRASES, TRANSCRIPTS, DEAD_LETTERS))
    await made.producer.start()
    collecting = asyncio.create_task(made.collect())
    try:
        yield made
    finally:
        if made.transcriber.running:
            await made.transcriber.kill()
        made.stop_collecting()
        await collecting
        await made.producer.stop()
