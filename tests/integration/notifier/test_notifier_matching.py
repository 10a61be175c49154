"""Events from Kafka become deliveries."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.event import listen
from sqlalchemy.ext.asyncio import AsyncEngine
from steno_notifier.event_handler import EventHandler
from steno_notifier.matching import WebhookMatcher
from steno_notifier.outgoing_event import OutgoingEvent, make_outgoing_event
from steno_notifier.tables import deliveries, events
from support.records import PHRASE
from support.webhooks import completed, webhook

from steno.crypto import SecretBox
from steno.events.catalogue import PHRASES
from steno.events.ids import live_pass_id
from steno.events.webhook_events import EventType
from steno.kafka.messages import Message
from steno.storage.transactions import transaction

Clock = Any


@pytest.fixture
def woken() -> list[bool]:
    return []


@pytest.fixture
def matcher(engine: AsyncEngine, clock: Clock, woken: list[bool]) -> WebhookMatcher:
    return WebhookMatcher(engine, retention=timedelta(days=30), now=clock, wake=lambda: woken.append(True))


@pytest.fixture
def event(clock: Clock) -> Callable[[int], OutgoingEvent]:
    def make(number: int) -> OutgoingEvent:
        made = make_outgoing_event(completed(number, at=clock()), clock())
        assert made is not None
        return made

    return make


async def states(engine: AsyncEngine) -> dict[str, str]:
    """The state of the deliveries, by webhook."""
    async with transaction(engine) as connection:
        rows = await connection.execute(select(deliveries.c.webhook_id, deliveries.c.state))
        return {row.webhook_id: row.state for row in rows}


async def test_an_event_makes_one_delivery_for_each_webhook_that_wants_it(
    engine: AsyncEngine, matcher: WebhookMatcher, box: SecretBox, event: Callable[[int], OutgoingEvent], woken: list[bool]
) -> None:
    """Event types and the enabled flag choose; the sender is woken."""
    await matcher.put_webhook(webhook("all", "http://a/", box))
    await matcher.put_webhook(webhook("completed", "http://b/", box, events=("transcript.completed",)))
    await matcher.put_webhook(webhook("summaries", "http://c/", box, events=("call.summarised",)))
    await matcher.put_webhook(webhook("off", "http://d/", box, enabled=False))
    woken.clear()
    assert await matcher.add_event(event(1), traceparent=None) == 2
    assert set(await states(engine)) == {"all", "completed"}
    assert woken == [True]


async def test_a_replay_adds_nothing(
    engine: AsyncEngine, matcher: WebhookMatcher, box: SecretBox, event: Callable[[int], OutgoingEvent]
) -> None:
    """Events and webhooks that come again change nothing."""
    await matcher.put_webhook(webhook("w", "http://a/", box))
    assert await matcher.add_event(event(1), traceparent=None) == 1
    assert await matcher.add_event(event(1), traceparent=None) == 0
    await matcher.put_webhook(webhook("w", "http://a/", box))
    assert await matcher.add_event(event(1), traceparent=None) == 0


async def test_events_count_from_registration_on_whichever_is_heard_of_first(
    engine: AsyncEngine, matcher: WebhookMatcher, box: SecretBox, event: Callable[[int], OutgoingEvent], clock: Clock
) -> None:
    """An event that overtakes the registration it came after is delivered all the same; one from before is not."""
    before = event(1)
    clock.pass_by(minutes=1)
    registered = clock()
    clock.pass_by(minutes=1)
    after = event(2)
    assert await matcher.add_event(before, traceparent=None) == 0
    assert await matcher.add_event(after, traceparent=None) == 0
    await matcher.put_webhook(webhook("w", "http://a/", box, created_at=registered, updated_at=registered))
    async with transaction(engine) as connection:
        assert (await connection.execute(select(deliveries.c.event_id))).scalars().all() == [after.event_id]
    assert await matcher.add_event(before, traceparent=None) == 0


async def test_an_event_and_a_webhook_at_the_same_moment_meet(
    engine: AsyncEngine, matcher: WebhookMatcher, box: SecretBox, event: Callable[[int], OutgoingEvent]
) -> None:
    """However their transactions interleave, each event is delivered to each webhook."""
    events = [event(number) for number in range(20)]
    hooks = [webhook(f"w{number}", "http://a/", box) for number in range(5)]
    await asyncio.gather(
        *(matcher.add_event(one, traceparent=None) for one in events[:10]),
        *(matcher.put_webhook(one) for one in hooks),
        *(matcher.add_event(one, traceparent=None) for one in events[10:]),
    )
    async with transaction(engine) as connection:
        assert len(list(await connection.execute(select(deliveries)))) == 100


async def test_deleting_a_webhook_cancels_what_waits(
    engine: AsyncEngine, matcher: WebhookMatcher, box: SecretBox, event: Callable[[int], OutgoingEvent]
) -> None:
    """Its deliveries are cancelled with the reason; other webhooks' are not, and it gets no more."""
    await matcher.put_webhook(webhook("w", "http://a/", box))
    await matcher.put_webhook(webhook("other", "http://b/", box))
    await matcher.add_event(event(1), traceparent=None)
    await matcher.delete_webhook("w")
    await matcher.delete_webhook("w")
    assert await states(engine) == {"w": "cancelled", "other": "pending"}
    assert await matcher.add_event(event(2), traceparent=None) == 1


