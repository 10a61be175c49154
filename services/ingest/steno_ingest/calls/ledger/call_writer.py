"""Writes the changes of a call: its row, the record for Kafka in the outbox, metrics and log."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from steno.events.catalogue import CALLS
from steno_ingest.calls.ledger import call_rows as rows
from steno_ingest.calls.ledger.changes import Changes
from steno_ingest.calls.ledger.view import CallView, record_of
from steno_ingest.metrics import CALL_STATES
from steno_ingest.outbox import Outbox

log = structlog.get_logger("steno.ingest.calls")

TICK = timedelta(microseconds=1)
"""The smallest time between two changes."""


class CallWriter:
    """Writes changes of calls, within the caller's transaction."""

    def __init__(self, outbox: Outbox, *, clock: Callable[[], datetime]) -> None:
        self._outbox = outbox
        self._clock = clock

    async def write(self, connection: AsyncConnection, call: CallView, changes: Changes) -> CallView:
        """Writes the changes that differ from the call, and returns the changed call."""
        new = {name: value for name, value in changes.items() if getattr(call, name) != value}
        if not new:
            return call
        after = replace(call, **new)
        if record_of(after) != record_of(call):
            # Always later than before, even if the clock went back, so that it identifies the newest record of a call.
            after = replace(after, updated_at=max(self._clock(), call.updated_at + TICK))
            await self._outbox.add(connection, CALLS, record_of(after))
        await rows.change(connection, call, {**new, "updated_at": after.updated_at})
        return after

    def report(self, before: CallView, after: CallView) -> None:
        """Reports a committed change to the relay, metrics and log."""
        self._outbox.wake()
        if after.state is not before.state:
            CALL_STATES.labels(after.state.value).inc()
            log.info("call.state", call_id=after.call_id, state=after.state.value, error=after.error or None)
