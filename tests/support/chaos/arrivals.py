"""Measures the latency of captions, from sending the last frame of their audio until a consumer has the record."""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from aiokafka import AIOKafkaConsumer, TopicPartition

from steno.events.codec import Codec, UndecodableRecord
from steno.events.ids import live_pass_id
from steno.events.records import Hypothesis, Phrase, Record
from steno.events.schemas import ShippedSchemaIds, UnknownSchema

CODEC = Codec(ShippedSchemaIds())
KINDS = ("hypotheses", "phrases")


@dataclass(slots=True)
class Sent:
    """The times at which the frames of calls were sent, by the monotonic clock."""

    frame_ms: dict[str, int] = field(default_factory=dict)
    at: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    async def noting(self, call_id: str, frames: AsyncIterator[bytes], *, frame_ms: int) -> AsyncIterator[bytes]:
        """Passes frames on to a door, and records their times."""
        self.frame_ms[call_id] = frame_ms
        async for frame in frames:
            self.at[call_id].append(time.monotonic())
            yield frame

    def when(self, call_id: str, end_ms: int) -> float | None:
        """Returns when the frame with a position was sent; None for an unknown call."""
        if call_id not in self.frame_ms:
            return None
        frame = max(0, -(-end_ms // self.frame_ms[call_id]) - 1)
        sent = self.at[call_id]
        return sent[min(frame, len(sent) - 1)] if sent else None


@asynccontextmanager
async def lateness(servers: str, sent: Sent) -> AsyncIterator[Mapping[str, list[float]]]:
    """Measures inside the block the latencies of hypotheses and phrases of known calls, in seconds."""
    late: dict[str, list[float]] = {kind: [] for kind in KINDS}
    consumer = AIOKafkaConsumer(bootstrap_servers=servers, enable_auto_commit=False)
    await consumer.start()
    try:
        partitions = []
        for kind in KINDS:
            topic = f"steno.{kind}"
            await consumer._client.add_topic(topic)
            partitions += [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()]
        assert len(partitions) >= len(KINDS)
        consumer.assign(partitions)
        await consumer.seek_to_end(*partitions)
        reading = asyncio.create_task(_read(consumer, sent, late))
        try:
            yield late
        finally:
            reading.cancel()
            with suppress(asyncio.CancelledError):
                await reading
    finally:
        await consumer.stop()


async def _read(consumer: AIOKafkaConsumer, sent: Sent, late: Mapping[str, list[float]]) -> None:
    while True:
        for partition, messages in (await consumer.getmany(timeout_ms=100)).items():
            now = time.monotonic()
            for message in messages:
                record = decoded(message.value)
                if isinstance(record, Hypothesis | Phrase) and record.recording_id == live_pass_id(record.call_id):
                    at = sent.when(record.call_id, record.start_ms + record.duration_ms)
                    if at is not None:
                        late[partition.topic.removeprefix("steno.")].append(now - at)


def decoded(value: bytes | None) -> Record | None:
    """Decodes a record; returns None if it is invalid, as attackers write them."""
    try:
        return CODEC.decode(value)
    except (UndecodableRecord, UnknownSchema):
        return None


def quantile(values: Sequence[float], share: float) -> float:
    """Returns a quantile."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]
