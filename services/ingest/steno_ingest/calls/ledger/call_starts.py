"""Adds new calls to the ledger; calls that start at about the same time share a transaction."""

from collections.abc import Callable, Sequence
from contextvars import Context, copy_context
from dataclasses import dataclass, field, fields, replace
from datetime import datetime

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from steno.events.catalogue import CALLS
from steno.events.records import CallStarted, CallStatus
from steno.storage.batches import Batches
from steno.storage.transactions import transaction
from steno.tenants import Caller
from steno_ingest.call_owners import check_owners, recorded_owners
from steno_ingest.calls.ledger import call_rows as rows
from steno_ingest.calls.ledger import changes as decide
from steno_ingest.calls.ledger.call_writer import CallWriter
from steno_ingest.calls.ledger.view import CallView, fingerprint, record_of
from steno_ingest.errors import CallIdInUse
from steno_ingest.metrics import CALL_STATES, CALLS_ACCEPTED
from steno_ingest.nul_characters import refuse_nul
from steno_ingest.outbox import Outbox

log = structlog.get_logger("steno.ingest.calls")

KAFKA = "kafka"
"""The door of calls that upstream systems publish on Kafka."""

_MOST_TOGETHER = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """The start of a call, from a door or from Kafka."""

    record: CallStarted
    door: str
    #: The instance that has its connection; empty for a call of an upstream system.
    instance: str = ""
    paused: bool = False
    #: Length of its chunks in milliseconds; 0 for a call of an upstream system.
    chunk_ms: int = 0
    #: The context with the trace for the first record of the call.
    context: Context = field(default_factory=copy_context, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The call of a start in the ledger."""

    call: CallView
    #: Whether it was not known before.
    new: bool


class CallStarts:
    """Accepts calls. The call log decides which call was first: a call of a door loses its id to another one whose start is
    read from the log before any record of the first."""

    def __init__(self, engine: AsyncEngine, outbox: Outbox, writer: CallWriter, *, clock: Callable[[], datetime]) -> None:
        self._engine = engine
        self._outbox = outbox
        self._writer = writer
        self._clock = clock
        # Only one start per call id and transaction, so that the next one finds its row.
        self._batches = Batches(self._accept_all, key=lambda start: start.record.call_id, most=_MOST_TOGETHER)

    async def accept(self, start: Start) -> Accepted:
        """Accepts a call; a repetition has no effect.

        Raises:
            CallIdInUse: another call has or had this id, or it is that of another tenant's recordings.
            UnusableId: its id or locale contains a NUL.
            DatabaseUnavailable: nothing was changed.
        """
        refuse_nul(start.record, start.record.locale, start.record.protocol)
        accepted = await self._batches.do(start)
        if isinstance(accepted, CallIdInUse):
            raise accepted
        return accepted

    async def _accept_all(self, starts: Sequence[Start]) -> list[Accepted | CallIdInUse]:
        """Accepts calls with different ids."""
        # In the same order in every process, to avoid a deadlock.
        by_id = {start.record.call_id: start for start in sorted(starts, key=lambda start: start.record.call_id)}
        call_ids = list(by_id)
        accepted: dict[str, Accepted] = {}
        refused: dict[str, CallIdInUse] = {}
        async with transaction(self._engine) as connection:
            await rows.lock_all(connection, call_ids)
            known = await rows.find_all(connection, call_ids)
            owners = await recorded_owners(connection, call_ids)
            for call_id, start in by_id.items():
                try:
                    accepted[call_id] = await self._accept_one(connection, start, known.get(call_id), owners.get(call_id, ()))
                except CallIdInUse as error:
                    refused[call_id] = error
            begun = [(by_id[call_id], one.call) for call_id, one in accepted.items() if call_id not in known]
            if begun:
                await self._insert(connection, begun)
            passes = await rows.passes_of_all(connection, call_ids)
            after = {
                call_id: await self._apply_passes(connection, one.call, passes) if one.new else one.call
                for call_id, one in accepted.items()
            }
        for call_id, one in accepted.items():
            by_id[call_id].context.run(self._report, by_id[call_id], one, after[call_id])
        return [
            refused[call_id] if call_id in refused else replace(accepted[call_id], call=after[call_id])
            for call_id in (start.record.call_id for start in starts)
        ]

    async def _accept_one(
        self, connection: AsyncConnection, start: Start, call: CallView | None, recorded: Sequence[str]
    ) -> Accepted:
        """Decides on a start; the caller must insert a call that was not known.

        Raises:
            CallIdInUse: it cannot have this id.
        """
        heard_at = self._clock() if start.door == KAFKA else None
        if start.door != KAFKA:
            # A call on Kafka cannot be refused for its tenant, since Kafka itself controls who may write.
            owners = recorded if call is None else [call.tenant, *recorded]
            check_owners(start.record.call_id, owners, Caller(start.door, start.record.tenant))
        if call is not None and call.fingerprint == fingerprint(start.record):
            heard = {"heard_at": call.heard_at or heard_at}
            return Accepted(call=await self._writer.write(connection, call, heard), new=False)
        new = replace(
            decide.new_call(
                start.record,
                door=start.door,
                instance=start.instance,
                paused=start.paused,
                chunk_ms=start.chunk_ms,
                at=self._clock(),
            ),
            heard_at=heard_at,
        )
        if call is not None and not (start.door == KAFKA and decide.gives_way(call)):
            raise decide.id_in_use(call)
        if call is not None:
            log.warning("call.gave_way", call_id=call.call_id, door=call.door)
            new = await self._writer.write(connection, call, {name.name: getattr(new, name.name) for name in fields(new)})
        return Accepted(call=new, new=True)

    async def _insert(self, connection: AsyncConnection, begun: Sequence[tuple[Start, CallView]]) -> None:
        await rows.insert_all(connection, [call for _, call in begun])
        records = [start.context.run(self._outbox.encode, CALLS, record_of(call)) for start, call in begun]
        await self._outbox.add_all(connection, CALLS, records)

    async def _apply_passes(self, connection: AsyncConnection, call: CallView, passes: rows.Passes) -> CallView:
        return await self._writer.write(connection, call, decide.apply_passes(call, rows.passes_over(call, passes)))

    def _report(self, start: Start, accepted: Accepted, after: CallView) -> None:
        if accepted.new:
            CALLS_ACCEPTED.labels(start.door).inc()
            CALL_STATES.labels(CallStatus.ACTIVE.value).inc()
            log.info("call.accepted", call_id=after.call_id, door=start.door, protocol=after.protocol)
        self._writer.report(accepted.call, after)
