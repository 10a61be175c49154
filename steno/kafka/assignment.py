"""The partitions assigned to a consumer: what was read of each, what may be committed, which must pause, how far each lags."""

import time
from collections.abc import Iterator, Mapping, Sequence

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition

from steno.events.catalogue import Topic
from steno.kafka import metrics
from steno.kafka.jobs import Job, Partition
from steno.kafka.lag import forget_lag, report_lag
from steno.kafka.messages import RawMessage
from steno.kafka.offsets import OffsetTracker

log = structlog.get_logger("steno.kafka.consumer")

# Records after a held one are still taken. A partition pauses when so many of its records, or bytes, are held or wait for a
# held one, ...
_MOST_HELD = 10_000
_MOST_HELD_BYTES = 16 << 20
# ... or when so many records after the oldest held one were taken. A crash makes us do these again.
_MOST_PAST_HELD = 100_000


class Assignment:
    """The partitions of one consumer between two rebalances."""

    def __init__(self, *, group: str, topics: Mapping[str, Topic], max_gap: int) -> None:
        """
        Args:
            topics: The subscribed topics, by their names on the cluster.
            max_gap: How many records of a partition are taken after its lowest unfinished one before it pauses.
        """
        self._group = group
        self._topics = topics
        self._max_gap = max_gap
        self._partitions: dict[TopicPartition, Partition] = {}

    @property
    def topic_names(self) -> list[str]:
        """The names of the subscribed topics on the cluster."""
        return list(self._topics)

    def add_polled(self, records: Mapping[TopicPartition, Sequence[RawMessage]]) -> Iterator[Job]:
        """Marks polled records as in progress and makes jobs of them."""
        for where, batch in records.items():
            partition = self._of(where, batch[0].offset)
            add = partition.tracker.add
            for raw in batch:
                add(raw.offset, raw.timestamp)
                yield Job(partition=partition, raw=raw)

    def committable(self) -> dict[TopicPartition, int]:
        """The offsets that may be committed and have not been."""
        return {
            where: offset
            for where, partition in self._partitions.items()
            if (offset := partition.tracker.committable) is not None and offset != partition.committed
        }

    def committed(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Records that the broker has these offsets."""
        for where, offset in offsets.items():
            if where in self._partitions:
                self._partitions[where].committed = offset

    def pause(self, client: AIOKafkaConsumer, *, everything: bool) -> None:
        """Pauses the partitions that are full and resumes the others."""
        paused = client.paused()
        wanted = {where for where in client.assignment() if everything or self._is_full(where, where in paused)}
        if wanted != paused:
            client.pause(*(wanted - paused))
            client.resume(*(paused - wanted))

    def clear(self) -> None:
        """Removes all partitions, which were revoked; unfinished records of them are ignored from now on."""
        for where, partition in self._partitions.items():
            partition.revoked = True
            forget_lag(self._group, where.topic, where.partition)
        self._partitions = {}

    def measure(self, client: AIOKafkaConsumer | None, *, running: int) -> None:
        """Sets the gauges."""
        now = time.time()
        oldest = 0.0
        for where, partition in self._partitions.items():
            tracker = partition.tracker
            done_below = tracker.committable or 0
            if done_below != partition.head:
                partition.head, partition.head_since = done_below, now
            end = client.highwater(where) if client is not None and where in client.assignment() else None
            written_ms = tracker.oldest_timestamp_ms
            report_lag(
                self._group,
                where.topic,
                where.partition,
                records=max(0, (end or done_below) - done_below),
                seconds=0 if written_ms is None else max(0.0, now - written_ms / 1000),
            )
            if tracker.under_way:
                oldest = max(oldest, now - partition.head_since)
        metrics.OLDEST_UNCOMMITTED.labels(self._group).set(oldest)
        metrics.IN_FLIGHT.labels(self._group).set(running)

    @property
    def held_up(self) -> bool:
        """Whether a partition is paused because too much of it is held."""
        return any(_is_held_up(partition) for partition in self._partitions.values())

    def _is_full(self, where: TopicPartition, paused: bool) -> bool:
        # A paused partition resumes only when half of the gap is free, because aiokafka drops prefetched records at each pause.
        partition = self._partitions.get(where)
        if partition is None:
            return False
        most = self._max_gap // 2 if paused else self._max_gap
        if not partition.held:
            return partition.tracker.gap >= most
        return partition.tracker.under_way - partition.held >= most or _is_held_up(partition)

    def _of(self, where: TopicPartition, first_offset: int) -> Partition:
        partition = self._partitions.get(where)
        if partition is not None and first_offset < (partition.tracker.next or 0):
            log.warning("consumer.offsets_went_back", topic=where.topic, partition=where.partition, offset=first_offset)
            partition.revoked = True
            partition = None
        return self._add(where) if partition is None else partition

    def _add(self, where: TopicPartition, begin: int | None = None) -> Partition:
        partition = self._partitions[where] = Partition(topic=self._topics[where.topic], tracker=OffsetTracker(begin))
        report_lag(self._group, where.topic, where.partition, records=0, seconds=0)
        return partition


def _is_held_up(partition: Partition) -> bool:
    return (
        partition.held >= _MOST_HELD
        or partition.held_bytes >= _MOST_HELD_BYTES
        or (partition.held > 0 and partition.tracker.gap >= _MOST_PAST_HELD)
    )
