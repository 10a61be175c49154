"""Finds the tenant that owns a call: the first one to use its id; it owns the recordings of the call, too."""

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
    if not all(map(caller.sees, owners)):
        raise call_id_in_use(call_id)
    return owners[0] if owners else caller.tenant


def call_id_in_use(call_id: str) -> CallIdInUse:
    """The error for a request that uses the id of somebody else's call."""
    return CallIdInUse(f"the call id {call_id} cannot be used; give each call an id of its own")
