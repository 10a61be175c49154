"""The consumer kernel with no work in it beside a bare aiokafka loop, on a broker of this machine, in one run.

Both read the same topic, decode every record and commit. For each record the kernel does what the bare loop does not: a span
that continues its trace, the call id bound for the logs, its offset tracked, its failure isolated.

`python benchmarks/kernel.py [RECORDS]`; the last line is JSON: records a second of the kernel, of the bare loop, their ratio.
"""

import asyncio
import os
import sys
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaConsumer
from measured import report

from steno.broker import LocalCluster
from steno.events.catalogue import PHRASES
from steno.events.codec import Codec
from steno.events.records import Phrase, Word
from steno.events.schemas import ShippedSchemaIds
from steno.kafka import Cluster, Consumer, Producer, create_topics, topic_name
from steno.kafka.messages import Message
from steno.settings import KafkaSettings, TelemetrySettings, TopicSettings
from steno.telemetry import logs, traces

ROUNDS = 4
CODEC = Codec(ShippedSchemaIds())
TOPICS = TopicSettings(prefix=f"bench-{uuid.uuid4().hex[:8]}.")


def phrase(number: int) -> Phrase:
    """A phrase of twelve words, as a transcriber writes it."""
    words = tuple(Word(text="telephone", start_ms=400 * n, duration_ms=350, confidence=0.9) for n in range(12))
    return Phrase(
        call_id=f"call-{number % 997}",
        recording_id="recording",
        phrase_id=f"phrase-{number}",
        sequence=number,
        channel=number % 2,
        start_ms=0,
        duration_ms=4800,
        text=" ".join(word.text for word in words),
        confidence=0.9,
        words=words,
    )


async def fill(producer: Producer, count: int) -> float:
    """Sends the records; returns how many went a second."""
    started = time.perf_counter()
    for first in range(0, count, 1000):
        await asyncio.gather(*(producer.send(PHRASES, phrase(number)) for number in range(first, min(first + 1000, count))))
    return count / (time.perf_counter() - started)


async def bare(kafka: KafkaSettings, count: int, *, decode: bool) -> float:
    """Records a second of aiokafka's `getmany`, with the decoding that any consumer has to do or without."""
    consumer = AIOKafkaConsumer(
        topic_name(TOPICS, PHRASES),
        bootstrap_servers=kafka.bootstrap_servers,
        group_id=f"{TOPICS.prefix}{uuid.uuid4().hex}",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
    )
    await consumer.start()
    seen = 0
    started = time.perf_counter()
    while seen < count:
        for records in (await consumer.getmany(timeout_ms=200)).values():
            for record in records:
                if decode:
                    CODEC.decode(record.value)
                seen += 1
    await consumer.commit()
    took = time.perf_counter() - started
    await consumer.stop()
    return count / took


async def kernel(cluster: Cluster, count: int) -> float:
    """Records a second of the kernel with a handler that does nothing, from assignment to the last one done."""
    seen = 0
    started = 0.0
    over = asyncio.Event()

    async def handle(message: Message) -> None:
        nonlocal seen
        seen += 1
        if seen == count:
            over.set()

    consumer = Consumer(
        cluster,
        group=uuid.uuid4().hex,
        subscribe=[PHRASES],
        handler=handle,
        concurrency=8,
    )
    running = asyncio.create_task(consumer.run())
    while not consumer.ready():
        await asyncio.sleep(0.001)
    started = time.perf_counter()
    await over.wait()
    took = time.perf_counter() - started
    await consumer.stop()
    await running
    return count / took


@asynccontextmanager
async def broker() -> AsyncIterator[KafkaSettings]:
    """The Kafka of `KAFKA_BOOTSTRAP_SERVERS`, else one of this machine for as long as this takes."""
    if given := os.environ.get("KAFKA_BOOTSTRAP_SERVERS"):
        yield KafkaSettings(bootstrap_servers=given)
        return
    async with LocalCluster() as cluster:
        yield KafkaSettings(bootstrap_servers=cluster.bootstrap_servers)


async def main(count: int) -> None:
    telemetry = TelemetrySettings(log_level="error")
    logs.configure(telemetry, "benchmark")
    traces.configure(telemetry, "benchmark")
    async with broker() as kafka:
        await create_topics(kafka, TOPICS, [PHRASES])
        cluster = Cluster.of(kafka, TOPICS, CODEC, service="benchmark")
        await cluster.producer.start()
        print(f"produced            {await fill(cluster.producer, count):>9,.0f} records/s")
        # In turns, and the best of each: what else the machine does falls on all alike.
        undecoded, decoded, kerneled = [], [], []
        for _ in range(ROUNDS):
            undecoded.append(await bare(kafka, count, decode=False))
            decoded.append(await bare(kafka, count, decode=True))
            kerneled.append(await kernel(cluster, count))
        await cluster.producer.stop()
    value, limit = max(kerneled), max(decoded)
    print(f"bare, bytes only    {max(undecoded):>9,.0f} records/s")
    print(f"bare, decoded       {limit:>9,.0f} records/s")
    print(f"kernel              {value:>9,.0f} records/s")
    report(
        "kernel_records_per_second",
        value=value,
        unit="records a second",
        limit=limit,
        higher_is_better=True,
        beside="a bare aiokafka loop that decodes, same records, same run",
    )


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000))
