"""Deliveries as rows: taken when due, once, and never lost."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine
from steno_notifier.delivery_queries import DeliveryQueries, Filter, NotReplayable
from steno_notifier.delivery_queue import Claim, DeliveryQueue
from steno_notifier.delivery_state import Answer, Event, Settlement, settle
from steno_notifier.matching import WebhookMatcher
from steno_notifier.outgoing_event import make_outgoing_event
from steno_notifier.schedule import RetrySchedule
from steno_notifier.sweeper import Sweeper
from steno_notifier.tables import deliveries, events
from support.callers import OPERATOR
from support.webhooks import completed, webhook

from steno.crypto import SecretBox
from steno.storage.transactions import transaction

Clock = Any
SCHEDULE = RetrySchedule(delays=[timedelta(seconds=5), timedelta(minutes=5)])
LEASE = timedelta(seconds=30)


@pytest.fixture
def matcher(engine: AsyncEngine, clock: Clock) -> WebhookMatcher:
    return WebhookMatcher(engine, retention=timedelta(days=30), now=clock, wake=lambda: None)


@pytest.fixture
def ledger(engine: AsyncEngine, clock: Clock) -> DeliveryQueries:
    return DeliveryQueries(engine, now=clock, wake=lambda: None)


@pytest.fixture
def queue(engine: AsyncEngine) -> DeliveryQueue:
    return DeliveryQueue(engine, instance="0", lease=LEASE)


@pytest.fixture
def fill(matcher: WebhookMatcher, clock: Clock) -> Callable[[int], Awaitable[None]]:
    async def add(count: int) -> None:
        for number in range(count):
            event = make_outgoing_event(completed(number, at=clock()), clock())
            assert event is not None
            await matcher.add_event(event, traceparent="00-" + "a" * 32 + "-" + "b" * 16 + "-01")

    return add


async def claim(queue: DeliveryQueue, clock: Clock, *, free: int = 100, per_webhook: int = 100, **busy: int) -> list[Claim]:
    return await queue.claim(now=clock(), free=free, busy=busy, per_webhook=per_webhook)


async def answered(
    queue: DeliveryQueue, claimed: Claim, clock: Clock, status_code: int, retry_after: int | None = None
) -> bool:
    """The claimed delivery is answered; whether it still was ours."""
    answer = Answer(
        started_at=clock(),
        duration_ms=20,
        status_code=status_code,
        error=None if status_code < 300 else f"answered {status_code}",
        retry_after=None if retry_after is None else timedelta(seconds=retry_after),
    )
    settlement = settle(answer, tries=claimed.tries + 1, now=clock(), schedule=SCHEDULE, chance=0)
    return await queue.settle(claimed, answer, settlement, now=clock())


async def state_of(ledger: DeliveryQueries, delivery_id: str) -> tuple[str, int]:
    """The state of a delivery and how many of its attempts were answered."""
    found = await ledger.find(delivery_id, caller=OPERATOR)
    assert found is not None
    return found[0].state, len(found[1])


async def test_a_claim_is_exclusive_until_its_lease_runs_out(
    queue: DeliveryQueue, matcher: WebhookMatcher, box: SecretBox, clock: Clock, fill: Callable[[int], Awaitable[None]]
) -> None:
    """Nobody else gets it meanwhile; afterwards it is sent again, under the same event id."""
    await matcher.put_webhook(webhook("w", "http://a/", box))
    await fill(1)
    (first,) = await claim(queue, clock)
    assert first.url == "http://a/"
    assert first.traceparent is not None
    assert await claim(queue, clock) == []
    assert await queue.next_due(now=clock()) == clock() + LEASE
    clock.pass_by(seconds=30)
    (second,) = await claim(queue, clock)
    assert (second.event_id, second.number, second.tries) == (first.event_id, 2, 0)
    assert not await answered(queue, first, clock, 200)
    assert await answered(queue, second, clock, 200)


async def test_a_restart_releases_what_the_instance_held(
    engine: AsyncEngine,
    queue: DeliveryQueue,
    matcher: WebhookMatcher,
    box: SecretBox,
    clock: Clock,
    fill: Callable[[int], Awaitable[None]],
) -> None:
    """What this instance had under way is due at once; what another has is left to it."""
    await matcher.put_webhook(webhook("w", "http://a/", box))
    await fill(2)
    (mine,) = await claim(queue, clock, free=1)
    (_theirs,) = await claim(DeliveryQueue(engine, instance="1", lease=LEASE), clock, free=1)
    assert await queue.release(now=clock()) == 1
    assert [again.delivery_id for again in await claim(queue, clock)] == [mine.delivery_id]


async def test_no_webhook_takes_more_than_its_share(
    queue: DeliveryQueue, matcher: WebhookMatcher, box: SecretBox, clock: Clock, fill: Callable[[int], Awaitable[None]]
) -> None:
    """A webhook with a long line leaves room for the others, and one that is full gets none."""
    await matcher.put_webhook(webhook("a", "http://a/", box))
    await matcher.put_webhook(webhook("b", "http://b/", box))
    await fill(20)
    claimed = await claim(queue, clock, free=50, per_webhook=5)
    assert sorted(one.webhook_id for one in claimed) == ["a"] * 5 + ["b"] * 5
    assert {one.webhook_id for one in await claim(queue, clock, per_webhook=5, a=5, b=3)} == {"b"}
    assert len(await claim(queue, clock, free=3)) == 3


async def test_attempts_follow_the_schedule_to_the_end(
    queue: DeliveryQueue,
    matcher: WebhookMatcher,
    ledger: DeliveryQueries,
    box: SecretBox,
    clock: Clock,
    fill: Callable[[int], Awaitable[None]],
) -> None:
    """Each failure puts it off by the schedule; after the last it has failed. It can be replayed."""
    await matcher.put_webhook(webhook("w", "http://a/", box))
    await fill(1)
    for pause in (timedelta(seconds=5), timedelta(minutes=5)):
        (claimed,) = await claim(queue, clock)
        await answered(queue, claimed, clock, 500)
        assert await queue.next_due(now=clock()) == clock() + pause
        assert await claim(queue, clock) == []
        clock.time += pause
    (claimed,) = await claim(queue, clock)
    await answered(queue, claimed, clock, 500)
    assert await state_of(ledger, claimed.delivery_id) == ("failed", 3)
    assert await queue.next_due(now=clock()) is None
    assert await ledger.replay(claimed.delivery_id, caller=OPERATOR)
    (again,) = await claim(queue, clock)
    assert (again.event_id, again.number, again.tries) == (claimed.event_id, 4, 0)
    await answered(queue, again, clock, 204)
    assert await state_of(ledger, claimed.delivery_id) == ("delivered", 4)


async def test_410_disables_the_webhook_until_it_is_changed(
    queue: DeliveryQueue,
    matcher: WebhookMatcher,
    ledger: DeliveryQueries,
    box: SecretBox,
    clock: Clock,
    fill: Callable[[int], Awaitable[None]],
) -> None:
    """All that waits for it has failed with the reason, nothing new is made, a replay is refused; a change lifts it."""
    await matcher.put_webhook(webhook("w", "http://a/", box))
    await fill(3)
    (claimed,) = await claim(queue, clock, free=1)
    await answered(queue, claimed, clock, 410)
    page = await ledger.read_page(Filter(), caller=OPERATOR, after=None, limit=10)
    assert {(row.state, "410" in row.reason) for row in page.entries} == {("failed", True)}
    with pytest.raises(NotReplayable, match="disabled"):
        await ledger.replay(claimed.delivery_id, caller=OPERATOR)
    await matcher.put_webhook(webhook("w", "http://a/", box))
    await fill(4)
    assert await claim(queue, clock) == []
    await matcher.put_webhook(webhook("w", "http://a/", box, updated_at=clock()))
    assert await ledger.replay(claimed.delivery_id, caller=OPERATOR)
    assert claimed.delivery_id in {one.delivery_id for one in await claim(queue, clock)}


async def test_410_from_where_the_webhook_was_before_a_change_is_tried_at_the_new_place(
    queue: DeliveryQueue, matcher: WebhookMatcher, box: SecretBox, clock: Clock, fill: Callable[[int], Awaitable[None]]
) -> None:
    """The answer of the old receiver does not disable the new one."""
    await matcher.put_webhook(webhook("w", "http://old/", box))
    await fill(1)
    (claimed,) = await claim(queue, clock)
    await matcher.put_webhook(webhook("w", "http://new/", box, updated_at=clock()))
    await answered(queue, claimed, clock, 410)
    assert [again.url for again in await claim(queue, clock)] == ["http://new/"]


async def test_retry_after_holds_all_deliveries_to_that_webhook(
    queue: DeliveryQueue, matcher: WebhookMatcher, box: SecretBox, clock: Clock, fill: Callable[[int], Awaitable[None]]
) -> None:
    """A receiver that throttles is left alone for as long as it asked, and only it."""
    await matcher.put_webhook(webhook("a", "http://a/", box))
    await matcher.put_webhook(webhook("b", "http://b/", box))
    await fill(2)
    claimed = next(one for one in await claim(queue, clock, per_webhook=1) if one.webhook_id == "a")
    await answered(queue, claimed, clock, 429, retry_after=60)
    assert {one.webhook_id for one in await claim(queue, clock)} == {"b"}
    clock.pass_by(seconds=59)
    assert "a" not in {one.webhook_id for one in await claim(queue, clock)}
    clock.pass_by(seconds=1)
    assert [one.webhook_id for one in await claim(queue, clock)].count("a") == 2


async def test_a_webhook_that_is_switched_off_keeps_what_waits(
    queue: DeliveryQueue, matcher: WebhookMatcher, box: SecretBox, clock: Clock, fill: Callable[[int], Awaitable[None]]
) -> None:
    """Nothing is sent, nothing is lost, and switching it on sends it."""
    await matcher.put_webhook(webhook("w", "http://a/", box))
    await fill(1)
    await matcher.put_webhook(webhook("w", "http://a/", box, enabled=False, updated_at=clock()))
    assert await claim(queue, clock) == []
    assert await queue.next_due(now=clock()) is None
    clock.pass_by(seconds=10)
    await matcher.put_webhook(webhook("w", "http://a/", box, updated_at=clock()))
    assert len(await claim(queue, clock)) == 1


async def test_what_is_cancelled_under_way_stays_cancelled(
    queue: DeliveryQueue,
    matcher: WebhookMatcher,
    ledger: DeliveryQueries,
    box: SecretBox,
    clock: Clock,
    fill: Callable[[int], Awaitable[None]],
) -> None:
    """The answer is on record but changes nothing, and no replay brings it back."""
    await matcher.put_webhook(webhook("w", "http://a/", box))
    await fill(1)
    (claimed,) = await claim(queue, clock)
    await matcher.delete_webhook("w")
    assert not await answered(queue, claimed, clock, 500)
    assert await state_of(ledger, claimed.delivery_id) == ("cancelled", 1)
    with pytest.raises(NotReplayable, match="cancelled"):
        await ledger.replay(claimed.delivery_id, caller=OPERATOR)


async def test_the_backlog_counts_what_is_due_and_not_under_way(
    queue: DeliveryQueue, matcher: WebhookMatcher, box: SecretBox, clock: Clock, fill: Callable[[int], Awaitable[None]]
) -> None:
    """With the age of the oldest."""
    await matcher.put_webhook(webhook("w", "http://a/", box))
    await fill(3)
    await claim(queue, clock, free=1)
    clock.pass_by(seconds=7)
    assert await queue.backlog(now=clock()) == (2, timedelta(seconds=7))


async def test_the_sweep_deletes_what_was_settled_long_ago(
    engine: AsyncEngine,
    queue: DeliveryQueue,
    matcher: WebhookMatcher,
    box: SecretBox,
    clock: Clock,
    fill: Callable[[int], Awaitable[None]],
) -> None:
    """A settled delivery goes after the retention with its attempts and its event; one that waits stays, however old."""
    await matcher.put_webhook(webhook("w", "http://a/", box))
    await fill(2)
    (claimed,) = await claim(queue, clock, free=1)
    await answered(queue, claimed, clock, 200)
    sweeper = Sweeper(engine, queue, retention=timedelta(days=30), now=clock)
    clock.pass_by(days=30)
    assert await sweeper.sweep() == 0
    clock.pass_by(seconds=1)
    assert await sweeper.sweep() == 1
    async with transaction(engine) as connection:
        assert len(list(await connection.execute(select(deliveries)))) == 1
        assert len(list(await connection.execute(select(events)))) == 1


async def test_an_event_that_no_webhook_wants_goes_after_an_hour(
    engine: AsyncEngine, queue: DeliveryQueue, clock: Clock, fill: Callable[[int], Awaitable[None]]
) -> None:
    """Those of later sweeps too."""
    sweeper = Sweeper(engine, queue, retention=timedelta(days=30), now=clock)
    for _ in range(2):
        await fill(2)
        clock.pass_by(hours=1)
        await sweeper.sweep()
        clock.pass_by(seconds=1)
        await sweeper.sweep()
        async with transaction(engine) as connection:
            assert list(await connection.execute(select(events))) == []


async def test_settling_needs_a_lawful_step(
    queue: DeliveryQueue,
    matcher: WebhookMatcher,
    ledger: DeliveryQueries,
    box: SecretBox,
    clock: Clock,
    fill: Callable[[int], Awaitable[None]],
) -> None:
    """A step that the table does not have changes no row."""
    await matcher.put_webhook(webhook("w", "http://a/", box))
    await fill(1)
    (claimed,) = await claim(queue, clock)
    answer = Answer(started_at=clock(), duration_ms=1)
    assert not await queue.settle(claimed, answer, Settlement(event=Event.REPLAYED, due_at=clock()), now=clock())
    assert await state_of(ledger, claimed.delivery_id) == ("delivering", 1)


async def test_pages_are_stable(
    matcher: WebhookMatcher, ledger: DeliveryQueries, box: SecretBox, clock: Clock, fill: Callable[[int], Awaitable[None]]
) -> None:
    """Pages put together are the list, newest first, though deliveries are added in between; filters hold on every page."""
    await matcher.put_webhook(webhook("w", "http://a/", box))
    await fill(7)
    seen, after = [], None
    while True:
        page = await ledger.read_page(Filter(webhook_id="w"), caller=OPERATOR, after=after, limit=3)
        seen += [row.delivery_id for row in page.entries]
        if (after := page.end) is None:
            break
        clock.pass_by(seconds=1)
        await matcher.put_webhook(webhook(f"later-{len(seen)}", "http://b/", box))
    assert len(seen) == len(set(seen)) == 7
    page = await ledger.read_page(Filter(recording_id="recording-3", webhook_id="w"), caller=OPERATOR, after=None, limit=3)
    (one,) = page.entries
    assert one.call_id == "call-3"
