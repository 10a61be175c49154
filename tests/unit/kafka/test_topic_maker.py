"""The topics of a service are made when Kafka is there, and nobody waits for it before."""

import asyncio

import pytest
from support.kernel import cluster_without_broker

from steno.events.catalogue import RECORDINGS
from steno.kafka import topic_maker as module
from steno.kafka.errors import KafkaUnavailable, TopicMismatch
from steno.kafka.topic_maker import TopicMaker
from steno.retry import RetryPolicy


async def test_kafka_is_asked_again_until_the_topics_are_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Meanwhile it says why they are not."""
    monkeypatch.setattr(module, "EACH_SECOND", RetryPolicy(first_seconds=0, unexpected_attempts=1))
    said: list[str] = []

    async def make(*_settings: object, seconds: float) -> None:
        said.append(maker.missing)
        if len(said) < 3:
            raise KafkaUnavailable("nobody answers at kafka:9092")

    monkeypatch.setattr(module, "create_topics", make)
    maker = TopicMaker(cluster_without_broker(), [RECORDINGS])
    running = asyncio.create_task(maker.run())
    async with asyncio.timeout(10):
        await maker.made.wait()
        assert said == ["Kafka has not answered yet", *["nobody answers at kafka:9092"] * 2]
        assert maker.missing == ""
        await maker.stop()
        await running


async def test_it_stops_while_nothing_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """An attempt under way is given up."""
    given_up = False

    async def make(*_settings: object, seconds: float) -> None:
        nonlocal given_up
        try:
            await asyncio.Event().wait()
        finally:
            given_up = True

    monkeypatch.setattr(module, "create_topics", make)
    maker = TopicMaker(cluster_without_broker(), [RECORDINGS])
    running = asyncio.create_task(maker.run())
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await maker.stop()
        await running
    assert given_up
    assert not maker.made.is_set()


async def test_what_an_operator_must_mend_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Topics that are there with other partitions, say."""

    async def make(*_settings: object, seconds: float) -> None:
        raise TopicMismatch("3 partitions instead of 4")

    monkeypatch.setattr(module, "create_topics", make)
    async with asyncio.timeout(10):
        with pytest.raises(TopicMismatch):
            await TopicMaker(cluster_without_broker(), [RECORDINGS]).run()
