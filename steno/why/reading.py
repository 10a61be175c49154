"""Reads the records of one call from Kafka: of each topic the partition of its key, in the span of the call where known."""

import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from steno.errors import Permanent, Retryable
from steno.events.catalogue import CALL_AUDIO, DEAD_LETTERS, ENRICHER_CHANGELOG, Topic, catalogue
from steno.events.codec import Codec
from steno.kafka import client_options, partition_of, topic_name
from steno.kafka.errors import KafkaUnavailable, NewerRecord
from steno.kafka.messages import RawMessage, decode
from steno.settings import KafkaSettings, TopicSettings
from steno.why.facts import Seen

_REQUEST_MS = 5000
_MARGIN = timedelta(minutes=2)


async def read_records(
    kafka: KafkaSettings,
    topics: TopicSettings,
    codec: Codec,
    call_id: str,
    *,
    since: datetime | None,
    until: datetime | None,
    seconds: float = 30.0,
) -> tuple[list[Seen], bool]:
    """Reads them, and says whether all of them were read in time.

    Args:
        since, until: The span of the call's audio, where it is known. What follows it is read to the end.

    Raises:
        KafkaUnavailable: Kafka does not answer.
    """
    client = AIOKafkaConsumer(
        **client_options(kafka), request_timeout_ms=_REQUEST_MS, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    try:
        await client.start()
        wanted = await _partitions(client, topics, call_id)
        left = await _ranges(client, wanted, since, until)
        return await _read(client, wanted, left, codec, call_id, time.monotonic() + seconds)
    except KafkaError as error:
        raise KafkaUnavailable(f"Kafka at {kafka.bootstrap_servers} could not be read: {error!r}") from error
    finally:
        await client.stop()


async def _partitions(client: AIOKafkaConsumer, topics: TopicSettings, call_id: str) -> dict[TopicPartition, Topic]:
    by_call = [topic for topic in catalogue().values() if topic.key == "call_id" and topic != ENRICHER_CHANGELOG]
    names = {topic_name(topics, topic): topic for topic in [*by_call, DEAD_LETTERS]}
    # Only topics that are there: to ask for another may create it.
    there = names.keys() & await client.topics()
    await client._client.set_topics(there)
    found = {}
    for name in there:
        if numbers := client.partitions_for_topic(name):
            found[TopicPartition(name, partition_of(call_id, len(numbers)))] = names[name]
    return found


async def _ranges(
    client: AIOKafkaConsumer, wanted: Mapping[TopicPartition, Topic], since: datetime | None, until: datetime | None
) -> dict[TopicPartition, tuple[int, int]]:
    """The offsets to be read of each partition, from the first to before the second; partitions without any are left out."""
    if not wanted:
        return {}
    begins, ends = await client.beginning_offsets(list(wanted)), await client.end_offsets(list(wanted))
    if since is not None:
        found = await client.offsets_for_times({where: _milliseconds(since - _MARGIN) for where in wanted})
        begins |= {where: ends[where] if at is None else at.offset for where, at in found.items()}
    audio = [where for where, topic in wanted.items() if topic == CALL_AUDIO]
    if until is not None and audio:
        found = await client.offsets_for_times({where: _milliseconds(until + _MARGIN) for where in audio})
        ends |= {where: at.offset for where, at in found.items() if at is not None}
    return {where: (begins[where], ends[where]) for where in wanted if begins[where] < ends[where]}


async def _read(
    client: AIOKafkaConsumer,
    wanted: Mapping[TopicPartition, Topic],
    left: dict[TopicPartition, tuple[int, int]],
    codec: Codec,
    call_id: str,
    deadline: float,
) -> tuple[list[Seen], bool]:
    client.assign(list(left))
    for where, (begin, _) in left.items():
        client.seek(where, begin)
    seen: list[Seen] = []
    while left and time.monotonic() < deadline:
        for where, records in (await client.getmany(timeout_ms=200)).items():
            end = left[where][1] if where in left else 0
            mine = [raw for raw in records if raw.offset < end and raw.key == call_id.encode()]
            seen += [await _seen(raw, wanted[where], codec) for raw in mine]
        for where in [where for where, (_, end) in left.items() if await client.position(where) >= end]:
            del left[where]
            client.pause(where)
    return seen, not left


async def _seen(raw: RawMessage, topic: Topic, codec: Codec) -> Seen:
    record, fault = None, ""
    if topic != DEAD_LETTERS:
        try:
            record = (await decode(raw, topic, codec)).record
        except (Permanent, NewerRecord, Retryable) as error:
            fault = str(error)
    at = datetime.fromtimestamp(0, UTC)
    with suppress(ValueError, OverflowError, OSError):
        at = datetime.fromtimestamp(raw.timestamp / 1000, UTC)
    return Seen(
        topic=topic,
        where=f"{raw.topic} {raw.partition}:{raw.offset}",
        at=at,
        record=record,
        headers={name: value or b"" for name, value in raw.headers},
        fault=fault,
    )


def _milliseconds(time: datetime) -> int:
    return max(0, round(time.timestamp() * 1000))
