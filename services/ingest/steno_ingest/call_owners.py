"""Finds the tenant that owns a call: the first one to use its id; it owns the recordings of the call, too."""

from collections import defaultdict
from collections.abc import Collection, Iterable

from sqlalchemy import literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from steno.tenants import Caller
from steno_ingest.calls.ledger.tables import calls
from steno_ingest.errors import CallIdInUse
from steno_ingest.recordings.tables import recordings


async def owner_of_call(connection: AsyncConnection, call_id: str, caller: Caller) -> str:
    """The tenant that what a caller brings of a call belongs to: that of the call, where one is known by this id.

    Raises:
        CallIdInUse: it is somebody else's; the message tells nothing of it.
    """
    call = select(calls.c.tenant, literal(0).label("rank")).where(calls.c.call_id == call_id)
    recorded = select(recordings.c.tenant, literal(1)).where(recordings.c.call_id == call_id).distinct()
    owners = [tenant for tenant, _ in await connection.execute(call.union_all(recorded).order_by("rank"))]
    check_owners(call_id, owners, caller)
    return owners[0] if owners else caller.tenant


async def recorded_owners(connection: AsyncConnection, call_ids: Collection[str]) -> dict[str, list[str]]:
    """The tenants that have recordings of calls, by call id."""
    owners: dict[str, list[str]] = defaultdict(list)
    recorded = select(recordings.c.call_id, recordings.c.tenant).where(recordings.c.call_id.in_(call_ids)).distinct()
    for call_id, tenant in await connection.execute(recorded):
        owners[call_id].append(tenant)
    return owners


def check_owners(call_id: str, owners: Iterable[str], caller: Caller) -> None:
    """Checks that a caller sees all that is known of a call.

    Raises:
        CallIdInUse: something is somebody else's; the message tells nothing of it.
    """
    if not all(map(caller.sees, owners)):
        raise call_id_in_use(call_id)


def call_id_in_use(call_id: str) -> CallIdInUse:
    """The error for a request that uses the id of somebody else's call."""
    return CallIdInUse(f"the call id {call_id} cannot be used; give each call an id of its own")
