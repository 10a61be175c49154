"""The broker goes away in the middle of work and comes back on the same data."""

import asyncio

from support.kernel import group_under_test, running, until
from support.kernel_log import RecordedLog

from steno.broker import LocalCluster
from steno.events.catalogue import RECORDINGS
from steno.events.records import RecordingSubmitted
from steno.kafka.followed_keys import FollowedKeys
from steno.kafka.messages import Message


async def test_work_goes_on_after_the_broker_was_stopped_and_after_it_was_killed(topic_prefix: str) -> None:
    """An orderly stop, then kill -9, both under load: all is handled in the end; who starts without a broker waits for it."""
    async with LocalCluster() as cluster, group_under_test(cluster.bootstrap_servers, topic_prefix) as group:
        (broker,) = cluster.brokers
        begun = 0

        async def handle(message: Message) -> None:
            nonlocal begun
            begun += 1
            await asyncio.sleep(0.02)
            group.handled.append(message.key or "")

        names = [f"c{number}" for number in range(900)]
        async with group.member(handle, instance="a") as (one, first), group.member(handle, instance="b") as (two, second):
            members = [first, second]
            await group.produce(names[:300])
            await until(lambda: len(group.handled) > 100, running=members)
            sending = asyncio.create_task(group.produce(names[300:600]))
            await broker.stop()
            await broker.start()
            await asyncio.wait_for(sending, 30)
            await until(lambda: len(set(group.handled)) > 400, seconds=30, running=members)
            sending = asyncio.create_task(group.produce(names[600:]))
            await broker.kill()
            async with group.member(handle, instance="c") as (late, third):
                members.append(third)
                await broker.start()
                await asyncio.wait_for(sending, 30)
                await until(lambda: set(group.handled) == set(names) and late.ready(), seconds=60, running=members)
                assert one.alive()
                assert two.alive()
                assert late.alive()
        assert sum((await group.committed()).values()) >= len(names)
        assert begun < 2 * len(names)


async def test_what_is_read_in_order_goes_on_where_it_was_after_the_broker_was_killed(topic_prefix: str) -> None:
    """Kill -9 while messages are written: a log consumer takes each in its place, and who follows a key has all of it."""
    async with LocalCluster() as cluster, group_under_test(cluster.bootstrap_servers, topic_prefix) as group:
        (broker,) = cluster.brokers
        log, followed = RecordedLog(), list[str]()
        tail = FollowedKeys(group.cluster, [RECORDINGS])

        async def follow() -> None:
            with tail.follow("call") as following:
                async for message in following:
                    assert isinstance(message.record, RecordingSubmitted)
                    followed.append(message.record.properties["mark"])

        async with group.log_member(log) as (consumer, working), running(tail) as (_, reading):
            members = [working, reading]
            await until(tail.ready, running=members)
            members.append(following := asyncio.create_task(follow()))
            await group.produce(["before"])
            await group.produce(["call"], mark="before")
            await until(lambda: len(log.taken) == 2 and followed == ["before"], running=members)
            await broker.kill()
            sending = asyncio.create_task(group.produce([f"c{number}" for number in range(100)]))
            marked = asyncio.create_task(group.produce(["call"], mark="after"))
            await broker.start()
            await asyncio.gather(sending, marked)
            await until(lambda: len(log.taken) == 103 and followed == ["before", "after"], seconds=60, running=members)
            assert consumer.alive()
            await tail.stop()
            await following
        for partition in range(6):
            assert log.offsets(partition) == list(range(len(log.offsets(partition))))
        assert sum((await group.committed()).values()) == 103
