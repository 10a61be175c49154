"""Wiring: builds the parts of the notifier for the chassis."""

from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

import aiohttp
from sqlalchemy.ext.asyncio import AsyncEngine

from steno.chassis import After, Wiring
from steno.crypto import SecretBox
from steno.events.access import access_of
from steno.events.catalogue import CALL_SUMMARIES, CALLS, PHRASES, TRANSCRIPTS
from steno.events.records import WebhookState
from steno.http.auth import ApiKeys
from steno.http.client import guarded_session
from steno.http.health import Health
from steno.kafka import Cluster, Consumer, FollowedKeys, FollowedTable, TopicMaker
from steno.storage import database
from steno_notifier.api import create_app
from steno_notifier.caption_streams import FOLLOWED, CaptionStreams
from steno_notifier.delivery_queries import DeliveryQueries
from steno_notifier.delivery_queue import DeliveryQueue
from steno_notifier.event_handler import EventHandler
from steno_notifier.http_transport import HttpTransport
from steno_notifier.matching import WebhookMatcher
from steno_notifier.rates import Rates
from steno_notifier.schedule import RetrySchedule
from steno_notifier.sender import Sender
from steno_notifier.settings import NotifierSettings
from steno_notifier.sweeper import Sweeper
from steno_notifier.webhook_rows import followed_webhooks

_CONNECT_SECONDS = 5.0
# Beyond the time an attempt may take: to settle it, on a slow day of the database.
_LEASE_MARGIN = timedelta(seconds=15)

CONSUMED = (CALLS, PHRASES, TRANSCRIPTS, CALL_SUMMARIES)
"""What is read as a group."""


async def build(settings: NotifierSettings) -> Wiring:
    """Builds the service with its database migrated and nothing running yet. Kafka need not be available."""
    resources = AsyncExitStack()
    engine = database.connect(settings.database_url.get_secret_value())
    resources.push_async_callback(engine.dispose)
    await database.migrate(engine, "steno_notifier")
    cluster = await Cluster.connect(settings)
    resources.push_async_callback(cluster.producer.stop)
    session = await resources.enter_async_context(_session(settings))

    queue = DeliveryQueue(engine, instance=settings.instance, lease=timedelta(seconds=settings.timeout_seconds) + _LEASE_MARGIN)
    sender = _sender(settings, queue, session)
    retention = timedelta(days=settings.retention_days)
    matcher = WebhookMatcher(engine, retention=retention, now=_now, wake=sender.wake)
    topics = TopicMaker(cluster, access_of("notifier").topics)
    table = followed_webhooks(cluster, matcher)
    consumer = Consumer(
        cluster,
        subscribe=CONSUMED,
        handler=EventHandler(matcher, public_url=settings.public_url),
        concurrency=settings.consumer_concurrency,
    )
    followed = FollowedKeys(cluster, FOLLOWED)
    keys = ApiKeys(settings.api_keys_file)
    captions = CaptionStreams(cluster, followed, most_readers=settings.caption_readers, holds=keys.holds)
    return Wiring(
        app=create_app(DeliveryQueries(engine, now=_now, wake=sender.wake), captions, keys, Rates.from_settings(settings)),
        health=_health(engine, topics, table, consumer, followed),
        components=(
            After(topics.made, followed),
            captions,
            # Not before all webhooks are known: one that is deleted might be told of an event.
            After(table.complete, consumer),
            After(topics.made, table),
            topics,
            sender,
            Sweeper(engine, queue, retention=retention, now=_now),
        ),
        resources=resources,
    )


def _now() -> datetime:
    return datetime.now(UTC)


def _session(settings: NotifierSettings) -> aiohttp.ClientSession:
    return guarded_session(
        allowed_networks=settings.allowed_networks,
        timeout=aiohttp.ClientTimeout(total=settings.timeout_seconds, connect=min(_CONNECT_SECONDS, settings.timeout_seconds)),
        limit=settings.concurrency,
        limit_per_host=0,
    )


def _sender(settings: NotifierSettings, queue: DeliveryQueue, session: aiohttp.ClientSession) -> Sender:
    return Sender(
        queue,
        HttpTransport(session, SecretBox(settings.secret_key), now=_now),
        RetrySchedule(delays=settings.retry_delays),
        concurrency=settings.concurrency,
        per_webhook=settings.webhook_concurrency,
        drain_seconds=settings.drain_seconds,
        now=_now,
    )


def _health(
    engine: AsyncEngine, topics: TopicMaker, table: FollowedTable[WebhookState], consumer: Consumer, followed: FollowedKeys
) -> Health:
    health = Health()
    health.add_liveness("consumer", consumer.alive)
    health.add_readiness("database", lambda: database.ping(engine))
    health.add_readiness("topics", topics.made.is_set, why=lambda: topics.missing)
    health.add_readiness("webhooks", table.complete.is_set)
    health.add_readiness("consumer", consumer.ready)
    health.add_readiness("captions", followed.ready)
    health.add_notice("consumer_holds_nothing", consumer.holds_nothing)
    health.add_notice("webhooks_hold_nothing", table.holds_nothing)
    return health
