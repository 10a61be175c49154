"""The ledger: every recording that was ever accepted, and what became of it.

Each change is one transaction: the row of the recording, its entry, and what is to be published about it. All are idempotent:
the same submission or result again changes nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import structlog
from sqlalchemy import Row, Select, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from steno.audio_files import naming
from steno.events.catalogue import RECORDINGS, TRANSCRIPTS
from steno.events.records import RecordingCancelled, RecordingSubmitted, TranscriptFailed
from steno.paging import Page, Position
from steno.storage.lists import read_page, seen_by
from steno.storage.transactions import insert_once, transaction
from steno.tenants import Caller
from steno_ingest.calls.ledger import call_rows
from steno_ingest.errors import AlreadyEnded, KeyReused, NotThere
from steno_ingest.metrics import ACCEPTED, SECONDS_TO_END, STATES
from steno_ingest.outbox import Outbox, now
from steno_ingest.owners import owner_for
from steno_ingest.recordings.states import State, may_become
from steno_ingest.tables import entries, idempotency_keys, recordings

log = structlog.get_logger("steno.ingest.ledger")


class Door(StrEnum):
    """The way a recording came in."""

    REST = "rest"
    FOLDER = "folder"
    KAFKA = "kafka"
    #: The recording of a live call, submitted for a second pass.
    CALL = "call"


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """A client's promise that a request is the same as any other it sends with this key."""

    client: Caller
    key: str
    #: Digest of what makes the request the same.
    fingerprint: str

    @property
    def promiser(self) -> str:
        """Whose promises are one: a name's, as before there were tenants, unless it is of another tenant than its own."""
        own = self.client.everything or self.client.tenant == self.client.name
        # No name has a space.
        return self.client.name if own else f"{self.client.tenant} {self.client.name}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Filters:
    """Which recordings are listed; None does not filter."""

    state: State | None = None
    call_id: str | None = None
    #: Accepted at this time or later.
    since: datetime | None = None
    #: Accepted before this time.
    until: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """A state that a recording came to, with what is known since."""

    state: State
    at: datetime
    reason: str | None = None
    error: str | None = None
    result_url: str | None = None
    phrase_count: int | None = None
    duration_ms: int | None = None
    damaged_ms: int | None = None
    missing_ms: int | None = None


