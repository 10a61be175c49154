"""A queue of due deliveries in the database: claims them under a lease, and settles them by the receiver's answer.

A lease lasts as long as an attempt may take. When a process dies, its leases run out (its own restart releases them at once),
and the deliveries are sent again: at least once, always with the same event id.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import Row, and_, exists, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.sql import ColumnElement

from steno.storage.transactions import transaction
from steno_notifier.delivery_state import Answer, Event, Settlement, State, sources, target
from steno_notifier.tables import attempts, deliveries, events, webhooks


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """A delivery that this process may send until the lease runs out."""

    delivery_id: str
    event_id: str
    event_type: str
    call_id: str
    recording_id: str
    occurred_at: datetime
    body: str
    traceparent: str | None
    webhook_id: str
    url: str
    encrypted_secret: bytes
    #: The secret before, and until when it signs too; empty where there is none.
    previous_encrypted_secret: bytes
    previous_expires_at: datetime | None
    #: Which state of the webhook the attempt goes by.
    webhook_updated_at: datetime
    #: Number of this attempt, from 1.
    number: int
    #: Attempts answered before this one, since it was queued or replayed.
    tries: int
    lease: str


class DeliveryQueue:
    """Claims and settles deliveries for one sender; many may work on one database."""

    def __init__(self, engine: AsyncEngine, *, instance: str, lease: timedelta) -> None:
        self._engine = engine
        self._instance = instance
        self._lease = lease

    async def claim(self, *, now: datetime, free: int, busy: Mapping[str, int], per_webhook: int) -> list[Claim]:
        """Claims up to `free` due deliveries, so that no webhook has more than `per_webhook` under way in this process.

        Args:
            busy: number of deliveries under way in this process, by webhook id.
        """
        lease = uuid4().hex
        claimed: list[Claim] = []
        full = [webhook_id for webhook_id, count in busy.items() if count >= per_webhook]
        async with transaction(self._engine) as connection:
            due = exists().where(deliveries.c.webhook_id == webhooks.c.webhook_id, deliveries.c.due_at <= now)
            query = select(webhooks).where(_takes(now), due, webhooks.c.webhook_id.not_in(full))
            candidates = list(await connection.execute(query))
            random.shuffle(candidates)
            for webhook in candidates:
                allowance = min(free - len(claimed), per_webhook - busy.get(webhook.webhook_id, 0))
                if allowance <= 0:
                    break
                claimed += await self._claim_of(connection, webhook, now=now, allowance=allowance, lease=lease)
        return claimed

    async def _claim_of(
        self, connection: AsyncConnection, webhook: Row[Any], *, now: datetime, allowance: int, lease: str
    ) -> list[Claim]:
        due = (
            select(deliveries.c.delivery_id)
            .where(deliveries.c.webhook_id == webhook.webhook_id, deliveries.c.due_at <= now)
            .where(deliveries.c.state.in_(sources(Event.CLAIMED)))
            .order_by(deliveries.c.due_at)
            .limit(allowance)
            .with_for_update(skip_locked=True)
        )
        chosen = list((await connection.execute(due)).scalars())
        if not chosen:
            return []
        await connection.execute(
            update(deliveries)
            .where(deliveries.c.delivery_id.in_(chosen))
            .values(
                state=target(Event.CLAIMED),
                due_at=now + self._lease,
                lease=lease,
                leased_by=self._instance,
                attempts=deliveries.c.attempts + 1,
                updated_at=now,
            )
        )
        rows = await connection.execute(
            select(deliveries, events)
            .join(events, events.c.event_id == deliveries.c.event_id)
            .where(deliveries.c.delivery_id.in_(chosen))
            .order_by(deliveries.c.created_at)
        )
        return [_claim(row, webhook, lease) for row in rows]

    async def settle(self, claim: Claim, answer: Answer, settlement: Settlement, *, now: datetime) -> bool:
        """Stores an attempt and the new state of its delivery; returns False where the claim was lost.

        It is lost when the delivery was cancelled, or when the lease ran out and another sender claimed it.
        """
        async with transaction(self._engine) as connection:
            # The webhook row first: see the order of locks in `tables`.
            if answer.gone and not await _disable(connection, claim, settlement.reason, now):
                # It was changed while the attempt was under way: the answer came from where it was before.
                settlement = Settlement(event=Event.POSTPONED, due_at=now, reason=settlement.reason)
            elif settlement.pause_until is not None:
                await connection.execute(
                    update(webhooks)
                    .where(webhooks.c.webhook_id == claim.webhook_id)
                    .values(paused_until=settlement.pause_until)
                )
            settled = await connection.execute(
                update(deliveries)
                .where(deliveries.c.delivery_id == claim.delivery_id, deliveries.c.lease == claim.lease)
                .where(deliveries.c.state.in_(sources(settlement.event)))
                .values(
                    state=target(settlement.event),
                    due_at=settlement.due_at,
                    lease=None,
                    leased_by=None,
                    tries=claim.tries + 1,
                    reason=settlement.reason,
                    updated_at=now,
                )
            )
            await connection.execute(
                insert(attempts).values(
                    delivery_id=claim.delivery_id,
                    number=claim.number,
                    started_at=answer.started_at,
                    duration_ms=answer.duration_ms,
                    status_code=answer.status_code,
                    error=answer.error,
                )
            )
            if answer.gone and settlement.event is Event.GIVEN_UP:
                await _give_up_waiting(connection, claim.webhook_id, settlement.reason, now)
        return settled.rowcount == 1

    async def release(self, *, now: datetime) -> int:
        """Makes due the deliveries that this instance held when it died; returns how many. Called before the first claim."""
        async with transaction(self._engine) as connection:
            released = await connection.execute(
                update(deliveries)
                .where(deliveries.c.leased_by == self._instance, deliveries.c.state.in_(sources(Event.RELEASED)))
                .values(state=target(Event.RELEASED), due_at=now, lease=None, leased_by=None, updated_at=now)
            )
        return released.rowcount

    async def next_due(self, *, now: datetime) -> datetime | None:
        """The earliest time at which a delivery can be claimed; None where none waits."""
        async with transaction(self._engine) as connection:
            earliest = select(func.min(deliveries.c.due_at)).where(deliveries.c.webhook_id == webhooks.c.webhook_id)
            waiting = select(webhooks.c.paused_until, earliest.scalar_subquery().label("due_at")).where(
                webhooks.c.enabled, webhooks.c.disabled_at.is_(None)
            )
            rows = list(await connection.execute(waiting))
        moments = [max(row.due_at, row.paused_until or row.due_at) for row in rows if row.due_at is not None]
        return min(moments, default=None)

    async def backlog(self, *, now: datetime) -> tuple[int, timedelta]:
        """How many deliveries are due but not under way, and how long the oldest has been due."""
        async with transaction(self._engine) as connection:
            query = (
                select(func.count(), func.min(deliveries.c.due_at))
                .join(webhooks, webhooks.c.webhook_id == deliveries.c.webhook_id)
                .where(_takes(now), deliveries.c.due_at <= now)
            )
            count, oldest = (await connection.execute(query)).one()
        return count, now - oldest if oldest is not None else timedelta()


def _takes(now: datetime) -> ColumnElement[bool]:
    """The condition that a webhook receives deliveries at a time."""
    return and_(
        webhooks.c.enabled,
        webhooks.c.disabled_at.is_(None),
        or_(webhooks.c.paused_until.is_(None), webhooks.c.paused_until <= now),
    )


async def _disable(connection: AsyncConnection, claim: Claim, reason: str | None, now: datetime) -> bool:
    """Disables the claim's webhook unless it was changed since; returns whether it did."""
    disabled = await connection.execute(
        update(webhooks)
        .where(webhooks.c.webhook_id == claim.webhook_id, webhooks.c.updated_at == claim.webhook_updated_at)
        .values(disabled_at=now, disabled_reason=reason)
    )
    return disabled.rowcount == 1


async def _give_up_waiting(connection: AsyncConnection, webhook_id: str, reason: str | None, now: datetime) -> None:
    await connection.execute(
        update(deliveries)
        .where(deliveries.c.webhook_id == webhook_id, deliveries.c.state == State.PENDING)
        .values(state=target(Event.GIVEN_UP), due_at=None, reason=reason, updated_at=now)
    )


def _claim(row: Row[Any], webhook: Row[Any], lease: str) -> Claim:
    return Claim(
        delivery_id=row.delivery_id,
        event_id=row.event_id,
        event_type=row.type,
        call_id=row.call_id,
        recording_id=row.recording_id,
        occurred_at=row.occurred_at,
        body=row.body,
        traceparent=row.traceparent,
        webhook_id=webhook.webhook_id,
        url=webhook.url,
        encrypted_secret=webhook.encrypted_secret,
        previous_encrypted_secret=webhook.previous_encrypted_secret,
        previous_expires_at=webhook.previous_expires_at,
        webhook_updated_at=webhook.updated_at,
        number=row.attempts,
        tries=row.tries,
        lease=lease,
    )
