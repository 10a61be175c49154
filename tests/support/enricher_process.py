"""The enricher as a process of its own, and calls to feed it."""

import asyncio
import json
import os
import random
import signal
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import aiohttp
from aiokafka import AIOKafkaConsumer, TopicPartition
from support.kafka import read_all

from steno.events.catalogue import PHRASES, TRANSCRIPTS, Topic
from steno.events.codec import Codec
from steno.events.ids import phrase_id
from steno.events.records import Phrase, Record, Role, TranscriptCompleted
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


class EnricherProcess:
    """Runs `python -m steno_enricher` until the block is left."""

    def __init__(self, servers: str, prefix: str, *, instance: str = "0") -> None:
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("STENO_", "KAFKA_"))},
            "KAFKA_BOOTSTRAP_SERVERS": servers,
            "STENO_TOPIC_PREFIX": prefix,
            "STENO_TOPIC_PARTITIONS": str(PARTITIONS),
            "STENO_ENRICHER_INSTANCE": instance,
            "STENO_ENRICHER_DRAIN_SECONDS": "10",
        }
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._url: asyncio.Future[str] | None = None
        #: Log lines of all starts.
        self.lines: list[dict[str, Any]] = []

    async def start(self) -> None:
        """Starts the process; does not wait for it to be ready."""
        self._url = asyncio.get_running_loop().create_future()
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "steno_enricher", env=self._environment, stderr=asyncio.subprocess.PIPE
        )
        self._reading = asyncio.create_task(self._read(self._process, self._url))

    async def ready(self) -> None:
        """Returns when it has its partitions and their rows."""
        assert self._url is not None
        assert self._process is not None
        async with asyncio.timeout(60), aiohttp.ClientSession() as session:
            url = await self._url
            while True:
                assert self._process.returncode is None, (
                    f"the enricher ended with {self._process.returncode}: {self.lines[-3:]}"
                )
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
        return await self._process.wait()

    async def _end(self, number: signal.Signals) -> int:
        assert self._process is not None
        assert self._reading is not None
        with suppress(ProcessLookupError):
            self._process.send_signal(number)
        status = await asyncio.wait_for(self._process.wait(), 30)
        await self._reading
        return status

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

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None and self._process.returncode is None:
            await self.kill()
        # Shown by pytest where the test has failed.
        print(*map(json.dumps, self.lines), sep="\n")


class Steno:
    """The topics of one installation, as a test writes and reads them."""

    def __init__(self, servers: str, prefix: str) -> None:
        self.kafka = KafkaSettings(bootstrap_servers=servers)
        self.topics = TopicSettings(prefix=prefix, partitions=PARTITIONS)
        self.codec = Codec(ShippedSchemaIds())
        self.producer = Producer(self.kafka, self.topics, self.codec, source="test")

    async def publish(self, records: Iterable[Record]) -> None:
        """Publishes phrases and completions in the order given."""
        await asyncio.gather(
            *(self.producer.send(PHRASES if isinstance(record, Phrase) else TRANSCRIPTS, record) for record in records)
        )

    async def read(self, topic: Topic) -> list[Any]:
        """Every raw record that is on a topic now."""
        return await read_all(self.kafka.bootstrap_servers, topic_name(self.topics, topic))

    async def wait_for(self, topic: Topic, count: int, *, seconds: float = 60) -> None:
        """Returns when records with so many distinct CloudEvents ids have come to a topic."""
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


def make_call(call_id: str, phrases: int, *, seed: int = 0) -> tuple[list[Phrase], TranscriptCompleted]:
    """A two-channel call: its phrases by start, and its completion."""
    chance = random.Random(f"{call_id} {seed}")
    recording_id, made, at = f"recording-of-{call_id}", [], 0
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
    """The records of calls that go on at once: the first phrase of each, the second of each, …, then the completions."""
    longest = max(len(phrases) for phrases, _ in calls)
    records: list[Record] = [phrases[n] for n in range(longest) for phrases, _ in calls if n < len(phrases)]
    return [*records, *(completed for _, completed in calls)]