class Ledger:
    """The recordings in a database."""

    def __init__(self, engine: AsyncEngine, outbox: Outbox, *, clock: Callable[[], datetime] = now) -> None:
        self._engine = engine
        self._outbox = outbox
        self._clock = clock

    async def accept(
        self, record: RecordingSubmitted, *, door: Door, caller: Caller, claim: Claim | None = None
    ) -> tuple[Row[Any], bool]:
        """Takes a recording in, once, and has it published; gives its row, and whether this call took it in.

        Raises:
            CallIdInUse: its call is somebody else's.
            KeyReused: the client used its key for another request.
            DatabaseUnavailable: nothing was kept.
        """
        async with transaction(self._engine) as connection:
            await call_rows.lock(connection, record.call_id)
            record = record.model_copy(update={"tenant": await owner_for(connection, record.call_id, caller)})
            if claim is not None and not await self._claim(connection, claim, record.recording_id):
                return await _older(connection, claim), False
            created = await self._insert(connection, record, door)
            if created:
                await self._outbox.add(connection, RECORDINGS, record, publishes=record.recording_id)
            row = await _filled_in(connection, record, created)
        if created:
            self._outbox.wake()
            self._note_accepted(row)
        return row, created

    async def before(self, call_id: str, *, caller: Caller, claim: Claim | None) -> Row[Any] | None:
        """What there is to know before audio is put in its place: the recording of an earlier request with the same key, or
        None. Raises `KeyReused`, and `CallIdInUse` where the call is somebody else's."""
        async with transaction(self._engine) as connection:
            if claim is not None and (older := await _older_if_any(connection, claim)) is not None:
                return older
            await owner_for(connection, call_id, caller)
        return None

    async def note_submission(self, record: RecordingSubmitted) -> None:
        """Takes in a recording that is on Kafka already: by others, or our own come back."""
        async with transaction(self._engine) as connection:
            created = await self._insert(connection, record, Door.KAFKA)
            row = await _filled_in(connection, record, created)
        if created:
            self._note_accepted(row)

    async def note_step(self, recording_id: str, call_id: str, step: Step) -> bool:
        """Applies what others say became of a recording; says whether that changed anything.

        A recording that is not known is taken in with it, so that nothing is lost.
        """
        unknown = RecordingSubmitted.model_construct(recording_id=recording_id, call_id=call_id, url="", submitted_at=None)
        async with transaction(self._engine) as connection:
            created = await self._insert(connection, unknown, Door.KAFKA)
            row = await _locked(connection, recording_id)
            changed = await self._advance(connection, row, step)
        if created:
            self._note_accepted(row)
        if changed:
            self._note_step(row, step)
        elif State(row.state) != step.state:
            log.info("recording.step_ignored", recording_id=recording_id, state=row.state, ignored=step.state.value)
        return changed

    async def cancel(self, recording_id: str, *, caller: Caller) -> Row[Any]:
        """Ends a recording that is not wanted any more, and tells the transcribers.

        Raises:
            NotThere: there is no such recording.
            AlreadyEnded: it has ended already.
        """
        step = Step(state=State.CANCELLED, at=self._clock())
        async with transaction(self._engine) as connection:
            row = _seen(await _locked(connection, recording_id), caller)
            if not await self._advance(connection, row, step):
                raise AlreadyEnded(
                    f"recording {recording_id} has ended already ({row.state}), so it cannot be cancelled",
                    about={"state": row.state},
                )
            record = RecordingCancelled(call_id=row.call_id, recording_id=recording_id, cancelled_at=step.at)
            await self._outbox.add(connection, RECORDINGS, record)
            after = await _one(connection, recording_id)
        self._outbox.wake()
        self._note_step(row, step)
        return after

    async def fail(self, recording_id: str, *, reason: str, error: str) -> None:
        """Ends a recording that no transcriber will be told of, unless it has ended, and tells who waits for its transcript.

        Raises:
            NotThere: there is no such recording.
        """
        async with transaction(self._engine) as connection:
            row = await _locked(connection, recording_id)
            reason = naming(row.file_name, reason)
            step = Step(state=State.FAILED, at=self._clock(), reason=reason, error=error)
            if not await self._advance(connection, row, step):
                return
            # Without what is said of it: that may be what was too large.
            record = TranscriptFailed(
                call_id=row.call_id, recording_id=recording_id, reason=reason, error=error, failed_at=step.at, tenant=row.tenant
            )
            await self._outbox.add(connection, TRANSCRIPTS, record)
        self._outbox.wake()
        self._note_step(row, step)

    async def recording(self, recording_id: str, *, caller: Caller) -> Row[Any]:
        """A recording that a caller sees. Raises `NotThere`."""
        async with transaction(self._engine) as connection:
            return _seen(await _one(connection, recording_id), caller)

    async def page(self, filters: Filters, *, caller: Caller, after: Position | None, limit: int) -> Page[Row[Any]]:
        """Recordings that a caller sees, the newest first, from after a position on."""
        query = _filtered(select(recordings), filters).where(seen_by(caller, recordings.c.tenant))
        at, id = recordings.c.accepted_at, recordings.c.recording_id
        async with transaction(self._engine) as connection:
            return await read_page(connection, query, at=at, id=id, after=after, limit=limit)

    async def _insert(self, connection: AsyncConnection, record: RecordingSubmitted, door: Door) -> bool:
        at = self._clock()
        created = await insert_once(
            connection,
            recordings,
            {
                "recording_id": record.recording_id,
                "call_id": record.call_id,
                "state": State.ACCEPTED.value,
                "door": door.value,
                "accepted_at": at,
                "published_at": at if door is Door.KAFKA else None,
                **_details(record),
            },
        )
        if created:
            await _enter(connection, record.recording_id, None, State.ACCEPTED, at)
        return created

    async def _claim(self, connection: AsyncConnection, claim: Claim, recording_id: str) -> bool:
        return await insert_once(
            connection,
            idempotency_keys,
            {
                "client": claim.promiser,
                "key": claim.key,
                "fingerprint": claim.fingerprint,
                "recording_id": recording_id,
                "created_at": self._clock(),
            },
        )

    async def _advance(self, connection: AsyncConnection, row: Row[Any], step: Step) -> bool:
        current = State(row.state)
        if not may_become(current, step.state):
            return False
        known = {"started_at": step.at} if step.state is State.RUNNING else {"ended_at": step.at}
        for name in ("reason", "error", "result_url", "phrase_count", "duration_ms", "damaged_ms", "missing_ms"):
            if (value := getattr(step, name)) is not None:
                known[name] = value
        await connection.execute(
            update(recordings).where(recordings.c.recording_id == row.recording_id).values(state=step.state.value, **known)
        )
        await _enter(connection, row.recording_id, current, step.state, step.at)
        return True

    def _note_accepted(self, row: Row[Any]) -> None:
        ACCEPTED.labels(row.door).inc()
        STATES.labels(State.ACCEPTED.value).inc()
        log.info("recording.accepted", call_id=row.call_id, recording_id=row.recording_id, door=row.door)

    def _note_step(self, row: Row[Any], step: Step) -> None:
        STATES.labels(step.state.value).inc()
        if step.state.ended:
            seconds = max(0.0, (step.at - row.accepted_at).total_seconds())
            SECONDS_TO_END.labels(step.state.value).observe(seconds)
            log.info(
                "recording.ended",
                call_id=row.call_id,
                recording_id=row.recording_id,
                state=step.state.value,
                error=step.error,
                seconds=round(seconds, 3),
            )


