"""The ledger of recordings: stores every accepted recording and its state.

Each change is one transaction: the row of the recording, an entry, and the records to publish. Changes are idempotent:
a repeated submission or result has no effect.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from steno.audio_files import naming
from steno.events.catalogue import RECORDINGS, TRANSCRIPTS
from steno.events.records import RecordingCancelled, RecordingSubmitted, TranscriptFailed
from steno.paging import Page, Position
from steno.storage.lists import matching, read_page, seen_by
from steno.storage.transactions import transaction
from steno.tenants import Caller
from steno_ingest.call_owners import owner_of_call
from steno_ingest.calls.ledger import call_rows
from steno_ingest.errors import AlreadyEnded, NotThere
from steno_ingest.metrics import ACCEPTED, SECONDS_TO_END, STATES
from steno_ingest.outbox import Outbox, now
from steno_ingest.recordings import rows
from steno_ingest.recordings.idempotency import Claim, find_claimed, insert_claim
from steno_ingest.recordings.states import State
from steno_ingest.recordings.tables import recordings
from steno_ingest.recordings.view import Door, RecordingView, Step

log = structlog.get_logger("steno.ingest.ledger")


@dataclass(frozen=True, kw_only=True, slots=True)
class Filters:
    """The filters of a list of recordings; None does not filter."""

    state: State | None = None
    call_id: str | None = None
    #: Accepted at this time or later.
    since: datetime | None = None
    #: Accepted before this time.
    until: datetime | None = None


class RecordingLedger:
    """The recordings in a database. Every method may raise `DatabaseUnavailable`."""

    def __init__(self, engine: AsyncEngine, outbox: Outbox, *, clock: Callable[[], datetime] = now) -> None:
        self._engine = engine
        self._outbox = outbox
        self._clock = clock

    async def accept(
        self, record: RecordingSubmitted, *, door: Door, caller: Caller, claim: Claim | None = None
    ) -> tuple[RecordingView, bool]:
        """Accepts a recording and publishes it; returns the recording, and whether it is new.

        Raises:
            CallIdInUse: its call belongs to another tenant.
            KeyReused: the client used its key for another request.
            DatabaseUnavailable: nothing was stored.
        """
        async with transaction(self._engine) as connection:
            await call_rows.lock(connection, record.call_id)
            record = record.model_copy(update={"tenant": await owner_of_call(connection, record.call_id, caller)})
            if claim is not None and not await insert_claim(connection, claim, record.recording_id, self._clock()):
                earlier = await find_claimed(connection, claim)
                assert earlier is not None, "claims are never deleted"
                return earlier, False
            created = await rows.insert(connection, record, door, self._clock())
            if created:
                await self._outbox.add(connection, RECORDINGS, record, publishes=record.recording_id)
            recording = await rows.fill_in(connection, record)
        if created:
            self._outbox.wake()
            _report_accepted(recording)
        return recording, created

    async def find_earlier(self, call_id: str, *, caller: Caller, claim: Claim | None) -> RecordingView | None:
        """Finds the recording of an earlier request with the same key; called before audio is moved to its final key.

        Raises:
            CallIdInUse: the call belongs to another tenant.
            KeyReused: the client used its key for another request.
        """
        async with transaction(self._engine) as connection:
            if claim is not None and (earlier := await find_claimed(connection, claim)) is not None:
                return earlier
            await owner_of_call(connection, call_id, caller)
        return None

    async def note_submission(self, record: RecordingSubmitted) -> None:
        """Accepts a recording that is on Kafka already, published by others or by this service."""
        async with transaction(self._engine) as connection:
            created = await rows.insert(connection, record, Door.KAFKA, self._clock())
            recording = await rows.fill_in(connection, record)
        if created:
            _report_accepted(recording)

    async def note_step(self, recording_id: str, call_id: str, step: Step) -> bool:
        """Applies a step from Kafka to a recording; returns whether that changed it.

        An unknown recording is accepted together with its end, so that nothing is lost. The start of an unknown recording is
        ignored: if it was submitted, the submission will arrive; if not, the recording might never end.
        """
        unknown = RecordingSubmitted.model_construct(recording_id=recording_id, call_id=call_id, url="", submitted_at=None)
        async with transaction(self._engine) as connection:
            created = step.state.ended and await rows.insert(connection, unknown, Door.KAFKA, self._clock())
            try:
                recording = await rows.lock(connection, recording_id)
            except NotThere:
                log.info("recording.start_ignored", recording_id=recording_id, call_id=call_id)
                return False
            changed = await rows.advance(connection, recording, step)
        if created:
            _report_accepted(recording)
        if changed:
            _report_step(recording, step)
        elif recording.state is not step.state:
            log.info(
                "recording.step_ignored",
                recording_id=recording_id,
                state=recording.state.value,
                ignored=step.state.value,
            )
        return changed

    async def cancel(self, recording_id: str, *, caller: Caller) -> RecordingView:
        """Cancels a recording and publishes that for the transcribers.

        Raises:
            NotThere: there is no such recording.
            AlreadyEnded: it has ended already.
        """
        step = Step(state=State.CANCELLED, at=self._clock())
        async with transaction(self._engine) as connection:
            recording = rows.visible(await rows.lock(connection, recording_id), caller)
            if not await rows.advance(connection, recording, step):
                state = recording.state.value
                raise AlreadyEnded(
                    f"recording {recording_id} has ended already ({state}), so it cannot be cancelled", about={"state": state}
                )
            record = RecordingCancelled(call_id=recording.call_id, recording_id=recording_id, cancelled_at=step.at)
            await self._outbox.add(connection, RECORDINGS, record)
            cancelled = await rows.find(connection, recording_id)
        self._outbox.wake()
        _report_step(recording, step)
        return cancelled

    async def fail(self, recording_id: str, *, reason: str, error: str) -> None:
        """Fails a recording that transcribers will not get, unless it has ended, and publishes that.

        Raises:
            NotThere: there is no such recording.
        """
        async with transaction(self._engine) as connection:
            recording = await rows.lock(connection, recording_id)
            reason = naming(recording.file_name, reason)
            step = Step(state=State.FAILED, at=self._clock(), reason=reason, error=error)
            if not await rows.advance(connection, recording, step):
                return
            # Without the properties, which may have been too large.
            record = TranscriptFailed(
                call_id=recording.call_id,
                recording_id=recording_id,
                reason=reason,
                error=error,
                failed_at=step.at,
                tenant=recording.tenant,
            )
            await self._outbox.add(connection, TRANSCRIPTS, record)
        self._outbox.wake()
        _report_step(recording, step)

    async def recording(self, recording_id: str, *, caller: Caller) -> RecordingView:
        """Returns a recording that a caller sees. Raises `NotThere`."""
        async with transaction(self._engine) as connection:
            return rows.visible(await rows.find(connection, recording_id), caller)

    async def page(self, filters: Filters, *, caller: Caller, after: Position | None, limit: int) -> Page[RecordingView]:
        """Returns a page of recordings that a caller sees, newest first, after a position."""
        at, id = recordings.c.accepted_at, recordings.c.recording_id
        wanted = (recordings.c.state, filters.state), (recordings.c.call_id, filters.call_id)
        query = select(recordings).where(*matching(*wanted, at=at, since=filters.since, until=filters.until))
        query = query.where(seen_by(caller, recordings.c.tenant))
        async with transaction(self._engine) as connection:
            page = await read_page(connection, query, at=at, id=id, after=after, limit=limit)
        return page.map(rows.view_of)


def _report_accepted(recording: RecordingView) -> None:
    ACCEPTED.labels(recording.door.value).inc()
    STATES.labels(State.ACCEPTED.value).inc()
    log.info("recording.accepted", call_id=recording.call_id, recording_id=recording.recording_id, door=recording.door.value)


def _report_step(recording: RecordingView, step: Step) -> None:
    STATES.labels(step.state.value).inc()
    if step.state.ended:
        seconds = max(0.0, (step.at - recording.accepted_at).total_seconds())
        SECONDS_TO_END.labels(step.state.value).observe(seconds)
        log.info(
            "recording.ended",
            call_id=recording.call_id,
            recording_id=recording.recording_id,
            state=step.state.value,
            error=step.error,
            seconds=round(seconds, 3),
        )
