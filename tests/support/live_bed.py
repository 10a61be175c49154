"""The handler of the log of live calls, with the scripted engine and topics in memory."""

import asyncio
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future
from datetime import datetime, timedelta
from typing import TypeVar

from steno_transcriber.decode_pool import Urgency
from steno_transcriber.engines.choice import Engines
from steno_transcriber.engines.scripted import ScriptedEngine
from steno_transcriber.live.audio_backlog import AudioBacklog
from steno_transcriber.live.buffer_budget import BufferBudget
from steno_transcriber.live.catching_up import BEHIND_BACKLOG_SECONDS
from steno_transcriber.live.hypotheses import HypothesisResources
from steno_transcriber.live.log_clock import LONGEST_STEP
from steno_transcriber.live.resources import LiveResources
from steno_transcriber.live.transcriber import LiveTranscriber
from steno_transcriber.screening import Outcome, recognise_one
from steno_transcriber.speech import Utterance
from steno_transcriber.steps import Steps
from support.live_calls import BEGAN, Entry
from support.live_transcriber import written
from support.speech import call_audio

from steno.events.catalogue import CALL_AUDIO, CALL_CHECKPOINTS, Topic
from steno.events.recognition import RecognitionOptions
from steno.events.records import (
    CallCheckpoint,
    CallUpdated,
    Record,
)
from steno.kafka.errors import KafkaUnavailable, RecordRefused
from steno.kafka.messages import Message

T = TypeVar("T")
I = TypeVar("I")  # noqa: E741 - an item

PARTITION = 3


class Topics:
    """What was published, and the newest checkpoint of each call."""

    def __init__(self) -> None:
        self.published: list[Record] = []
        self.event_ids: list[str | None] = []
        self.checkpoints: dict[str, CallCheckpoint] = {}
        self.away = 0
        #: What Kafka will never take.
        self.refuses: Callable[[Record], bool] = lambda _: False

    async def send(self, topic: Topic, record: Record, *, event_id: str | None = None) -> None:
        await asyncio.sleep(0)
        if self.away:
            self.away -= 1
            raise KafkaUnavailable("Kafka is away")
        assert type(record).__name__ in topic.records
        if self.refuses(record):
            raise RecordRefused("too large")
        if isinstance(record, CallCheckpoint):
            assert topic is CALL_CHECKPOINTS
            self.checkpoints[record.call_id] = record
        else:
            self.published.append(record)
            self.event_ids.append(event_id)

    async def read(self, partition: int) -> dict[str, Record]:
        assert partition == PARTITION
        return dict(self.checkpoints)

    def of(self, kind: type[Record]) -> list[Record]:
        return [record for record in self.published if isinstance(record, kind)]


class HeldDecoder:
    """Decodes at once, or when told to; can fail."""

    def __init__(self) -> None:
        self.engine = ScriptedEngine()
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.errors: list[Exception] = []
        self.begun = 0

    async def decode(self, utterance: Utterance, *, call_id: str, urgency: Urgency, options: RecognitionOptions) -> Outcome:
        self.begun += 1
        await self.go_on.wait()
        if self.errors:
            raise self.errors.pop()
        return recognise_one(self.engine, utterance, options)


class Occupied:
    """Threads that never come to hypotheses."""

    idle = False

    def submit_shared(
        self,
        urgency: Urgency,
        owner: Hashable,
        function: Callable[[Sequence[I]], Sequence[T]],
        item: I,
        *,
        kind: Callable[[I], Hashable],
    ) -> Future[T]:
        return Future()


class Bed:
    """A handler and what lies around it."""

    def __init__(self) -> None:
        self.topics = Topics()
        self.decoder = HeldDecoder()
        self.now = BEGAN
        self.backlog, self.late_backlog = AudioBacklog(), AudioBacklog(BEHIND_BACKLOG_SECONDS)
        self.budget = BufferBudget()
        self.steps = Steps()
        #: Seconds between two attempts at what failed.
        self.between_attempts = 0.0
        self.engines = Engines([self.decoder.engine])
        self.handler = self.another()

    def another(self) -> LiveTranscriber:
        """A handler in another process."""
        resources = LiveResources(
            engines=self.engines,
            decoder=self.decoder,
            publisher=self.topics,
            hypotheses=HypothesisResources(pool=Occupied(), clock=lambda: 0.0),
            backlog=self.backlog,
            late_backlog=self.late_backlog,
            buffer_budget=self.budget,
            steps=self.steps,
            now=lambda: self.now,
            sleep=lambda _: asyncio.sleep(self.between_attempts),
        )
        return LiveTranscriber(resources, read_checkpoints=self.topics.read)

    async def hand_over(self) -> int:
        """Another process goes on, from the checkpoints; gives the offset from which it wants the log."""
        await self.handler.settle(PARTITION)
        await self.handler.close(PARTITION)
        self.handler = self.another()
        begin = await self.handler.open(PARTITION)
        assert begin is not None
        return begin

    async def play(self, log: Sequence[Entry]) -> None:
        for entry in log:
            await self.handler.handle(message(entry))

    async def until(self, kind: type[Record], count: int = 1) -> None:
        """Lets tasks run until so many records of a kind are published."""
        async with asyncio.timeout(60):
            while len(self.topics.of(kind)) < count:
                await asyncio.sleep(0)


class Elsewhere:
    """Another call on the partition, so that the log goes on."""

    def __init__(self, bed: Bed) -> None:
        self.now = BEGAN
        self.offset = 1000
        self._bed = bed

    async def goes_on(self, length: timedelta) -> None:
        """For so long, with a record for each step that the clock of the log takes."""
        until = self.now + length
        while self.now < until:
            self.now = min(until, self.now + LONGEST_STEP)
            entry = Entry(offset=self.offset, record=CallUpdated(call_id="elsewhere", updated_at=BEGAN), written_at=self.now)
            await self._bed.handler.handle(message(entry))
            self.offset += 1


def message(entry: Entry, *, timestamp: datetime | None = None) -> Message:
    return Message(
        topic=CALL_AUDIO,
        partition=PARTITION,
        offset=entry.offset,
        key=entry.record.call_id,
        record=entry.record,
        headers={},
        timestamp=timestamp or entry.written_at,
    )


def log_of(seconds: int = 15, **fields: object) -> list[Entry]:
    return written("call-1", call_audio()[:, : seconds * 16_000], **fields)
