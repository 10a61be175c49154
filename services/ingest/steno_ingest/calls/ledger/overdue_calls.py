"""Ends calls that nothing else will end, so that every accepted call ends.

| call | consequence |
|---|---|
| its process was lost before any of it was on the call log | its start and end are published, and it ends like any other |
| its audio has ended and is no longer on Kafka, without a transcript | it fails |
"""

from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from steno.background import PeriodicWork
from steno_ingest.calls.ledger.call_ledger import CallLedger
from steno_ingest.calls.ledger.queries import CallQueries
from steno_ingest.outbox import now

log = structlog.get_logger("steno.ingest.calls")

_EVERY_SECONDS = 60.0
#: After this time a process that still has the call has published some of it, unless Kafka was unreachable all the time.
_NEVER_HEARD_FOR = timedelta(hours=1)
#: Twice the retention of `call-audio`: a transcriber that returns later finds no audio.
_NEVER_TRANSCRIBED_FOR = timedelta(hours=48)


class OverdueCalls(PeriodicWork):
    """Finds and ends such calls, at the start and every minute; a component of the service. Several may run at once."""

    def __init__(self, ledger: CallLedger, queries: CallQueries, *, clock: Callable[[], datetime] = now) -> None:
        super().__init__(
            self.check,
            every_seconds=_EVERY_SECONDS,
            failed=lambda error: log.warning("calls.overdue_not_checked", reason=str(error)),
        )
        self._ledger = ledger
        self._queries = queries
        self._clock = clock

    async def check(self) -> None:
        """Checks once. Raises `DatabaseUnavailable`."""
        at = self._clock()
        for call in await self._queries.never_heard(at - _NEVER_HEARD_FOR):
            log.warning("call.never_heard", call_id=call.call_id, door=call.door)
            why = "the process that received its audio was lost before any of it was stored"
            await self._ledger.end_lost(call.call_id, instance=call.instance, reason="ingest_lost", error=why)
        for call in await self._queries.never_transcribed(at - _NEVER_TRANSCRIBED_FOR):
            log.error("call.never_transcribed", call_id=call.call_id, ended_at=call.ended_at)
            reason = "its audio is no longer on Kafka and was never transcribed; check that transcribers run and keep up"
            await self._ledger.fail(call.call_id, reason=reason, error="not_transcribed")
