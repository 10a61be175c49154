"""The transcriber as a process of its own, and the topics around it."""

import asyncio
import json
import os
import signal
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
from aiokafka import AIOKafkaConsumer, TopicPartition

from steno.events.catalogue import DEAD_LETTERS, PHRASES, RECORDINGS, TRANSCRIPTS
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


class TranscriberProcess:
    """Runs `python -m steno_transcriber`; ends it by the pid it got."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("STENO_", "KAFKA_"))}
        cache = {"STENO_CACHE": os.environ["STENO_CACHE"]} if "STENO_CACHE" in os.environ else {}
        self._environment = {**kept, **cache, **environment}
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._url: asyncio.Future[str] | None = None
        #: Log lines of all starts.
        self.lines: list[dict[str, Any]] = []

    @property
    def pid(self) -> int:
        """The pid of the process that runs."""
        assert self._process is not None
        return self._process.pid

    async def start(self) -> None:
        """Starts the process; does not wait for it to be ready."""
        self._url = asyncio.get_running_loop().create_future()
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "steno_transcriber"), env=self._environment, stderr=asyncio.subprocess.PIPE
        )
        self._reading = asyncio.create_task(self._read(self._process, self._url))

    async def ready(self) -> None:
        """Returns when it says so itself."""
        assert self._url is not None
        async with asyncio.timeout(60):
            url = await self._url
            async with aiohttp.ClientSession() as session:
                while True:
                    with suppress(aiohttp.ClientConnectionError):
                        async with session.get(f"{url}/health/ready") as answer:
                            if answer.status == 200:
                                return
                    await asyncio.sleep(0.02)

    async def metrics(self) -> str:
        """What it shows to Prometheus."""
        assert self._url is not None
        async with aiohttp.ClientSession() as session, session.get(f"{await self._url}/metrics") as answer:
            return await answer.text()

    async def kill(self) -> None:
        """Ends it as a power cut would."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> int:
        """Asks it to stop, and returns its exit status."""
        return await self._end(signal.SIGTERM)

    async def ended(self) -> int:
        """Waits until it ends by itself, and returns its exit status."""
        assert self._process is not None
        assert self._reading is not None
        status = await asyncio.wait_for(self._process.wait(), 60)
        await self._reading
        return status

    @property
    def running(self) -> bool:
        """Whether there is a process."""
        return self._process is not None and self._process.returncode is None

    async def _end(self, number: signal.Signals) -> int:
        assert self._process is not None
        with suppress(ProcessLookupError):
            self._process.send_signal(number)
        return await self.ended()

    async def _read(self, process: asyncio.subprocess.Process, url: asyncio.Future[str]) -> None:
        assert process.stderr is not None
        async for line in process.stderr:
            try:
                entry = json.loads(line)
            except ValueError:
                entry = {"event": line.decode(errors="replace").rstrip()}
            self.lines.append(entry)
            if entry.get("event") == "service.listening" and not url.done():
                url.set_result(entry["url"])


class Installation:
    """Topics, an object store and a transcriber that share them; what is published is collected as it comes."""

    def __init__(self, servers: str, prefix: str, folder: Path, environment: Mapping[str, str]) -> None:
        self.kafka = KafkaSettings(bootstrap_servers=servers)
        self.topics = TopicSettings(prefix=prefix, partitions=PARTITIONS)
        self.codec = Codec(ShippedSchemaIds())
        self.producer = Producer(self.kafka, self.topics, self.codec, source="test")
        self.folder = folder
        self.store = ObjectStore((folder / "objects").as_uri())
        self.transcriber = TranscriberProcess(
            {
                "KAFKA_BOOTSTRAP_SERVERS": servers,
                "STENO_TOPIC_PREFIX": prefix,
                "STENO_TOPIC_PARTITIONS": str(PARTITIONS),
                "STENO_OBJECTS_URL": self.store.url,
                "STENO_TRANSCRIBER_ENGINE": "scripted",
                "STENO_TRANSCRIBER_THREADS": "2",
                "STENO_TRANSCRIBER_FILE_FOLDERS": str(folder / "calls"),
                "STENO_TRANSCRIBER_DRAIN_SECONDS": "20",
                **environment,
            }
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
        names = {topic_name(self.topics, topic): topic for topic in (PHRASES, TRANSCRIPTS, DEAD_LETTERS)}
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
    await create_topics(made.kafka, made.topics, (RECORDINGS, PHRASES, TRANSCRIPTS, DEAD_LETTERS))
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
