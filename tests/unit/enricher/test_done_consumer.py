"""What may be committed, and from where it goes on after a rebalance."""

from asyncio import Event
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from faust.types import TP
from steno_enricher.done_consumer import DoneConsumer

from steno.kafka import metrics
from steno.kafka.errors import ConsumerStuck
from steno.kafka.watchdog import Watchdog

HERE, THERE, CHANGELOG = TP("phrases", 1), TP("phrases", 2), TP("enricher-calls-changelog", 1)


class _Consumer(DoneConsumer):
    """Without Faust around it."""

    def __init__(self) -> None:
        self.app = cast(Any, SimpleNamespace(consumer_generation_id=7))
        self.watchdog = Watchdog(stuck_seconds=1, clock=lambda: 0.0)
        self.reset()

    def fetch(self, *offsets: int) -> None:
        """As `getmany` notes them: the record at offset 5 was written at second 5."""
        self._fetched[HERE].extend((offset, offset * 1000) for offset in offsets)

    def committable(self) -> dict[TP, int]:
        return self._filter_committable_offsets([])


class _Client:
    """The Kafka client, as far as lag goes: what is assigned to it, and the ends that it knows."""

    def __init__(self, *assigned: TP) -> None:
        self.assigned = set(assigned)
        self.highwaters: dict[TP, int] = {}

    def assignment(self) -> set[TP]:
        return self.assigned

    def highwater(self, partition: TP) -> int | None:
        return self.highwaters.get(partition)


class _Thread:
    """The thread that has the Kafka client, as far as seeks go: knows what the broker has, and where it was sought to."""

    def __init__(self, *, committed: dict[TP, int | None], earliest: int) -> None:
        self._committed = committed
        self._earliest = earliest
        self.positions = {partition: offset for partition, offset in committed.items() if offset}

    async def seek_to_committed(self) -> dict[TP, int | None]:
        return self._committed

    async def earliest_offsets(self, *partitions: TP) -> dict[TP, int]:
        return dict.fromkeys(partitions, self._earliest)

    async def seek_wait(self, positions: dict[TP, int]) -> None:
        self.positions |= positions


def _message(offset: int, generation: int = 7) -> Any:
    return SimpleNamespace(tp=HERE, offset=offset, generation_id=generation, timestamp=float(offset))


def test_only_what_is_done_may_be_committed() -> None:
    """Fetched is not done; the offset committed is the one after the last done."""
    consumer = _Consumer()
    consumer.fetch(4, 5, 9)
    assert consumer.committable() == {}
    consumer.mark_done(_message(4))
    consumer.mark_done(_message(5))
    assert consumer.committable() == {HERE: 6}
    consumer.mark_done(_message(9))
    assert consumer.committable() == {HERE: 10}


def test_a_record_that_never_came_is_noticed() -> None:
    """Done with 6 while 5 was fetched and not handled: nothing beyond 5 is committed."""
    consumer = _Consumer()
    consumer.fetch(4, 5, 6)
    consumer.mark_done(_message(4))
    with pytest.raises(ConsumerStuck, match="record 5 of phrases-1 was fetched but never handled"):
        consumer.mark_done(_message(6))
    assert consumer.committable() == {HERE: 5}


def test_what_is_held_holds_back_what_is_committed_and_nothing_else() -> None:
    """Records behind it are done before it; whoever comes next begins with it; it stalls nothing; and it may be held again."""
    consumer = _Consumer()
    consumer.fetch(4, 5, 6, 7)
    consumer.mark_done(_message(4))
    consumer.hold(_message(5))
    consumer.mark_done(_message(6))
    consumer.hold(_message(7))
    assert consumer.committable() == {HERE: 5}
    assert consumer.stalled_since is None
    consumer.hold(_message(5))
    consumer.mark_done(_message(7))
    assert consumer.committable() == {HERE: 5}
    consumer.mark_done(_message(5))
    assert consumer.committable() == {HERE: 8}
    consumer.hold(_message(8, generation=6))
    assert consumer.committable() == {HERE: 8}


def test_records_that_come_again_are_no_hole() -> None:
    """After a seek back, records that were done come once more, some of them twice."""
    consumer = _Consumer()
    consumer.fetch(4, 5)
    consumer.mark_done(_message(4))
    consumer.mark_done(_message(5))
    consumer.fetch(6, 4, 5, 6)
    for offset in (4, 5, 6, 6):
        consumer.mark_done(_message(offset))
    assert consumer.committable() == {HERE: 7}


