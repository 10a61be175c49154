"""A compacted topic followed as a table, on a real broker."""

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial

import pytest
from support.kernel import CODEC, running, until

from steno.broker import LocalCluster
from steno.errors import Retryable
from steno.events.catalogue import WEBHOOKS
from steno.events.records import WebhookState
from steno.kafka import Cluster, FollowedTable, MemoryRows, create_topics
from steno.kafka.failed_changes import FailedChanges
from steno.settings import KafkaSettings, TopicSettings

REGISTERED = datetime(2026, 1, 1, tzinfo=UTC)


def webhook(key: str, url: str) -> WebhookState:
    return WebhookState(webhook_id=key, url=url, created_at=REGISTERED, updated_at=REGISTERED, encrypted_secret="s")


class Rows(MemoryRows[WebhookState]):
    """Rows that note each change, and fail where they are told to."""

    def __init__(self) -> None:
        super().__init__()
        self.changes: list[tuple[str, str | None]] = []
        #: What a change of these keys raises.
        self.errors: dict[str, Exception] = {}
        #: The keys of which a change raised it.
        self.refused: list[str] = []

    @property
    def urls(self) -> dict[str, str]:
        return {key: record.url for key, record in self.newest.items()}

    async def put(self, key: str, record: WebhookState) -> None:
        self._check(key)
        self.changes.append((key, record.url))
        await super().put(key, record)

    async def delete(self, key: str) -> None:
        self._check(key)
        self.changes.append((key, None))
        await super().delete(key)

    async def keys(self) -> Collection[str]:
        self._check("keys")
        return await super().keys()

    def refused_twice(self, key: str) -> bool:
        return self.refused.count(key) > 1

    def _check(self, key: str) -> None:
        if key in self.errors:
            self.refused.append(key)
            raise self.errors[key]


@asynccontextmanager
async def made(servers: str, prefix: str) -> AsyncIterator[Cluster]:
    """A cluster whose topic of webhooks is made, and whose producer is stopped at the end."""
    cluster = Cluster.of(
        KafkaSettings(bootstrap_servers=servers), TopicSettings(prefix=prefix, partitions=3), CODEC, service="ingest"
    )
    await create_topics(cluster.kafka, cluster.topics, [WEBHOOKS])
    try:
        yield cluster
    finally:
        await cluster.producer.stop()


@pytest.fixture
async def cluster(kafka: str, topic_prefix: str) -> AsyncIterator[Cluster]:
    async with made(kafka, topic_prefix) as found:
        yield found


def table_of(cluster: Cluster, rows: Rows) -> FollowedTable[WebhookState]:
    return FollowedTable(cluster, WEBHOOKS, rows, record=WebhookState, failed=FailedChanges(first_seconds=0.1))


async def put(cluster: Cluster, *records: WebhookState) -> None:
    for record in records:
        await cluster.producer.send(WEBHOOKS, record)


async def delete(cluster: Cluster, *keys: str) -> None:
    for key in keys:
        await cluster.producer.send_raw(WEBHOOKS, key=key.encode(), value=None, headers=[])


async def test_it_is_complete_when_the_newest_of_each_key_is_applied_and_nothing_older_ever_is(cluster: Cluster) -> None:
    """However often each was changed; a tombstone deletes; and what comes later is applied within seconds."""
    await put(cluster, *(webhook(f"w{number}", url) for url in ("http://old/", "http://new/") for number in range(20)))
    await delete(cluster, "w0")
    rows = Rows()
    async with running(table_of(cluster, rows)) as (table, task):
        await until(table.complete.is_set, running=[task])
        assert rows.urls == {f"w{number}": "http://new/" for number in range(1, 20)}
        assert ("w1", "http://old/") not in rows.changes
        await put(cluster, webhook("w1", "http://newer/"), webhook("added", "http://a/"))
        await delete(cluster, "w2")
        await until(lambda: "w2" not in rows.newest and rows.urls.get("added") == "http://a/", seconds=5, running=[task])
        assert rows.urls["w1"] == "http://newer/"
        assert table.holds_nothing()


