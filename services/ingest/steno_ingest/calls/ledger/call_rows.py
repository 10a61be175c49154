"""Reads and writes the rows of calls, within a transaction that holds their locks."""

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from steno.events.recognition import RecognitionDetails
from steno.events.records import AudioCodec, CallChannel, CallStatus
from steno.events.result_document import TranscriptObservation
from steno.storage.transactions import insert_once
from steno.tenants import Caller
from steno_ingest.calls.ledger.passes import Pass
from steno_ingest.calls.ledger.tables import call_entries, call_passes, calls
from steno_ingest.calls.ledger.view import CallView
from steno_ingest.errors import NotThere

_FIELDS = tuple(field.name for field in fields(CallView))

Passes = Mapping[str, Sequence[Pass]]
"""The passes by call id."""

# Any number that is not used for another pair of advisory locks on this database (PostgreSQL §13.3.5).
_LOCKS = 0x43414C4C


async def lock(connection: AsyncConnection, call_id: str) -> None:
    """Locks a call against other writers until the end of the transaction; it may have no row yet."""
    # On SQLite the transaction already has the only write lock.
    if connection.dialect.name == "postgresql":
        digest = hashlib.blake2b(call_id.encode(), digest_size=4).digest()
        await connection.execute(select(func.pg_advisory_xact_lock(_LOCKS, int.from_bytes(digest, signed=True))))


async def lock_all(connection: AsyncConnection, call_ids: Iterable[str]) -> None:
    """Locks several calls; their ids must be sorted, to avoid a deadlock."""
    for call_id in call_ids:
        await lock(connection, call_id)


async def find_all(connection: AsyncConnection, call_ids: Collection[str]) -> dict[str, CallView]:
    """Returns the known calls of some ids."""
    found = await connection.execute(select(calls).where(calls.c.call_id.in_(call_ids)))
    return {row.call_id: view_of(row) for row in found}


async def find(connection: AsyncConnection, call_id: str) -> CallView | None:
    """Returns a call, or None if it is not known."""
    row = (await connection.execute(select(calls).where(calls.c.call_id == call_id))).one_or_none()
    return None if row is None else view_of(row)


async def locked(connection: AsyncConnection, call_id: str) -> CallView:
    """Locks a call and returns it. Raises `NotThere`."""
    await lock(connection, call_id)
    return existing(await find(connection, call_id), call_id)


def view_of(row: Row[Any]) -> CallView:
    """Converts a row to a call."""
    typed = {
        "state": CallStatus(row.state),
        "codec": AudioCodec(row.codec),
        "recognition": RecognitionDetails.model_validate(row.recognition),
        "channels": tuple(CallChannel.model_validate(entry) for entry in row.channels),
    }
    return CallView(**{**{name: row._mapping[name] for name in _FIELDS}, **typed})


def existing(call: CallView | None, call_id: str) -> CallView:
    """Returns the call. Raises `NotThere` if it is None."""
    if call is None:
        raise _not_there(call_id)
    return call


def visible(call: CallView | None, call_id: str, caller: Caller) -> CallView:
    """Returns the call. Raises `NotThere` if it is None, or if the caller does not see it."""
    if call is None or not caller.sees(call.tenant):
        raise _not_there(call_id)
    return call


def _not_there(call_id: str) -> NotThere:
    return NotThere(f"there is no call {call_id}; GET /v1/calls lists all calls")


async def insert_all(connection: AsyncConnection, new: Sequence[CallView]) -> None:
    """Inserts the rows and the first entries of calls."""
    await connection.execute(calls.insert(), [_columns({name: getattr(call, name) for name in _FIELDS}) for call in new])
    entries = [_entry(call.call_id, None, call.state, call.accepted_at) for call in new]
    await connection.execute(call_entries.insert(), entries)


async def change(connection: AsyncConnection, call: CallView, changes: Mapping[str, Any]) -> None:
    """Updates fields of a call, and adds an entry if its state changes; the caller has checked that the transition is legal."""
    await connection.execute(update(calls).where(calls.c.call_id == call.call_id).values(**_columns(changes)))
    if "state" in changes:
        entry = _entry(call.call_id, call.state, changes["state"], changes["updated_at"])
        await connection.execute(call_entries.insert(), entry)


async def passes(connection: AsyncConnection, call: CallView) -> list[Pass]:
    """Returns the completed and failed passes over a call."""
    return passes_over(call, await passes_of_all(connection, [call.call_id]))


async def passes_of_all(connection: AsyncConnection, call_ids: Collection[str]) -> Passes:
    """Returns the completed and failed passes over the calls of some ids, of all tenants."""
    found: dict[str, list[Pass]] = defaultdict(list)
    for row in await connection.execute(select(call_passes).where(call_passes.c.call_id.in_(call_ids))):
        found[row.call_id].append(_pass(row))
    return found


def passes_over(call: CallView, found: Passes) -> list[Pass]:
    """Selects the passes over a call, without the live pass of another tenant's call with the same id."""
    return [
        entry
        for entry in found.get(call.call_id, ())
        if entry.recording_id != call.recording_id or entry.tenant in (None, call.tenant)
    ]


async def insert_pass(connection: AsyncConnection, outcome: Pass) -> None:
    """Inserts a pass over a call; a repetition has no effect."""
    observations = [observation.model_dump() for observation in outcome.observations]
    await insert_once(connection, call_passes, {**asdict(outcome), "observations": observations})


def _pass(row: Row[Any]) -> Pass:
    observations = tuple(map(TranscriptObservation.model_validate, row.observations))
    return Pass(**{**row._mapping, "state": CallStatus(row.state), "observations": observations})


def _columns(values: Mapping[str, Any]) -> dict[str, Any]:
    columns = dict(values)
    if "channels" in columns:
        columns["channels"] = [channel.model_dump(mode="json") for channel in columns["channels"]]
    if "recognition" in columns:
        columns["recognition"] = columns["recognition"].model_dump(mode="json", exclude_defaults=True)
    if "properties" in columns:
        columns["properties"] = dict(columns["properties"])
    return columns


def _entry(call_id: str, from_state: CallStatus | None, to_state: CallStatus, at: datetime) -> dict[str, Any]:
    before = None if from_state is None else from_state.value
    return {"call_id": call_id, "from_state": before, "to_state": to_state.value, "at": at}