def test_a_record_of_before_the_rebalance_is_not_committed() -> None:
    """Its partition may be another member's now."""
    consumer = _Consumer()
    consumer.mark_done(_message(4, generation=6))
    assert consumer.committable() == {}


def test_waiting_records_show() -> None:
    """Fetched records of which none is done have a since; done ones have none."""
    consumer = _Consumer()
    assert consumer.stalled_since is None
    consumer.fetch(1)
    assert consumer.stalled_since is not None
    consumer.mark_done(_message(1))
    assert consumer.stalled_since is None


async def test_a_partition_whose_only_commit_was_refused_is_read_from_its_beginning() -> None:
    """The refusal comes late, after the partitions were taken back: what was fetched of it meanwhile is read again."""
    consumer, thread = _Consumer(), _Thread(committed={HERE: None, THERE: 3, CHANGELOG: None}, earliest=2)
    consumer.app.tables = cast(Any, SimpleNamespace(changelog_topics={CHANGELOG.topic}))
    consumer.flow_active, consumer.can_resume_flow, consumer.suspend_flow = True, Event(), Event()
    consumer._thread = cast(Any, thread)
    consumer._read_offset, consumer._committed_offset = {}, {HERE: 7}
    await consumer.perform_seek()
    assert not consumer.flow_active
    assert thread.positions == {HERE: 2, THERE: 3}


async def test_the_changelog_is_not_fetched_until_it_is_to_be_recovered() -> None:
    """Left, it is paused at the client, and nothing else is; resumed by Faust, it is fetched again."""
    client = AIOKafkaConsumer(group_id=None)
    client.assign([TopicPartition(*HERE), TopicPartition(*CHANGELOG)])
    consumer = _Consumer()
    consumer.app.tables = cast(Any, SimpleNamespace(changelog_topics={CHANGELOG.topic}))
    consumer._thread = cast(Any, SimpleNamespace(_ensure_consumer=lambda: client))
    consumer._active_partitions, consumer._paused_partitions = {HERE}, {CHANGELOG}
    consumer.leave_changelog()
    assert client.paused() == {TopicPartition(*CHANGELOG)}
    # Faust may name partitions that were taken back by then.
    consumer.resume_partitions([CHANGELOG, THERE])
    assert client.paused() == set()
    await client.stop()


async def test_the_lag_is_that_of_the_oldest_record_that_is_not_done() -> None:
    """Fetched and waiting, held behind later ones, done, and taken back: in records and in seconds, of source topics alone."""
    client = _Client(HERE, CHANGELOG)
    consumer = _Consumer()
    consumer.app.tables = cast(Any, SimpleNamespace(changelog_topics={CHANGELOG.topic}))
    consumer._thread = cast(Any, SimpleNamespace(_consumer=None))
    consumer.measure("group", now=60.0)
    consumer._thread = cast(Any, SimpleNamespace(_consumer=client))
    client.highwaters = {HERE: 20}
    shown = []
    steps: tuple[Callable[[], None], ...] = (
        lambda: None,
        lambda: consumer.fetch(10, 11, 12),
        lambda: consumer.mark_done(_message(10)),
        lambda: consumer.hold(_message(11)),
        lambda: consumer.mark_done(_message(12)),
        lambda: consumer.mark_done(_message(11)),
        lambda: client.assigned.clear(),
    )
    for step in steps:
        step()
        consumer.measure("group", now=60.0)
        shown.append(_lag())
    assert shown == [[(0, 0)], [(10, 50)], [(9, 49)], [(9, 49)], [(9, 49)], [(7, 0)], []]


def _lag() -> list[tuple[float, float]]:
    """Records and seconds of each partition that is shown."""
    records, seconds = (
        {sample.labels["partition"]: sample.value for sample in next(iter(gauge.collect())).samples if _ours(sample)}
        for gauge in (metrics.LAG_RECORDS, metrics.LAG_SECONDS)
    )
    assert records.keys() == seconds.keys()
    return [(records[partition], seconds[partition]) for partition in records]


def _ours(sample: Any) -> bool:
    return bool(sample.labels["group"] == "group")
