"""Finds the tenant of a call and its recordings, which is the first one to use the call's id."""

from collections import defaultdict
from collections.abc import Collection, Iterable

from sqlalchemy import literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from steno.tenants import Caller
from steno_ingest.calls.ledger.tables import calls
from steno_ingest.errors import CallIdInUse
from steno_ingest.recordings.tables import recordings


async def owner_of_call(connection: AsyncConnection, call_id: str, caller: Caller) -> str:
    """Returns the tenant of a call: the known one, or the caller's if the call id is new.

    Raises:
        CallIdInUse: the call belongs to another tenant, which the message does not reveal.
    """
    call = select(calls.c.tenant, literal(0).label("rank")).where(calls.c.call_id == call_id)
    recorded = select(recordings.c.tenant, literal(1)).where(recordings.c.call_id == call_id).distinct()
    owners = [tenant for tenant, _ in await connection.execute(call.union_all(recorded).order_by("rank"))]
    check_owners(call_id, owners, caller)
    return owners[0] if owners else caller.tenant


async def recorded_owners(connection: AsyncConnection, call_ids: Collection[str]) -> dict[str, list[str]]:
    """Returns the tenants of the recordings of calls, by call id."""
    owners: dict[str, list[str]] = defaultdict(list)
    recorded = select(recordings.c.call_id, recordings.c.tenant).where(recordings.c.call_id.in_(call_ids)).distinct()
    for call_id, tenant in await connection.execute(recorded):
        owners[call_id].append(tenant)
    return owners


def check_owners(call_id: str, owners: Iterable[str], caller: Caller) -> None:
    """Checks that a caller sees all known tenants of a call.

    Raises:
        CallIdInUse: one of them is another tenant, which the message does not reveal.
    """
    if not all(map(caller.sees, owners)):
        raise call_id_in_use(call_id)


def call_id_in_use(call_id: str) -> CallIdInUse:
    """Makes the error for a request with the id of another tenant's call."""
    return CallIdInUse(f"the call id {call_id} cannot be used; give each call its own id")
