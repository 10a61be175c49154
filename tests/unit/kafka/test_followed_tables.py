"""What a followed table is, before any broker answers."""

import asyncio

import pytest
from support.kernel import cluster_without_broker

from steno.events.catalogue import CALLS, PHRASES, WEBHOOKS, Topic
from steno.events.records import CallState, Phrase, Record, WebhookState
from steno.kafka import FollowedTable, MemoryRows


@pytest.mark.parametrize(("topic", "record"), [(PHRASES, Phrase), (CALLS, CallState), (WEBHOOKS, Phrase)])
def test_only_a_compacted_topic_of_that_record_is_a_table(topic: Topic, record: type[Record]) -> None:
    """One that is deleted from by age would lose rows, and nobody would know."""
    with pytest.raises(ValueError, match=f"{topic.name} is no table of {record.__name__}"):
        FollowedTable(cluster_without_broker(), topic, MemoryRows(), record=record)


async def test_it_waits_for_kafka_and_stops_at_once_meanwhile() -> None:
    """It is not complete before."""
    table = FollowedTable(cluster_without_broker(), WEBHOOKS, MemoryRows[WebhookState](), record=WebhookState)
    following = asyncio.create_task(table.run())
    await asyncio.sleep(0.1)
    assert not following.done()
    assert not table.complete.is_set()
    async with asyncio.timeout(5):
        await table.stop()
        await following
