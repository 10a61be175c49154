"""The example of `docs/extending.md` for deliveries: another transport than HTTP, under the same queue and schedule."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from extending.list_transport import ListTransport
from sqlalchemy.ext.asyncio import AsyncEngine
from steno_notifier.delivery_queue import DeliveryQueue
from steno_notifier.matching import WebhookMatcher
from steno_notifier.outgoing_event import make_outgoing_event
from steno_notifier.schedule import RetrySchedule
from steno_notifier.sender import Sender
from support.kernel import running, until
from support.webhooks import completed, webhook

from steno.crypto import SecretBox


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/notifier.db"


async def test_a_transport_is_given_what_is_due_until_it_takes_it(engine: AsyncEngine, box: SecretBox) -> None:
    """What it refuses comes again by the schedule, and what it took does not."""
    transport = ListTransport(now=now)
    transport.refusals = 2
    queue = DeliveryQueue(engine, instance="0", lease=timedelta(seconds=30))
    schedule = RetrySchedule(delays=[timedelta(milliseconds=20)] * 3)
    sender = Sender(queue, transport, schedule, concurrency=4, per_webhook=4, drain_seconds=1, now=now)
    matcher = WebhookMatcher(engine, retention=timedelta(days=30), now=now, wake=sender.wake)
    await matcher.put_webhook(webhook("w", "http://a/", box))
    event = make_outgoing_event(completed(1), now())
    assert event is not None
    await matcher.add_event(event, traceparent=None)
    async with running(sender) as (_, task):
        await until(lambda: transport.delivered == [event.body], running=[task])
        await asyncio.sleep(0.1)
        assert transport.delivered == [event.body]
