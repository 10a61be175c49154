"""Deletes old rows, and measures the backlog of deliveries."""

from collections.abc import Callable
from datetime import datetime, timedelta

import structlog
from sqlalchemy import ColumnElement, delete, exists, select
from sqlalchemy.ext.asyncio import AsyncEngine

from steno.background import PeriodicWork
from steno.storage.transactions import transaction
from steno_notifier import metrics
from steno_notifier.delivery_queue import DeliveryQueue
from steno_notifier.delivery_state import SETTLED
from steno_notifier.tables import deliveries, events, lock_matching

log = structlog.get_logger("steno.notifier.sweeper")

_EVERY_SECONDS = 10.0
_BATCH = 1000
# How long an event that nobody wants waits for a webhook whose registration is still on its way.
_UNWANTED = timedelta(hours=1)


class Sweeper(PeriodicWork):
    """A component: every ten seconds, deletes what has been settled for longer than `retention` and measures the backlog."""

    def __init__(self, engine: AsyncEngine, queue: DeliveryQueue, *, retention: timedelta, now: Callable[[], datetime]) -> None:
        super().__init__(
            self._look,
            every_seconds=_EVERY_SECONDS,
            failed=lambda error: log.warning("database.unavailable", error=str(error)),
        )
        self._engine = engine
        self._queue = queue
        self._retention = retention
        self._now = now
        # Every event received before this time is wanted, or deleted.
        self._looked_until: datetime | None = None

    async def _look(self) -> None:
        count, oldest = await self._queue.backlog(now=self._now())
        metrics.DUE.set(count)
        metrics.OLDEST_DUE_SECONDS.set(oldest.total_seconds())
        await self.sweep()

    async def sweep(self) -> int:
        """Deletes settled deliveries past retention, then events without any; returns how many deliveries."""
        now = self._now()
        old = select(deliveries.c.delivery_id).where(
            deliveries.c.updated_at < now - self._retention, deliveries.c.state.in_(SETTLED)
        )
        unwanted_until = now - _UNWANTED
        unwanted = select(events.c.event_id).where(events.c.received_at < unwanted_until, _without_deliveries())
        if self._looked_until is not None:
            unwanted = unwanted.where(events.c.received_at >= self._looked_until)
        swept = 0
        while not self._stopping.is_set():
            async with transaction(self._engine) as connection:
                await lock_matching(connection, exclusive=True)
                settled = delete(deliveries).where(deliveries.c.delivery_id.in_(old.limit(_BATCH)))
                gone = (await connection.execute(settled.returning(deliveries.c.event_id))).scalars().all()
                await connection.execute(delete(events).where(events.c.event_id.in_(gone), _without_deliveries()))
                lost = await connection.execute(delete(events).where(events.c.event_id.in_(unwanted.limit(_BATCH))))
            swept += len(gone)
            if len(gone) < _BATCH and lost.rowcount < _BATCH:
                self._looked_until = unwanted_until
                break
        if swept:
            log.info("deliveries.swept", count=swept)
        return swept


def _without_deliveries() -> ColumnElement[bool]:
    return ~exists().where(deliveries.c.event_id == events.c.event_id)
