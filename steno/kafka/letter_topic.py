"""Reads the topic of dead letters without a consumer group, and which of them were sent back to their origin.

Which letters were sent back is kept in a topic of its own, `dead-letters-redriven`: a record for each, whose key is the id of
the letter and whose value is its timestamp. So any selection of letters can be sent back, in any order, and each command knows
what earlier ones did, on whatever machine they ran. The timestamp tells letters apart if the topic of dead letters was deleted
and made again, with offsets from 0.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.errors import KafkaError

from steno.events.catalogue import DEAD_LETTERS, REDRIVEN
from steno.kafka.client import client_options
from steno.kafka.cluster import Cluster
from steno.kafka.errors import KafkaUnavailable, TopicMismatch
from steno.kafka.letters import Letter, letter_of, parse_id
from steno.kafka.messages import RawMessage
from steno.kafka.reader import partitions_of, read, reader


class LetterTopic:
    """The dead letters that were there when it was opened; made by `open_letters`. One task may read at a time."""

    def __init__(
        self,
        client: AIOKafkaConsumer,
        spans: Mapping[TopicPartition, tuple[int, int]],
        redriven: Mapping[tuple[int, int], int],
    ) -> None:
        self._client = client
        self._spans = spans
        self._redriven = redriven

    @property
    def total(self) -> int:
        """The number of letters."""
        return sum(end - begin for begin, end in self._spans.values())

    @property
    def spans(self) -> Mapping[int, tuple[int, int]]:
        """The first offset of each partition, and the one after its last."""
        return {where.partition: span for where, span in self._spans.items()}

    def was_redriven(self, letter: Letter) -> bool:
        """Whether a letter was sent back to its origin."""
        return self._redriven.get((letter.partition, letter.offset)) == letter.timestamp_ms

    async def letters(self) -> AsyncIterator[Letter]:
        """Reads all letters, partition by partition, in the order of their offsets. Raises `KafkaUnavailable`."""
        for where, (begin, end) in self._spans.items():
            async for raw in read(self._client, where, start=begin, end=end):
                yield letter_of(raw)

    async def letter(self, partition: int, offset: int) -> Letter | None:
        """Reads one letter; None if there is none. Raises `KafkaUnavailable`."""
        for where, (begin, end) in self._spans.items():
            if where.partition == partition and begin <= offset < end:
                async for raw in read(self._client, where, start=offset, end=offset + 1):
                    return letter_of(raw)
        return None

    async def original(self, letter: Letter) -> RawMessage | None:
        """Reads the message at the origin of a letter; None if it is not there any more. Raises `KafkaUnavailable`."""
        partition, offset = letter.origin_partition, letter.origin_offset
        if partition is None or offset is None or letter.origin_topic not in await self._client.topics():
            return None
        where = TopicPartition(letter.origin_topic, partition)
        if where not in await partitions_of(self._client, [letter.origin_topic]):
            return None
        begin = (await self._client.beginning_offsets([where]))[where]
        end = (await self._client.end_offsets([where]))[where]
        if begin <= offset < end:
            async for raw in read(self._client, where, start=offset, end=offset + 1):
                return raw
        return None

    async def offsets_before(self, when: datetime) -> Mapping[int, int]:
        """Returns for each partition the offset of the first letter of this time or later: all before it are older."""
        found = await self._client.offsets_for_times(dict.fromkeys(self._spans, max(0, round(when.timestamp() * 1000))))
        return {
            where.partition: end if found[where] is None else min(end, max(begin, found[where].offset))
            for where, (begin, end) in self._spans.items()
        }


@asynccontextmanager
async def open_letters(cluster: Cluster) -> AsyncIterator[LetterTopic]:
    """Opens the topic of dead letters for the block.

    Raises:
        TopicMismatch: there is no such topic.
        KafkaUnavailable: Kafka is unreachable, or became so inside the block.
    """
    async with reader(cluster) as client:
        present = await client.topics()
        name = cluster.topic_name(DEAD_LETTERS)
        if name not in present:
            raise TopicMismatch(
                f"there is no topic {name} at {cluster.kafka.bootstrap_servers}: no service of Steno has run there, "
                "or STENO_TOPIC_PREFIX has another value than theirs"
            )
        spans = await _spans(client, name)
        redriven: dict[tuple[int, int], int] = {}
        if cluster.topic_name(REDRIVEN) in present:
            begins = {where.partition: begin for where, (begin, _) in spans.items()}
            for where, (begin, end) in (await _spans(client, cluster.topic_name(REDRIVEN))).items():
                async for raw in read(client, where, start=begin, end=end):
                    partition, offset, timestamp_ms = _mark(raw)
                    if offset >= begins.get(partition, offset + 1):
                        redriven[partition, offset] = timestamp_ms
        yield LetterTopic(client, spans, redriven)


async def delete_before(cluster: Cluster, offsets: Mapping[int, int]) -> None:
    """Deletes the dead letters before an offset of each partition (Kafka's DeleteRecords, KIP-107).

    Raises:
        KafkaUnavailable: Kafka did not do it, for some partitions perhaps.
    """
    name = cluster.topic_name(DEAD_LETTERS)
    admin = AIOKafkaAdminClient(**client_options(cluster.kafka))
    try:
        await admin.start()
        await admin.delete_records(
            {TopicPartition(name, partition): RecordsToDelete(before_offset=offset) for partition, offset in offsets.items()}
        )
    except KafkaError as error:
        raise KafkaUnavailable(f"Kafka did not delete dead letters: {error!r}") from error
    finally:
        await admin.close()


async def _spans(client: AIOKafkaConsumer, name: str) -> dict[TopicPartition, tuple[int, int]]:
    partitions = sorted(await partitions_of(client, [name]))
    begins = await client.beginning_offsets(partitions)
    ends = await client.end_offsets(partitions)
    return {where: (begins[where], ends[where]) for where in partitions}


def _mark(raw: RawMessage) -> tuple[int, int, int]:
    """Reads a record of `dead-letters-redriven`; one that is not valid names no letter."""
    try:
        return *parse_id((raw.key or b"").decode()), int(raw.value or b"")
    except ValueError:
        return -1, -1, 0
