"""Following keys as their messages come, on a real broker."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from support.kernel import GroupUnderTest, cluster_without_broker, running, until

from steno.events.catalogue import RECORDINGS
from steno.events.records import RecordingSubmitted
from steno.kafka.errors import FollowerTooSlow, KafkaUnavailable
from steno.kafka.followed_keys import FollowedKey, FollowedKeys, offset_at, read_range
from steno.kafka.messages import Message
from steno.kafka.partitioner import partition_of


def tail_of(group: GroupUnderTest) -> FollowedKeys:
    return FollowedKeys(group.cluster, [RECORDINGS])


async def before(group: GroupUnderTest, key: str, *, end: int, start: int = 0) -> list[str]:
    """What stood there before: the marks of a key's messages."""
    partition = partition_of(key, group.topics.partitions)
    read = read_range(group.cluster, RECORDINGS, partition, key=key, start=start, end=end)
    return [mark_of(message) async for message in read]


def mark_of(message: Message) -> str:
    assert isinstance(message.record, RecordingSubmitted)
    return message.record.properties["mark"]


async def marks(following: FollowedKey, into: list[str]) -> None:
    async for message in following:
        # One by one: a comprehension would show nothing before the end.
        into.append(mark_of(message))  # noqa: PERF401


async def test_what_stood_there_and_what_comes_are_every_message_once(group: GroupUnderTest) -> None:
    """While messages of a key are written all the time, those before and those followed join without a gap or a double."""
    enough = asyncio.Event()
    written: list[str] = []

    async def write() -> None:
        while not enough.is_set():
            mark = str(len(written))
            await group.produce(["call", "other"], mark=mark)
            written.append(mark)

    tail = tail_of(group)
    writing = asyncio.create_task(write())
    await until(lambda: len(written) > 10, running=[writing])
    async with running(tail) as (_, reading):
        await until(tail.ready, running=[reading])
        seen: list[list[str]] = []
        for _ in range(3):
            had = len(written)
            with tail.follow("call") as following:
                found = await before(group, "call", end=following.positions["recordings"])
                joined = list(found)
                collecting = asyncio.create_task(marks(following, joined))
                await until(lambda: len(written) > had + 20 and len(joined) > len(found) + 10, running=[writing])  # noqa: B023
                collecting.cancel()
            seen.append(joined)
        enough.set()
        await writing
    assert all(joined == written[: len(joined)] for joined in seen)
    assert len(seen[0]) > 10


async def test_a_follower_that_is_too_slow_is_told_so_and_holds_up_nobody(group: GroupUnderTest) -> None:
    """It fails at its limit; another one of the same key has everything, and stopping ends that one."""
    tail, marked = tail_of(group), list[str]()
    with pytest.raises(KafkaUnavailable, match="Kafka has not been reached"), tail.follow("call"):
        pass
    async with running(tail) as (_, reading):
        await until(tail.ready, running=[reading])
        with tail.follow("call", limit=5) as slow, tail.follow("call") as quick:
            collecting = asyncio.create_task(marks(quick, marked))
            for number in range(6):
                await group.produce(["call"], mark=str(number))
            await until(lambda: len(marked) == 6, running=[reading, collecting])
            with pytest.raises(FollowerTooSlow, match="more than 5 messages of call"):
                await anext(slow)
            await group.producer.send_raw(RECORDINGS, key=b"call", value=b"{}", headers=())
            await group.produce(["call"], mark="after garbage")
            await until(lambda: marked[-1] == "after garbage", running=[reading, collecting])
            await tail.stop()
            await collecting
        with pytest.raises(KafkaUnavailable), tail.follow("call"):
            pass


async def test_the_offset_of_a_moment_is_that_of_the_first_message_after_it(group: GroupUnderTest) -> None:
    """Before all: the first; after all: the end; in between: the one written then."""
    partition = partition_of("call", group.topics.partitions)
    await group.produce(["call"], mark="0")
    await asyncio.sleep(0.01)
    between = datetime.now(UTC)
    await asyncio.sleep(0.01)
    await group.produce(["call"], mark="1")

    async def found(when: datetime) -> int:
        return await offset_at(group.cluster, RECORDINGS, partition, when)

    assert [await found(between + timedelta(hours=hours)) for hours in (-1, 0, 1)] == [0, 1, 2]
    assert await before(group, "call", start=1, end=2) == ["1"]
    assert await before(group, "call", start=2, end=2) == []
    with pytest.raises(KafkaUnavailable):
        await offset_at(cluster_without_broker(), RECORDINGS, 0, between)
