"""Lists, reads and replays deliveries, for the REST API."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from steno.paging import Page, Position
from steno.storage.lists import matching, read_page, seen_by
from steno.storage.transactions import transaction
from steno.tenants import Caller
from steno_notifier.delivery_state import Event, IllegalTransition, State, sources, target, transition
from steno_notifier.tables import attempts, deliveries, events, webhooks


@dataclass(frozen=True, kw_only=True, slots=True)
class Filter:
    """A filter of deliveries; None matches any."""

    webhook_id: str | None = None
    call_id: str | None = None
    recording_id: str | None = None
    state: State | None = None


class NotReplayable(Exception):
    """A delivery cannot be replayed now; the message says what to do."""


class DeliveryQueries:
    """Reads deliveries and webhooks for the REST API, and replays deliveries."""

    def __init__(self, engine: AsyncEngine, *, now: Callable[[], datetime], wake: Callable[[], None]) -> None:
        self._engine = engine
        self._now = now
        self._wake = wake

    async def read_page(self, wanted: Filter, *, caller: Caller, after: Position | None, limit: int) -> Page[Row[Any]]:
        """Reads a page of the deliveries that match a filter and that a caller sees, newest first, after a position."""
        at, id = deliveries.c.created_at, deliveries.c.delivery_id
        asked_for = (
            (deliveries.c.webhook_id, wanted.webhook_id),
            (events.c.call_id, wanted.call_id),
            (events.c.recording_id, wanted.recording_id),
            (deliveries.c.state, wanted.state),
        )
        query = _rows(caller).where(*matching(*asked_for, at=at))
        async with transaction(self._engine) as connection:
            return await read_page(connection, query, at=at, id=id, after=after, limit=limit)

    async def find(self, delivery_id: str, *, caller: Caller) -> tuple[Row[Any], Sequence[Row[Any]]] | None:
        """Reads a delivery that a caller sees, with its attempts, oldest first; None where there is none."""
        async with transaction(self._engine) as connection:
            found = (await connection.execute(_rows(caller).where(deliveries.c.delivery_id == delivery_id))).first()
            if found is None:
                return None
            made = select(attempts).where(attempts.c.delivery_id == delivery_id).order_by(attempts.c.number)
            return found, list(await connection.execute(made))

    async def replay(self, delivery_id: str, *, caller: Caller) -> bool:
        """Makes a settled delivery due now, with all its attempts again; returns False where the caller sees no such delivery.

        Raises:
            NotReplayable: it is not settled, or its webhook is deleted or disabled.
        """
        now = self._now()
        async with transaction(self._engine) as connection:
            found = (await connection.execute(_rows(caller).where(deliveries.c.delivery_id == delivery_id))).first()
            if found is None:
                return False
            try:
                transition(State(found.state), Event.REPLAYED)
            except IllegalTransition as error:
                raise NotReplayable(f"{error}; only one that is delivered or failed can") from error
            await _check_takes(connection, found.webhook_id)
            await connection.execute(
                update(deliveries)
                .where(deliveries.c.delivery_id == delivery_id, deliveries.c.state.in_(sources(Event.REPLAYED)))
                .values(state=target(Event.REPLAYED), due_at=now, tries=0, reason=None, updated_at=now)
            )
        self._wake()
        return True

    async def find_webhook(self, webhook_id: str, *, caller: Caller) -> tuple[Row[Any], dict[State, int]] | None:
        """Reads a webhook that a caller sees, with the number of its deliveries in each state; None where there is none."""
        async with transaction(self._engine) as connection:
            mine = select(webhooks).where(webhooks.c.webhook_id == webhook_id, seen_by(caller, webhooks.c.tenant))
            found = (await connection.execute(mine)).first()
            if found is None:
                return None
            counted = (
                select(deliveries.c.state, func.count())
                .where(deliveries.c.webhook_id == webhook_id)
                .group_by(deliveries.c.state)
            )
            counts = {State(state): count for state, count in await connection.execute(counted)}
        return found, {state: counts.get(state, 0) for state in State}


def _rows(caller: Caller) -> Select[Any]:
    told = (events.c.type, events.c.call_id, events.c.recording_id, events.c.occurred_at)
    both = select(deliveries, *told).join(events, events.c.event_id == deliveries.c.event_id)
    return both.where(seen_by(caller, deliveries.c.tenant))


async def _check_takes(connection: AsyncConnection, webhook_id: str) -> None:
    webhook = (await connection.execute(select(webhooks).where(webhooks.c.webhook_id == webhook_id))).first()
    if webhook is None:
        raise NotReplayable("its webhook was deleted; register one, and read the transcript by REST")
    if webhook.disabled_at is not None:
        raise NotReplayable(f"its webhook is disabled since {webhook.disabled_at.isoformat()}: {webhook.disabled_reason}")