async def test_events_from_before_the_retention_are_history(
    matcher: WebhookMatcher, box: SecretBox, event: Callable[[int], OutgoingEvent], clock: Clock
) -> None:
    """A topic read again from its beginning does not send once more what was delivered and swept."""
    await matcher.put_webhook(webhook("w", "http://a/", box))
    old = event(1)
    clock.pass_by(days=31)
    assert await matcher.add_event(old, traceparent=None) == 0


def _live_phrase(at: datetime) -> Message:
    phrase = PHRASE.model_copy(update={"recording_id": live_pass_id(PHRASE.call_id)})
    return Message(topic=PHRASES, partition=0, offset=0, key=phrase.call_id, record=phrase, headers={}, timestamp=at)


async def _event_rows(engine: AsyncEngine) -> int:
    async with transaction(engine) as connection:
        return len(list(await connection.execute(select(events))))


async def test_a_phrase_is_for_webhooks_that_name_it(
    engine: AsyncEngine, matcher: WebhookMatcher, box: SecretBox, clock: Clock
) -> None:
    """One that wants everything does not hear of it, and where nobody names it no row is kept."""
    handle = EventHandler(matcher, public_url="")
    await matcher.put_webhook(webhook("everything", "http://a/", box))
    await matcher.put_webhook(webhook("off", "http://a/", box, events=("phrase.final",), enabled=False))
    await handle(_live_phrase(clock()))
    assert await _event_rows(engine) == 0
    await matcher.put_webhook(webhook("named", "http://b/", box, events=("phrase.final", "call.ended")))
    await handle(_live_phrase(clock()))
    await handle(_live_phrase(clock()))
    assert await states(engine) == {"named": "pending"}
    await matcher.delete_webhook("named")
    assert not matcher.is_named(EventType.PHRASE_FINAL, "")


async def test_phrases_that_nobody_names_leave_the_database_alone(
    engine: AsyncEngine, matcher: WebhookMatcher, box: SecretBox, clock: Clock
) -> None:
    """Hundreds of phrases a second cost no transaction."""
    handle = EventHandler(matcher, public_url="")
    await matcher.put_webhook(webhook("everything", "http://a/", box))
    transactions: list[str] = []
    listen(engine.sync_engine, "begin", lambda _connection: transactions.append("begun"))
    for _ in range(100):
        await handle(_live_phrase(clock()))
    assert transactions == []
    await matcher.webhook_ids()
    assert transactions == ["begun"]


async def test_events_are_told_to_webhooks_of_their_tenant(
    matcher: WebhookMatcher, engine: AsyncEngine, box: SecretBox, event: Callable[[int], OutgoingEvent]
) -> None:
    """And to those of no tenant; what belongs to no tenant, to those alone. Whichever of the two comes first."""
    early = {"before-acme": "acme", "before-other": "other", "before-none": ""}
    late = {"after-acme": "acme", "after-other": "other", "after-none": ""}
    for name, tenant in early.items():
        await matcher.put_webhook(webhook(name, "http://a/", box).model_copy(update={"tenant": tenant}))
    for number, tenant in enumerate(("acme", "other", ""), 1):
        await matcher.add_event(replace(event(number), tenant=tenant), traceparent=None)
    for name, tenant in late.items():
        await matcher.put_webhook(webhook(name, "http://a/", box).model_copy(update={"tenant": tenant}))
    async with engine.connect() as connection:
        rows = await connection.execute(
            select(deliveries.c.webhook_id, deliveries.c.tenant, events.c.tenant).join(
                events, events.c.event_id == deliveries.c.event_id
            )
        )
        told = sorted(tuple(row) for row in rows)
    everybody = early | late
    assert told == sorted(
        (name, owner, of_event)
        for name, owner in everybody.items()
        for of_event in ("acme", "other", "")
        if owner in ("", of_event)
    )


async def test_a_type_that_must_be_named_is_named_for_its_tenant(matcher: WebhookMatcher, box: SecretBox) -> None:
    """A webhook of one tenant has nobody else's phrases kept."""
    named = webhook("w", "http://a/", box, events=("phrase.final",)).model_copy(update={"tenant": "acme"})
    await matcher.put_webhook(named)
    assert [matcher.is_named(EventType.PHRASE_FINAL, tenant) for tenant in ("acme", "other", "")] == [True, False, False]
