"""Stores webhooks and events as rows, and adds a delivery for each event that a webhook wants.

The two may arrive in any order: a new event is matched with the webhooks there are, and a new or changed webhook with the
events since. All of it is idempotent, so a replay of the topics changes nothing.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import structlog
from sqlalchemy import Row, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from steno.events.records import WebhookState
from steno.events.webhook_events import ON_REQUEST_ONLY, EventType
from steno.storage.transactions import insert_into, transaction
from steno.tenants import NO_TENANT
from steno_notifier.delivery_state import Event, State, sources, target
from steno_notifier.outgoing_event import OutgoingEvent
from steno_notifier.tables import deliveries, events, lock_matching, webhooks

log = structlog.get_logger("steno.notifier.matching")

# The clocks of whoever registers and whoever finishes a transcript may differ by this much without an event being missed.
_CLOCK_DIFFERENCE = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class _Pair:
    """An event, a webhook that wants it, and the webhook's tenant."""

    event_id: str
    webhook_id: str
    tenant: str


def wants(webhook: Row[Any], event_type: str, occurred_at: datetime, *, since: datetime) -> bool:
    """Whether a webhook wants an event: it is enabled, wants the type, and the event is not older than `since`."""
    return (
        webhook.enabled
        and webhook.disabled_at is None
        and (event_type in webhook.events or not (webhook.events or event_type in ON_REQUEST_ONLY))
        and occurred_at >= since - _CLOCK_DIFFERENCE
    )


