"""A member that makes no progress ends, so that its supervisor starts a new one."""

import asyncio
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError, UnknownError
from support.kernel import GroupUnderTest, group_under_test, until
from support.kernel_member import member_process

from steno.broker import LocalCluster
from steno.kafka.errors import DuplicateInstance
from steno.kafka.messages import Message
from steno.kafka.watchdog import EXIT_STATUS


async def test_a_handler_that_holds_the_event_loop_is_ended_from_outside_the_loop(group: GroupUnderTest) -> None:
    """Nothing on the loop could do it: a thread ends the process with a status of its own."""
    await group.produce(["blocks"], block_seconds="60")
    with member_process(group, "a", stuck_seconds=2) as member:
        await until(lambda: member.begun == ["blocks"])
        await until(lambda: member.status is not None)
        assert member.status == EXIT_STATUS
        assert member.handled == []
    assert await group.committed() == {}


async def test_a_frozen_broker_ends_the_consumer_in_the_end(topic_prefix: str) -> None:
    """Connections stay open and nothing answers: no commit goes through, and the consumer ends in bounded time."""
    async with LocalCluster() as cluster, group_under_test(cluster.bootstrap_servers, topic_prefix, partitions=1) as group:
        (broker,) = cluster.brokers
        await group.produce(["c"], work_seconds="1")
        with member_process(group, "a", stuck_seconds=3) as member:
            await until(lambda: member.begun == ["c"])
            broker.pause()
            try:
                await until(lambda: member.failure == "consumer_stuck")
            finally:
                broker.resume()


async def test_a_member_that_the_broker_answers_with_an_unknown_error_joins_anew(
    group: GroupUnderTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it had been given meanwhile is done after all."""
    answers: list[BaseException] = []

    async def handle(message: Message) -> None:
        group.handled.append(message.key or "")

    getmany = AIOKafkaConsumer.getmany

    async def sometimes(client: AIOKafkaConsumer, **options: Any) -> Any:
        if answers:
            raise answers.pop()
        return await getmany(client, **options)

    monkeypatch.setattr(AIOKafkaConsumer, "getmany", sometimes)
    async with group.member(handle) as (consumer, _):
        await group.produce(["a"])
        await until(lambda: group.handled == ["a"])
        # As aiokafka hands it on.
        answers.append(KafkaError(repr(UnknownError())))
        await until(lambda: not answers)
        await group.produce(["b"])
        await until(lambda: "b" in group.handled)
        assert consumer.alive()


async def test_of_two_members_of_one_name_one_ends_and_the_other_works_on(group: GroupUnderTest) -> None:
    """They would put each other out for ever, do everything twice and commit nothing."""

    async def handle(message: Message) -> None:
        group.handled.append(message.key or "")

    twins = [group.consumer(handle, instance="same") for _ in range(2)]
    running = {asyncio.create_task(twin.run()) for twin in twins}
    try:
        ended, left = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED, timeout=30)
        with pytest.raises(DuplicateInstance, match="another process works as instance same"):
            await ended.pop()
        await group.produce(["c"])
        await until(lambda: "c" in group.handled, running=left)
        while sum((await group.committed()).values()) < 1:
            await asyncio.sleep(0.05)
    finally:
        await asyncio.gather(*(twin.stop() for twin in twins))
    await asyncio.gather(*left)
