"""Reading a span of one partition, without a group: what stood there before, up to an end that is known."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from steno.kafka.client import client_options
from steno.kafka.errors import KafkaUnavailable
from steno.kafka.messages import RawMessage
from steno.settings import KafkaSettings

_POLL_SECONDS = 0.2
_SILENCE_SECONDS = 30.0


@asynccontextmanager
async def reader(kafka: KafkaSettings) -> AsyncIterator[AIOKafkaConsumer]:
    """A client that reads without a group, inside the block.

    Raises:
        KafkaUnavailable: Kafka is away, or was lost inside the block.
    """
    client = AIOKafkaConsumer(**client_options(kafka), enable_auto_commit=False, auto_offset_reset="earliest")
    try:
        with unavailable_when_lost(kafka):
            await client.start()
            yield client
    finally:
        await client.stop()


@contextmanager
def unavailable_when_lost(kafka: KafkaSettings) -> Iterator[None]:
    """Says of an error of the client what it means to a caller: again later."""
    try:
        yield
    except KafkaError as error:
        raise KafkaUnavailable(f"Kafka at {kafka.bootstrap_servers} could not be read: {error!r}") from error


async def read(client: AIOKafkaConsumer, where: TopicPartition, *, start: int, end: int) -> AsyncIterator[RawMessage]:
    """The messages of a partition from one offset up to and without another; `end` is at most the end as of now.

    Raises:
        KafkaUnavailable: nothing has come for half a minute.
    """
    if start >= end:
        return
    client.assign([where])
    try:
        # Only then does a seek stand: a fresh assignment finds a position of its own.
        await asyncio.wait_for(client.position(where), _SILENCE_SECONDS)
    except TimeoutError:
        raise _silent(where, end) from None
    client.seek(where, start)
    silent_polls = 0
    while await client.position(where) < end:
        records = await client.getmany(timeout_ms=int(_POLL_SECONDS * 1000))
        silent_polls = 0 if records else silent_polls + 1
        if silent_polls * _POLL_SECONDS > _SILENCE_SECONDS:
            raise KafkaUnavailable(
                f"partition {where.partition} of {where.topic} could not be read up to {end}: Kafka is silent"
            )
        for record in records.get(where, ()):
            if record.offset >= end:
                return
            yield record


def _silent(where: TopicPartition, end: int) -> KafkaUnavailable:
    return KafkaUnavailable(f"partition {where.partition} of {where.topic} could not be read up to {end}: Kafka is silent")
