"""Members of a group come and go while work is under way, on a real broker."""

import asyncio
import random
from collections import Counter
from contextlib import AsyncExitStack

from support.kafka import read_all
from support.kernel import GroupUnderTest, recording, until

from steno.errors import Retryable
from steno.events.catalogue import RECORDINGS
from steno.kafka.messages import Handler, Message
from steno.kafka.metrics import FAILED, REBALANCES
from steno.retry import RetryPolicy


class Work:
    """Handles messages in any order, and holds every commit of the group against what is done."""

    def __init__(self, group: GroupUnderTest, *, seconds: float) -> None:
        self._group = group
        self._seconds = seconds
        self.begun: Counter[str] = Counter()
        self.cancelled: Counter[str] = Counter()
        self.done: set[tuple[int, int]] = set()
        self.by_member: dict[str, int] = {}

    def of(self, member: str) -> Handler:
        """The handler of one member."""

        async def handle(message: Message) -> None:
            key = message.key or ""
            self.begun[key] += 1
            try:
                await asyncio.sleep(self._seconds * random.uniform(0.2, 1.8))
            except asyncio.CancelledError:
                self.cancelled[key] += 1
                raise
            self.by_member[member] = self.by_member.get(member, 0) + 1
            self.done.add((message.partition, message.offset))
            self._group.handled.append(key)

        return handle

    async def check_commits(self) -> None:
        """Fails when the broker has a commit above a message that is not done."""
        while True:
            for partition, committed in (await self._group.committed()).items():
                missing = [offset for offset in range(committed) if (partition, offset) not in self.done]
                assert not missing, f"partition {partition}: {committed} is committed, but {missing} are not done"
            await asyncio.sleep(0.1)


async def feed(group: GroupUnderTest, names: list[str], enough: asyncio.Event) -> None:
    """Keeps messages coming, so that there is work for whoever joins, however long joining takes; `names` are the keys."""
    while not enough.is_set():
        batch = [f"c{len(names) + number}" for number in range(40)]
        await group.produce(batch)
        names += batch
        await asyncio.sleep(0.5)


async def test_three_members_come_and_go_and_nothing_is_lost(group: GroupUnderTest) -> None:
    """Through four rebalances under work every message is handled, and no commit ever runs ahead of one."""
    names: list[str] = []
    work = Work(group, seconds=0.05)
    enough = asyncio.Event()
    feeding = asyncio.create_task(feed(group, names, enough))
    checking = asyncio.create_task(work.check_commits())
    async with AsyncExitStack() as stack:
        _, first = await stack.enter_async_context(group.member(work.of("a"), instance="a"))
        await until(lambda: len(group.handled) > 50, running=[first, checking, feeding])
        async with group.member(work.of("b"), instance="b") as (_, second):
            await until(lambda: work.by_member.get("b", 0) > 20, running=[first, second, checking, feeding])
            _, third = await stack.enter_async_context(group.member(work.of("c"), instance="c"))
            await until(lambda: work.by_member.get("c", 0) > 20, running=[first, second, third, checking, feeding])
            assert sorted(len(partitions) for partitions in (await group.assignments()).values()) == [2, 2, 2]
        enough.set()
        await feeding
        await until(lambda: set(group.handled) == set(names), seconds=30, running=[first, third, checking])
    checking.cancel()
    assert sum((await group.committed()).values()) == len(names)
    assert await read_all(group.kafka.bootstrap_servers, group.dead_letter_topic) == []


async def test_work_longer_than_the_poll_interval_keeps_its_place(group: GroupUnderTest) -> None:
    """A job three times the poll interval, with every slot taken, is handled once and its member never leaves."""
    begun: list[str] = []

    async def handle(message: Message) -> None:
        begun.append(message.key or "")
        await asyncio.sleep(3)
        group.handled.append(message.key or "")

    await group.produce([f"c{number}" for number in range(4)])
    rebalances = REBALANCES.labels(group.name)
    async with group.member(handle, concurrency=2, max_poll_seconds=1) as (consumer, running):
        await until(lambda: len(group.handled) == 4, running=[running])
        assert consumer.ready()
        assert consumer.alive()
    assert sorted(begun) == sorted(group.handled) == ["c0", "c1", "c2", "c3"]
    assert rebalances._value.get() == 0
    assert sum((await group.committed()).values()) == 4


async def test_work_that_outlasts_the_drain_is_cancelled_and_done_again(group: GroupUnderTest) -> None:
    """What a rebalance cuts off counts neither as done nor as failed: whoever has the partition then does it again."""
    let_go = asyncio.Event()
    cancelled: list[str] = []

    async def handle(message: Message) -> None:
        key = message.key or ""
        try:
            if key == "long":
                await let_go.wait()
            group.handled.append(key)
        except asyncio.CancelledError:
            cancelled.append(key)
            raise

    await group.produce(["long", *(f"c{number}" for number in range(20))])
    async with group.member(handle, instance="a", drain_seconds=0.3) as (_, first):
        await until(lambda: len(group.handled) == 20, running=[first])
        async with group.member(handle, instance="b", drain_seconds=0.3) as (_, second):
            await until(lambda: cancelled == ["long"], running=[first, second])
            let_go.set()
            await until(lambda: "long" in group.handled, running=[first, second])
    assert set(group.handled) == {"long", *(f"c{number}" for number in range(20))}
    assert FAILED.labels(group.name, group.topic, "unexpected")._value.get() == 0
    assert await read_all(group.kafka.bootstrap_servers, group.dead_letter_topic) == []
    assert sum((await group.committed()).values()) == 21


async def test_stop_lets_running_work_finish_and_begins_no_more(group: GroupUnderTest) -> None:
    """At stop the work under way is finished and committed; the rest waits for the next member."""
    begun: list[str] = []

    async def handle(message: Message) -> None:
        begun.append(message.key or "")
        await asyncio.sleep(0.5)
        group.handled.append(message.key or "")

    await group.produce([f"c{number}" for number in range(20)])
    async with group.member(handle, concurrency=3) as (consumer, running):
        await until(lambda: len(begun) == 3, running=[running])
    assert sorted(begun) == sorted(group.handled)
    assert len(begun) == 3
    assert not consumer.ready()
    assert sum((await group.committed()).values()) <= 3
    async with group.member(handle, concurrency=20) as (_, running):
        await until(lambda: len(set(group.handled)) == 20, running=[running])
    assert sum((await group.committed()).values()) == 20


async def test_one_stuck_message_bounds_how_far_its_partition_runs_ahead(group: GroupUnderTest) -> None:
    """A message that waits for its dependency stops its partition at the gap, and lets it go on afterwards."""
    away = asyncio.Event()
    away.set()

    async def handle(message: Message) -> None:
        if message.offset == 0 and away.is_set():
            raise Retryable("away")
        group.handled.append(message.key or "")

    await group.produce(["stuck"])
    for _ in range(3):
        # One key, one partition: that of the stuck message.
        value = group.producer.encode(RECORDINGS, recording("stuck")).value
        await asyncio.gather(*(group.producer.send_raw(RECORDINGS, key=b"stuck", value=value, headers=[]) for _ in range(500)))
    quick = RetryPolicy(first_seconds=0.05, longest_seconds=0.1)
    async with group.member(handle, retry=quick, max_gap=100) as (consumer, running):
        await until(lambda: len(group.handled) >= 99, running=[running])
        await until(lambda: bool(consumer._client and consumer._client.paused()), running=[running])
        assert len(group.handled) < 100 + 256
        away.clear()
        await until(lambda: len(group.handled) == 1501, running=[running])
    assert sum((await group.committed()).values()) == 1501