class WebhookMatcher:
    """Stores events and webhooks, adds the deliveries, and wakes the sender."""

    def __init__(
        self, engine: AsyncEngine, *, retention: timedelta, now: Callable[[], datetime], wake: Callable[[], None]
    ) -> None:
        """
        Args:
            retention: how long settled deliveries are kept; an event older than that is ignored as settled and deleted.
        """
        self._engine = engine
        self._retention = retention
        self._now = now
        self._wake = wake
        #: Whose they are, and what they name: of the webhooks heard of since the process started, which is all of them.
        self._named: dict[str, tuple[str, frozenset[str]]] = {}

    def is_named(self, event_type: EventType, tenant: str) -> bool:
        """Whether a webhook for a tenant's events names a type. Answered from memory: there are hundreds of events a second."""
        return any(event_type in named and owner in (NO_TENANT, tenant) for owner, named in self._named.values())

    async def add_event(self, event: OutgoingEvent, *, traceparent: str | None) -> int:
        """Stores an event and a delivery for each webhook that wants it; returns how many deliveries are new.

        An event of a type that webhooks must name is not stored where none names it yet.

        Raises:
            DatabaseUnavailable: try again.
        """
        now = self._now()
        if event.occurred_at < now - self._retention:
            return 0
        async with transaction(self._engine) as connection:
            await lock_matching(connection, exclusive=False)
            row = {
                "event_id": event.event_id,
                "type": event.type.value,
                "call_id": event.call_id,
                "recording_id": event.recording_id,
                "occurred_at": event.occurred_at,
                "received_at": now,
                "body": event.body,
                "traceparent": traceparent,
                "tenant": event.tenant,
            }
            wanting = [
                _Pair(event.event_id, webhook.webhook_id, webhook.tenant)
                for webhook in await connection.execute(
                    select(webhooks).where(webhooks.c.tenant.in_((NO_TENANT, event.tenant)))
                )
                if wants(webhook, event.type, event.occurred_at, since=webhook.created_at)
            ]
            if not wanting and event.type in ON_REQUEST_ONLY:
                return 0
            await connection.execute(insert_into(connection, events).values(row).on_conflict_do_nothing())
            added = await _add_deliveries(connection, wanting, now)
        if added:
            self._wake()
        return added

    async def put_webhook(self, state: WebhookState) -> None:
        """Stores a new or changed webhook, and adds deliveries of the events since.

        A change enables a webhook again that a 410 disabled. The state that is stored already changes nothing.

        Raises:
            DatabaseUnavailable: try again.
        """
        now = self._now()
        self._named[state.webhook_id] = (state.tenant, frozenset(state.events) if state.enabled else frozenset())
        async with transaction(self._engine) as connection:
            await lock_matching(connection, exclusive=True)
            kept = (await connection.execute(select(webhooks).where(webhooks.c.webhook_id == state.webhook_id))).first()
            if kept is not None and kept.updated_at == state.updated_at:
                return
            values = state.model_dump() | {"events": list(state.events)}
            values |= {"disabled_at": None, "disabled_reason": None, "paused_until": None}
            insert = insert_into(connection, webhooks).values(values)
            await connection.execute(insert.on_conflict_do_update(index_elements=["webhook_id"], set_=values))
            webhook = (await connection.execute(select(webhooks).where(webhooks.c.webhook_id == state.webhook_id))).one()
            since = select(events.c.event_id, events.c.type, events.c.occurred_at).where(
                events.c.occurred_at >= state.updated_at - _CLOCK_DIFFERENCE
            )
            recent = await connection.execute(
                since if state.tenant == NO_TENANT else since.where(events.c.tenant == state.tenant)
            )
            wanted = [
                _Pair(event.event_id, webhook.webhook_id, webhook.tenant)
                for event in recent
                if wants(webhook, event.type, event.occurred_at, since=state.updated_at)
            ]
            added = await _add_deliveries(connection, wanted, now)
        log.info("webhook.kept", webhook_id=state.webhook_id, enabled=state.enabled, events=state.events, caught_up=added)
        self._wake()

    async def webhook_ids(self) -> set[str]:
        """The ids of the stored webhooks."""
        async with transaction(self._engine) as connection:
            return set((await connection.execute(select(webhooks.c.webhook_id))).scalars())

    async def delete_webhook(self, webhook_id: str) -> None:
        """Deletes a webhook and cancels its unsettled deliveries.

        Raises:
            DatabaseUnavailable: try again.
        """
        async with transaction(self._engine) as connection:
            await lock_matching(connection, exclusive=True)
            found = await connection.execute(delete(webhooks).where(webhooks.c.webhook_id == webhook_id))
            cancelled = await connection.execute(
                update(deliveries)
                .where(deliveries.c.webhook_id == webhook_id, deliveries.c.state.in_(sources(Event.WITHDRAWN)))
                .values(
                    state=target(Event.WITHDRAWN),
                    due_at=None,
                    lease=None,
                    leased_by=None,
                    reason="the webhook was deleted",
                    updated_at=self._now(),
                )
            )
        self._named.pop(webhook_id, None)
        if found.rowcount:
            log.info("webhook.deleted", webhook_id=webhook_id, cancelled=cancelled.rowcount)


async def _add_deliveries(connection: AsyncConnection, pairs: Sequence[_Pair], now: datetime) -> int:
    """Adds a pending delivery, due now, for each pair that has none; returns how many it added."""
    added = 0
    for some in _batches(pairs, 500):
        rows = [
            {
                # Computed from what it describes, so that a replay finds the same one.
                "delivery_id": str(uuid5(UUID(pair.event_id), pair.webhook_id)),
                "event_id": pair.event_id,
                "webhook_id": pair.webhook_id,
                "tenant": pair.tenant,
                "state": State.PENDING,
                "due_at": now,
                "attempts": 0,
                "tries": 0,
                "created_at": now,
                "updated_at": now,
            }
            for pair in some
        ]
        result = await connection.execute(insert_into(connection, deliveries).values(rows).on_conflict_do_nothing())
        added += result.rowcount
    return added


def _batches(pairs: Sequence[_Pair], size: int) -> Iterable[Sequence[_Pair]]:
    return (pairs[start : start + size] for start in range(0, len(pairs), size))