def _details(record: RecordingSubmitted) -> dict[str, Any]:
    return {
        "url": record.url,
        "sha256": record.sha256,
        "channels": [{"channel": entry.channel, "role": entry.role.value} for entry in record.channels],
        "locale": record.locale,
        "properties": record.properties,
        "tenant": record.tenant,
        "file_name": record.file_name,
    }


async def _older(connection: AsyncConnection, claim: Claim) -> Row[Any]:
    row = await _older_if_any(connection, claim)
    if row is None:
        raise AssertionError("claims are not taken back")
    return row


async def _older_if_any(connection: AsyncConnection, claim: Claim) -> Row[Any] | None:
    query = select(idempotency_keys).where(idempotency_keys.c.client == claim.promiser, idempotency_keys.c.key == claim.key)
    older = (await connection.execute(query)).one_or_none()
    if older is None:
        return None
    row = await _one(connection, older.recording_id)
    if not claim.client.sees(row.tenant):
        # A key of the same name was of another tenant then.
        raise KeyReused("the Idempotency-Key was used for another request; use a new key for each new request")
    if older.fingerprint != claim.fingerprint:
        raise KeyReused(
            f"the Idempotency-Key was used for another request, which became recording {older.recording_id}; "
            "use a new key for each new request"
        )
    return row


async def _one(connection: AsyncConnection, recording_id: str) -> Row[Any]:
    return _found(
        (await connection.execute(select(recordings).where(recordings.c.recording_id == recording_id))).one_or_none(),
        recording_id,
    )


async def _filled_in(connection: AsyncConnection, record: RecordingSubmitted, created: bool) -> Row[Any]:
    """The row of a submitted recording; where a result had overtaken its submission, what was not known then is filled in."""
    row = await _one(connection, record.recording_id)
    if created or row.url:
        return row
    await connection.execute(
        update(recordings).where(recordings.c.recording_id == record.recording_id).values(**_details(record))
    )
    return await _one(connection, record.recording_id)


async def _locked(connection: AsyncConnection, recording_id: str) -> Row[Any]:
    # On SQLite the transaction holds the only write lock already.
    query = select(recordings).where(recordings.c.recording_id == recording_id).with_for_update()
    return _found((await connection.execute(query)).one_or_none(), recording_id)


def _found(row: Row[Any] | None, recording_id: str) -> Row[Any]:
    if row is None:
        raise _not_there(recording_id)
    return row


def _seen(row: Row[Any], caller: Caller) -> Row[Any]:
    """A row that a caller sees; somebody else's is not there."""
    if not caller.sees(row.tenant):
        raise _not_there(row.recording_id)
    return row


def _not_there(recording_id: str) -> NotThere:
    return NotThere(f"there is no recording {recording_id}; GET /v1/recordings lists those there are")


async def _enter(
    connection: AsyncConnection, recording_id: str, from_state: State | None, to_state: State, at: datetime
) -> None:
    await connection.execute(
        entries.insert().values(
            recording_id=recording_id,
            from_state=None if from_state is None else from_state.value,
            to_state=to_state.value,
            at=at,
        )
    )


def _filtered(query: Select[Any], filters: Filters) -> Select[Any]:
    conditions = []
    if filters.state is not None:
        conditions.append(recordings.c.state == filters.state.value)
    if filters.call_id is not None:
        conditions.append(recordings.c.call_id == filters.call_id)
    if filters.since is not None:
        conditions.append(recordings.c.accepted_at >= filters.since)
    if filters.until is not None:
        conditions.append(recordings.c.accepted_at < filters.until)
    return query.where(*conditions)