async def test_rows_that_the_topic_forgot_are_deleted_at_the_next_start(cluster: Cluster) -> None:
    """Their tombstones may have been compacted away while nobody read; an empty topic, though, is no reason to forget all."""
    rows = Rows()
    await rows.put("forgotten", webhook("forgotten", "http://a/"))
    async with running(table_of(cluster, rows)) as (table, task):
        await until(table.complete.is_set, running=[task])
        assert set(rows.newest) == {"forgotten"}
    await put(cluster, webhook("known", "http://a/"))
    async with running(table_of(cluster, rows)) as (table, task):
        await until(table.complete.is_set, running=[task])
        assert set(rows.newest) == {"known"}


async def test_a_bad_record_costs_itself(cluster: Cluster) -> None:
    """What is none, before and after the table is complete: the key is as it was, and the others are in force."""
    await put(cluster, webhook("bad", "http://lost/"))
    for key in (b"bad", b"\xff\xfe", *(b"r%d" % number for number in range(300))):
        await cluster.producer.send_raw(WEBHOOKS, key=key, value=b"{}", headers=[])
    await put(cluster, webhook("good", "http://a/"))
    rows = Rows()
    await rows.put("bad", webhook("bad", "http://before/"))
    async with running(table_of(cluster, rows)) as (table, task):
        await until(table.complete.is_set, running=[task])
        assert rows.urls == {"bad": "http://before/", "good": "http://a/"}
        await cluster.producer.send_raw(WEBHOOKS, key=b"good", value=b"{}", headers=[])
        await put(cluster, webhook("later", "http://a/"))
        await until(lambda: "later" in rows.newest, running=[task])
        assert rows.urls["good"] == "http://a/"
        assert table.holds_nothing()


async def test_a_fault_of_ours_costs_its_keys_and_no_longer_than_it_lasts(cluster: Cluster) -> None:
    """Put and deleted alike, without a restart, once the fault is gone; of one key the newest counts, and the wait is told."""
    rows = Rows()
    for key in ("deleted", "forgotten"):
        await rows.put(key, webhook(key, "http://a/"))
    await put(cluster, webhook("put", "http://old/"), webhook("other", "http://a/"))
    await delete(cluster, "deleted")
    rows.errors = dict.fromkeys(("put", "deleted", "forgotten"), KeyError("a bug"))
    async with running(table_of(cluster, rows)) as (table, task):
        await until(table.complete.is_set, running=[task])
        assert set(rows.newest) == {"deleted", "forgotten", "other"}
        assert not table.holds_nothing()
        await put(cluster, webhook("put", "http://new/"), webhook("behind", "http://a/"))
        await until(lambda: "behind" in rows.newest, running=[task])
        rows.errors = {}
        await until(table.holds_nothing, running=[task])
        assert rows.urls == {"other": "http://a/", "behind": "http://a/", "put": "http://new/"}


async def test_while_the_rows_cannot_be_changed_it_waits(cluster: Cluster) -> None:
    """It is not complete before what it stands on is back, and stops at once meanwhile."""
    await put(cluster, webhook("w", "http://a/"))
    rows = Rows()
    rows.errors = {"keys": Retryable("the database is away")}
    async with running(table_of(cluster, rows)) as (table, task):
        for away in ("keys", "w"):
            rows.errors = {away: Retryable("the database is away")}
            await until(partial(rows.refused_twice, away), running=[task])
            assert not table.complete.is_set()
            assert table.holds_nothing()
        rows.errors = {}
        await until(table.complete.is_set, running=[task])
    rows.refused.clear()
    rows.errors = {"w": Retryable("and once more")}
    async with running(table_of(cluster, rows)) as (table, task):
        await until(partial(rows.refused_twice, "w"), running=[task])
        async with asyncio.timeout(5):
            await table.stop()
            await task


async def test_it_goes_on_after_the_broker_was_killed(topic_prefix: str) -> None:
    """What is changed once the broker is back is applied; nobody starts the service again."""
    async with LocalCluster() as local, made(local.bootstrap_servers, topic_prefix) as cluster:
        (broker,) = local.brokers
        rows = Rows()
        await put(cluster, webhook("before", "http://a/"))
        async with running(table_of(cluster, rows)) as (table, task):
            await until(table.complete.is_set, running=[task])
            await broker.kill()
            sending = asyncio.create_task(put(cluster, webhook("after", "http://a/"), webhook("before", "http://b/")))
            await broker.start()
            await asyncio.wait_for(sending, 60)
            await until(lambda: rows.urls == {"before": "http://b/", "after": "http://a/"}, seconds=60, running=[task])
