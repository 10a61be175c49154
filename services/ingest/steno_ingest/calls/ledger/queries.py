"""Reads calls from the ledger: lists by filter, one call with its events, its phrases and its passes."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from steno.events.ids import live_pass_id
from steno.events.records import CallStatus, Phrase
from steno.events.result_document import TranscriptObservation, TranscriptPhrase
from steno.paging import Page, Position
from steno.storage.lists import matching, read_page, seen_by
from steno.storage.transactions import transaction
from steno.tenants import Caller
from steno_ingest.calls.ledger import call_rows as rows
from steno_ingest.calls.ledger.passes import Pass
from steno_ingest.calls.ledger.phrase_rows import phrase_of
from steno_ingest.calls.ledger.tables import call_events, call_passes, call_phrases, calls
from steno_ingest.calls.ledger.view import CallView

_TOGETHER = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class CallFilters:
    """The filters of a list of calls; None does not filter."""

    state: CallStatus | None = None
    door: str | None = None
    #: Accepted at this time or later.
    since: datetime | None = None
    #: Accepted before this time.
    until: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class CallEvent:
    """An event of a call."""

    kind: str
    position_ms: int
    duration_ms: int
    detail: str
    #: When it was stored.
    at: datetime


class CallQueries:
    """Reads the calls in a database. Every method may raise `DatabaseUnavailable`."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def page(self, filters: CallFilters, *, caller: Caller, after: Position | None, limit: int) -> Page[CallView]:
        """Returns a page of calls that a caller sees, newest first, after a position."""
        at, wanted = calls.c.accepted_at, ((calls.c.state, filters.state), (calls.c.door, filters.door))
        query = select(calls).where(*matching(*wanted, at=at, since=filters.since, until=filters.until))
        query = query.where(seen_by(caller, calls.c.tenant))
        async with transaction(self._engine) as connection:
            page = await read_page(connection, query, at=at, id=calls.c.call_id, after=after, limit=limit)
        return page.map(rows.view_of)

    async def with_events(self, call_id: str, *, caller: Caller) -> tuple[CallView, list[CallEvent]]:
        """Returns a call that a caller sees, and its events by time. Raises `NotThere`."""
        query = select(call_events).where(call_events.c.call_id == call_id)
        async with transaction(self._engine) as connection:
            call = rows.visible(await rows.find(connection, call_id), call_id, caller)
            noted = (await connection.execute(query)).all()
            passes = await rows.passes(connection, call)
        events = [_noted(row) for row in noted]
        for entry in passes:
            if entry.recording_id == call.recording_id:
                events += [_observed(observation, entry.at) for observation in entry.observations]
        return call, sorted(events, key=lambda event: (event.position_ms, event.kind))

    async def with_passes(self, call_id: str, *, caller: Caller) -> tuple[CallView, list[Pass]]:
        """Returns a call that a caller sees, and its completed and failed passes. Raises `NotThere`."""
        async with transaction(self._engine) as connection:
            call = rows.visible(await rows.find(connection, call_id), call_id, caller)
            return call, await rows.passes(connection, call)

    async def never_heard(self, before: datetime) -> list[CallView]:
        """Returns calls accepted before a time whose audio has not ended, and of which no record was read from the call log."""
        return await self._calls(calls.c.accepted_at < before, calls.c.ended_at.is_(None), calls.c.heard_at.is_(None))

    async def never_transcribed(self, before: datetime) -> list[CallView]:
        """Returns calls whose audio ended before a time, by our clock, and whose transcript has not ended."""
        # `ended_at` is by the clock of the publisher, which may be wrong by days.
        return await self._calls(calls.c.state == CallStatus.ENDING.value, calls.c.updated_at < before)

    async def phrases(self, call: CallView) -> tuple[TranscriptPhrase, ...]:
        """Returns the phrases of the live pass so far, by time and channel, without those of another tenant's call."""
        query = select(call_phrases.c.content).where(*_phrases_of(call.call_id, call.tenant))
        query = query.order_by(call_phrases.c.start_ms, call_phrases.c.channel)
        async with transaction(self._engine) as connection:
            return tuple(TranscriptPhrase.model_validate(content) for content in (await connection.execute(query)).scalars())

    async def live_phrases(self, call_id: str, *, tenant: str, first: int, limit: int) -> tuple[list[Phrase], int | None]:
        """Returns phrases of the live pass of a tenant's call, from a sequence number on in order, and their total number; None
        until the pass has ended."""
        query = select(call_phrases).where(*_phrases_of(call_id, tenant), call_phrases.c.sequence >= first)
        query = query.order_by(call_phrases.c.sequence).limit(limit)
        own = func.coalesce(call_passes.c.tenant, tenant) == tenant
        count = select(call_passes.c.phrase_count).where(call_passes.c.recording_id == live_pass_id(call_id), own)
        async with transaction(self._engine) as connection:
            over = (await connection.execute(count)).scalar_one_or_none()
            return [phrase_of(row) for row in await connection.execute(query)], over

    async def _calls(self, *conditions: ColumnElement[bool]) -> list[CallView]:
        async with transaction(self._engine) as connection:
            return [rows.view_of(row) for row in await connection.execute(select(calls).where(*conditions).limit(_TOGETHER))]


def _phrases_of(call_id: str, tenant: str) -> tuple[ColumnElement[bool], ...]:
    """Makes the conditions for the phrases of a tenant's call; rows of earlier versions of Steno have no tenant."""
    own = func.coalesce(call_phrases.c.content["tenant"].as_string(), tenant) == tenant
    return call_phrases.c.call_id == call_id, own


def _noted(row: Row[Any]) -> CallEvent:
    return CallEvent(kind=row.kind, position_ms=row.position_ms, duration_ms=row.duration_ms, detail=row.detail, at=row.at)


def _observed(observation: TranscriptObservation, at: datetime) -> CallEvent:
    return CallEvent(
        kind=observation.kind,
        position_ms=observation.start_ms,
        duration_ms=observation.duration_ms,
        detail=f"channel {observation.channel}",
        at=at,
    )
