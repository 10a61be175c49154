"""The ledger of live calls: stores every accepted call and its state.

Each change is one transaction: the row of the call, an entry if its state changes, and the records for Kafka in the outbox. All
changes are idempotent: a repeated record has no effect, and the end of a call does not depend on the order of records.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime

import structlog
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from steno.events.catalogue import CALL_AUDIO
from steno.events.properties import merged
from steno.events.records import (
    CallChannel,
    CallEnded,
    CallStarted,
    CallStatus,
    Phrase,
    RolesCorrected,
    TranscriptCompleted,
    TranscriptFailed,
    TranscriptStarted,
)
from steno.storage.transactions import insert_once, transaction
from steno.tenants import Caller
from steno_ingest.calls.ledger import call_rows as rows
from steno_ingest.calls.ledger import changes as decide
from steno_ingest.calls.ledger.call_starts import KAFKA, CallStarts, Start
from steno_ingest.calls.ledger.call_writer import TICK, CallWriter
from steno_ingest.calls.ledger.changes import Changes
from steno_ingest.calls.ledger.passes import pass_of
from steno_ingest.calls.ledger.phrase_rows import PhraseRows
from steno_ingest.calls.ledger.states import may_become
from steno_ingest.calls.ledger.tables import call_events, calls
from steno_ingest.calls.ledger.view import CallView, Standing, start_of
from steno_ingest.nul_characters import refuse_nul, without_nul
from steno_ingest.outbox import Outbox, now

log = structlog.get_logger("steno.ingest.calls")


class CallLedger:
    """The live calls in a database. Every method may raise `DatabaseUnavailable`, and then changed nothing."""

    def __init__(self, engine: AsyncEngine, outbox: Outbox, *, clock: Callable[[], datetime] = now) -> None:
        self._engine = engine
        self._outbox = outbox
        self._clock = clock
        self._phrases = PhraseRows(engine)
        self._writer = CallWriter(outbox, clock=clock)
        self._starts = CallStarts(engine, outbox, self._writer, clock=clock)

    async def begin(self, started: CallStarted, *, door: str, instance: str, paused: bool, chunk_ms: int) -> None:
        """Accepts a call from a door of this instance, with the length of its chunks; a repetition has no effect.

        Raises:
            CallIdInUse: another call has or had this id, or it is that of another tenant's recordings.
            UnusableId: its id or locale contains a NUL.
        """
        start = Start(record=started, door=door, instance=instance, paused=paused, chunk_ms=chunk_ms)
        accepted = await self._starts.accept(start)
        if not accepted.new and not (accepted.call.open and accepted.call.instance == instance):
            raise decide.id_in_use(accepted.call)

    async def note_started(self, started: CallStarted) -> bool:
        """Accepts a call whose start is on Kafka, from an upstream system or a door; returns whether it was new.

        Raises:
            CallIdInUse: another call has or had this id.
            UnusableId: its id or locale contains a NUL.
        """
        return (await self._starts.accept(Start(record=started, door=KAFKA))).new

    async def resume(self, call_id: str, *, instance: str, caller: Caller) -> CallView:
        """Moves a call to this instance, to which its peer has reconnected.

        Raises:
            NotThere: there is no such call that the caller sees.
            CallAlreadyEnded: its audio has ended.
        """

        def moved(call: CallView) -> Changes:
            rows.visible(call, call_id, caller)
            if call.state is not CallStatus.ACTIVE:
                raise decide.already_ended(call, "be resumed")
            return {"instance": instance, "end_reason": ""}

        return await self._apply(call_id, moved)

    async def set_paused(
        self, call_id: str, paused: bool, *, by: str, reason: str = "", instance: str | None = None
    ) -> CallView:
        """Pauses or resumes a call by the rule of `changes.set_paused`; if an instance is given, only a call of that instance.

        Raises like `resume`."""

        def changed(call: CallView) -> Changes:
            if instance not in (None, call.instance):
                rows.existing(None, call_id)
            if not call.open:
                raise decide.already_ended(call, "be paused" if paused else "be resumed")
            return decide.set_paused(call, paused, by=by, reason=reason)

        return await self._apply(call_id, changed)

    async def correct_roles(self, call_id: str, channels: Sequence[CallChannel], *, by: str) -> CallView:
        """Corrects the roles of channels, and publishes the correction on the call's log while the call is open.

        Raises:
            NotThere: there is no such call.
            InvalidMetadata: it has no such channel.
        """
        async with transaction(self._engine) as connection:
            call = await rows.locked(connection, call_id)
            at = max(self._clock(), (call.roles_corrected_at or call.started_at) + TICK)
            new = decide.correct_roles(call, channels, at)
            after = await self._writer.write(connection, call, new)
            if new and after.open:
                record = RolesCorrected(call_id=call_id, channels=after.channels, corrected_by=by, corrected_at=at)
                await self._outbox.add(connection, CALL_AUDIO, record)
        self._writer.report(call, after)
        return after

    async def note_roles(self, record: RolesCorrected) -> CallView:
        """Applies a correction from the call's log. Raises like `correct_roles`."""
        return await self._apply(record.call_id, lambda call: decide.correct_roles(call, record.channels, record.corrected_at))

    async def update(self, call_id: str, *, properties: Mapping[str, str], locale: str = "") -> None:
        """Adds properties of a call, and sets its language.

        Raises:
            NotThere: there is no such call.
            PropertiesTooLarge: together with the existing properties they exceed the limit.
        """

        def known(call: CallView) -> Changes:
            return {"properties": merged(call.properties, properties), "locale": without_nul(locale) or call.locale}

        await self._apply(call_id, known)

    async def end_audio(self, end: CallEnded) -> bool:
        """Ends the audio of a call; returns whether that was new, since only the first end counts. Raises `NotThere`."""
        async with transaction(self._engine) as connection:
            call = await rows.locked(connection, end.call_id)
            if not call.open:
                return False
            after = await self._writer.write(connection, call, decide.end_audio(call, end, await rows.passes(connection, call)))
        self._writer.report(call, after)
        return True

    async def fail(self, call_id: str, *, reason: str, error: str) -> bool:
        """Fails a call that can never get a transcript; returns whether that changed it. Raises `NotThere`.

        Args:
            reason: Why, for a person.
            error: Why, for programs.
        """
        changed = False

        def failed(call: CallView) -> Changes:
            nonlocal changed
            changed = may_become(call.state, CallStatus.FAILED)
            if not changed:
                return {}
            known = {"ended_at": self._clock(), "end_position": call.heard_position} if call.open else {}
            return {"state": CallStatus.FAILED, "reason": without_nul(reason), "error": without_nul(error), **known}

        await self._apply(call_id, failed)
        return changed

    async def request_end(self, call_id: str, *, by: str) -> CallView:
        """Requests the end of a call from the instance that has its peer. Raises like `resume`.

        A call that an upstream system publishes ends immediately: its end is published on its log.
        """
        async with transaction(self._engine) as connection:
            call = await rows.locked(connection, call_id)
            if not call.open:
                raise decide.already_ended(call, "be ended")
            changes: Changes = {"end_requested_by": without_nul(by)}
            if call.door == KAFKA:
                why = f"closed by {by} while its publisher had not ended it"
                changes = {**changes, **await self._end_here(connection, call, reason="closed", error=why)}
            after = await self._writer.write(connection, call, changes)
        self._writer.report(call, after)
        return after

    async def leave(self, *, instance: str, reason: str) -> None:
        """Sets the reason for which the open calls of this instance end if their peers do not return: the instance stops."""
        own = calls.c.instance == instance, calls.c.ended_at.is_(None)
        async with transaction(self._engine) as connection:
            # In the same order as other writers of several calls, to avoid a deadlock.
            await connection.execute(select(calls.c.call_id).where(*own).order_by(calls.c.call_id).with_for_update())
            await connection.execute(update(calls).where(*own).values(end_reason=reason))

    async def end_lost(self, call_id: str, *, instance: str, reason: str, error: str) -> bool:
        """Ends a call of this instance whose peer is gone, at the last received audio; with the reason of `leave`, if any.

        Returns whether the call was still open and assigned to this instance. Raises `NotThere`.
        """
        async with transaction(self._engine) as connection:
            call = await rows.locked(connection, call_id)
            if not call.open or call.instance != instance:
                return False
            if call.end_reason:
                reason, error = call.end_reason, "its peer did not return"
            after = await self._writer.write(
                connection, call, await self._end_here(connection, call, reason=reason, error=error)
            )
        self._writer.report(call, after)
        return True

    async def standing(self, *, instance: str) -> list[Standing]:
        """What others request of the open calls of this instance; cheap, since it is read every second."""
        asked = [getattr(calls.c, field.name) for field in fields(Standing)]
        query = select(*asked).where(calls.c.instance == instance, calls.c.ended_at.is_(None))
        async with transaction(self._engine) as connection:
            return [Standing(**row._mapping) for row in await connection.execute(query)]

    async def note_transcript(self, record: TranscriptStarted | TranscriptCompleted | TranscriptFailed) -> None:
        """Notes the outcome of a pass over a call: the live pass ends it, and a pass that supersedes the current one replaces
        that. Passes over calls that are not known yet are kept until they are.

        Raises:
            UnusableId: one of its ids has a NUL in it.
        """
        if isinstance(record, TranscriptStarted) or (outcome := pass_of(record)) is None:
            return
        refuse_nul(record, outcome.recording_id, outcome.supersedes)
        async with transaction(self._engine) as connection:
            await rows.lock(connection, record.call_id)
            await rows.insert_pass(connection, outcome)
            call = await rows.find(connection, record.call_id)
            if call is None:
                return
            after = await self._writer.write(connection, call, decide.apply_passes(call, await rows.passes(connection, call)))
        self._writer.report(call, after)

    async def note_phrase(self, phrase: Phrase) -> None:
        """Saves a phrase of a live pass; the newest revision of a phrase counts. Raises `UnusableId`."""
        await self._phrases.save(phrase)

    async def note_event(self, call_id: str, kind: str, *, position_ms: int, duration_ms: int = 0, detail: str = "") -> None:
        """Stores an event of a call, once per kind and position: gap_lost, gap_paused, one_way_audio, ..."""
        values = {
            "call_id": call_id,
            "kind": kind,
            "position_ms": position_ms,
            "duration_ms": duration_ms,
            "detail": without_nul(detail),
            "at": self._clock(),
        }
        async with transaction(self._engine) as connection:
            await insert_once(connection, call_events, values)

    async def note_heard(self, positions: Mapping[str, int]) -> None:
        """Stores how much audio of calls was received, in samples of one channel; it never decreases."""
        at = self._clock()
        async with transaction(self._engine) as connection:
            for call_id, position in sorted(positions.items()):
                further = update(calls).where(calls.c.call_id == call_id, calls.c.heard_position < position)
                await connection.execute(further.values(heard_position=position, heard_at=at))

    async def note_recording(self, call_id: str, recording_id: str, url: str) -> None:
        """Stores the id and URL of the recording of a call's audio. Raises `NotThere`."""
        await self._apply(call_id, lambda _: {"audio_recording_id": recording_id, "audio_url": url})

    async def call(self, call_id: str, *, caller: Caller | None = None) -> CallView:
        """Returns a call; if a caller is given, only one that the caller sees. Raises `NotThere`."""
        async with transaction(self._engine) as connection:
            call = await rows.find(connection, call_id)
            return rows.existing(call, call_id) if caller is None else rows.visible(call, call_id, caller)

    async def open_calls(self, *, instance: str | None = None) -> list[CallView]:
        """Returns the open calls, oldest first, of one instance or of all."""
        query = select(calls).where(calls.c.ended_at.is_(None)).order_by(calls.c.accepted_at, calls.c.call_id)
        if instance is not None:
            query = query.where(calls.c.instance == instance)
        async with transaction(self._engine) as connection:
            return [rows.view_of(row) for row in await connection.execute(query)]

    async def _end_here(self, connection: AsyncConnection, call: CallView, *, reason: str, error: str) -> Changes:
        """Publishes the end of a call on its log, after the received audio; returns the resulting changes.

        If the start was not read from the log yet, it is published first, so that readers of the log handle the call like any
        other.
        """
        if call.heard_at is None:
            await self._outbox.add(connection, CALL_AUDIO, start_of(call))
        end = CallEnded(
            call_id=call.call_id,
            position=call.heard_position,
            complete=False,
            reason=reason,
            error=error,
            ended_at=self._clock(),
            writer=call.writer,
        )
        await self._outbox.add(connection, CALL_AUDIO, end)
        return decide.end_audio(call, end, await rows.passes(connection, call))

    async def _apply(self, call_id: str, change: Callable[[CallView], Changes]) -> CallView:
        async with transaction(self._engine) as connection:
            call = await rows.locked(connection, call_id)
            after = await self._writer.write(connection, call, change(call))
        self._writer.report(call, after)
        return after
