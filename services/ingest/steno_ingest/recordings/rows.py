"""Inserts, reads and updates the rows of recordings within the caller's transaction."""

from dataclasses import fields
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from steno.events.records import ChannelRole, RecordingSubmitted
from steno.storage.transactions import insert_once
from steno.tenants import Caller
from steno_ingest.errors import NotThere
from steno_ingest.recordings.states import State, may_become
from steno_ingest.recordings.tables import entries, recordings
from steno_ingest.recordings.view import Door, RecordingView, Step
from steno_ingest.totals import RECORDINGS

_FIELDS = tuple(field.name for field in fields(RecordingView))
_KNOWN_WITH_A_STEP = ("reason", "error", "result_url", "phrase_count", "duration_ms", "damaged_ms", "missing_ms")


def view_of(row: Row[Any]) -> RecordingView:
    """Converts a row to a recording."""
    kept = {name: row._mapping[name] for name in _FIELDS}
    typed = {
        "state": State(kept["state"]),
        "door": Door(kept["door"]),
        "channels": tuple(ChannelRole.model_validate(entry) for entry in kept["channels"]),
    }
    return RecordingView(**{**kept, **typed})


async def find(connection: AsyncConnection, recording_id: str) -> RecordingView:
    """Reads a recording. Raises `NotThere`."""
    return await _one(connection, select(recordings), recording_id)


async def lock(connection: AsyncConnection, recording_id: str) -> RecordingView:
    """Reads a recording and locks its row until the end of the transaction. Raises `NotThere`."""
    # On SQLite the transaction already has the only write lock.
    return await _one(connection, select(recordings).with_for_update(), recording_id)


def visible(recording: RecordingView, caller: Caller) -> RecordingView:
    """Returns the recording if the caller sees it. Raises `NotThere` otherwise."""
    if not caller.sees(recording.tenant):
        raise _not_there(recording.recording_id)
    return recording


async def insert(connection: AsyncConnection, record: RecordingSubmitted, door: Door, at: datetime) -> bool:
    """Inserts a recording as accepted, unless it exists; returns whether it did."""
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
        await _add_entry(connection, record.recording_id, None, State.ACCEPTED, at)
    return created


async def fill_in(connection: AsyncConnection, record: RecordingSubmitted) -> RecordingView:
    """Returns the recording of a submission; fills in its details if a result had arrived before the submission."""
    recording = await find(connection, record.recording_id)
    if recording.url or not record.url:
        return recording
    # The totals have it by tenant, which is among the details.
    await RECORDINGS.uncount(connection, record.recording_id)
    await connection.execute(
        update(recordings).where(recordings.c.recording_id == record.recording_id).values(**_details(record))
    )
    return await find(connection, record.recording_id)


async def advance(connection: AsyncConnection, recording: RecordingView, step: Step) -> bool:
    """Applies a step to a recording; returns False if the transition is not legal."""
    if not may_become(recording.state, step.state):
        return False
    known: dict[str, Any] = {"started_at": step.at} if step.state is State.RUNNING else {"ended_at": step.at}
    known |= {name: value for name in _KNOWN_WITH_A_STEP if (value := getattr(step, name)) is not None}
    await connection.execute(
        update(recordings).where(recordings.c.recording_id == recording.recording_id).values(state=step.state.value, **known)
    )
    await _add_entry(connection, recording.recording_id, recording.state, step.state, step.at)
    return True


async def _one(connection: AsyncConnection, query: Select[Any], recording_id: str) -> RecordingView:
    row = (await connection.execute(query.where(recordings.c.recording_id == recording_id))).one_or_none()
    if row is None:
        raise _not_there(recording_id)
    return view_of(row)


def _not_there(recording_id: str) -> NotThere:
    return NotThere(f"there is no recording {recording_id}; GET /v1/recordings lists all recordings")


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


async def _add_entry(
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
