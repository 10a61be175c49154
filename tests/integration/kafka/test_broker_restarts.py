"""The broker goes away in the middle of work and comes back on the same data."""

import asyncio

from support.kernel import group_under_test, until

from steno.broker import LocalCluster
from steno.kafka.consumer import Message


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
