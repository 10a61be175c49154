"""Webhooks as the topic tells them, kept as rows."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncEngine
from steno_notifier.matching import WebhookMatcher
from steno_notifier.tables import webhooks
from steno_notifier.webhook_rows import followed_webhooks
from support.webhooks import webhook

from steno.crypto import SecretBox
from steno.events.catalogue import DEAD_LETTERS, WEBHOOKS
from steno.events.codec import Codec
from steno.events.records import WebhookState
from steno.events.schemas import ShippedSchemaIds
from steno.kafka import Cluster, FollowedTable, Producer, create_topics
from steno.settings import KafkaSettings, TopicSettings
from steno.storage.transactions import transaction

CHANGED = datetime(2026, 2, 1, tzinfo=UTC)
Run = Callable[[], Awaitable[FollowedTable[WebhookState]]]


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/notifier.db"


@pytest.fixture
def matcher(engine: AsyncEngine) -> WebhookMatcher:
    return WebhookMatcher(engine, retention=timedelta(days=30), now=lambda: datetime.now(UTC), wake=lambda: None)


@pytest.fixture
def topics(topic_prefix: str) -> TopicSettings:
    return TopicSettings(prefix=topic_prefix, partitions=3)


@pytest.fixture
async def producer(kafka: str, topics: TopicSettings) -> AsyncIterator[Producer]:
    settings = KafkaSettings(bootstrap_servers=kafka)
    await create_topics(settings, topics, (WEBHOOKS, DEAD_LETTERS))
    producer = Producer(settings, topics, Codec(ShippedSchemaIds()), source="test")
    await producer.start()
    yield producer
    await producer.stop()


@pytest.fixture
async def run(kafka: str, topics: TopicSettings, producer: Producer, matcher: WebhookMatcher) -> AsyncIterator[Run]:
    """Starts a table and returns it when it has read what there is."""
    running: list[tuple[FollowedTable[WebhookState], asyncio.Task[None]]] = []

    async def start() -> FollowedTable[WebhookState]:
        cluster = Cluster.of(KafkaSettings(bootstrap_servers=kafka), topics, Codec(ShippedSchemaIds()), service="notifier")
        table = followed_webhooks(cluster, matcher)
        running.append((table, asyncio.create_task(table.run())))
        await asyncio.wait_for(table.complete.wait(), 60)
        return table

    yield start
    for table, task in running:
        await table.stop()
        await task


async def kept(engine: AsyncEngine) -> dict[str, Any]:
    async with transaction(engine) as connection:
        return {row.webhook_id: row for row in await connection.execute(select(webhooks))}


async def test_the_newest_state_of_each_webhook_is_in_force_when_it_is_complete(
    engine: AsyncEngine, producer: Producer, run: Run, box: SecretBox
) -> None:
    """However often each was changed; deleted ones are not there."""
    for number in range(10):
        await producer.send(WEBHOOKS, webhook(f"w{number}", "http://old/", box))
        await producer.send(WEBHOOKS, webhook(f"w{number}", "http://new/", box, updated_at=CHANGED))
    await producer.send_raw(WEBHOOKS, key=b"w0", value=None, headers=[])
    await run()
    rows = await kept(engine)
    assert set(rows) == {f"w{number}" for number in range(1, 10)}
    assert {row.url for row in rows.values()} == {"http://new/"}


async def test_a_webhook_that_the_topic_forgot_is_deleted(
    engine: AsyncEngine, matcher: WebhookMatcher, producer: Producer, run: Run, box: SecretBox
) -> None:
    """Its tombstone may have been compacted away while nobody read; an empty topic, though, is no reason to forget all."""
    await matcher.put_webhook(webhook("forgotten", "http://a/", box))
    await run()
    assert set(await kept(engine)) == {"forgotten"}
    await producer.send(WEBHOOKS, webhook("known", "http://a/", box))
    await run()
    assert set(await kept(engine)) == {"known"}


async def test_reading_it_again_does_not_lift_what_410_disabled(
    engine: AsyncEngine, producer: Producer, run: Run, box: SecretBox
) -> None:
    """Only a change does, and a restart is none."""
    await producer.send(WEBHOOKS, webhook("w", "http://old/", box))
    await producer.send(WEBHOOKS, webhook("w", "http://new/", box, updated_at=CHANGED))
    await run()
    async with transaction(engine) as connection:
        await connection.execute(update(webhooks).values(disabled_at=CHANGED, disabled_reason="410"))
    await run()
    assert (await kept(engine))["w"].disabled_reason == "410"
