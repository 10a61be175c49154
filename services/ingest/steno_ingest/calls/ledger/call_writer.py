"""Writes what changes in a call: its row, the record for Kafka in the outbox, and what metrics and the log tell of it."""

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
"""The least by which a change is later than the one before."""


class CallWriter:
    """Writes changes of calls, within transactions of others."""

    def __init__(self, outbox: Outbox, *, clock: Callable[[], datetime]) -> None:
        self._outbox = outbox
        self._clock = clock

    async def write(self, connection: AsyncConnection, call: CallView, changes: Changes) -> CallView:
        """Writes what is new among the changes, and returns the call as it is then."""
        new = {name: value for name, value in changes.items() if getattr(call, name) != value}
        if not new:
            return call
        after = replace(call, **new)
        if record_of(after) != record_of(call):
            # Later than before whatever the clock says, so that the newest record of a call is told by it.
            after = replace(after, updated_at=max(self._clock(), call.updated_at + TICK))
            await self._outbox.add(connection, CALLS, record_of(after))
        await rows.change(connection, call, {**new, "updated_at": after.updated_at})
        return after

    def report(self, before: CallView, after: CallView) -> None:
        """Reports a change, once it is committed."""
        self._outbox.wake()
        if after.state is not before.state:
            CALL_STATES.labels(after.state.value).inc()
            log.info("call.state", call_id=after.call_id, state=after.state.value, error=after.error or None)
