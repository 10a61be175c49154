"""Which tenant owns a call: the one that used its id first; recordings of the call are that tenant's, too."""

from sqlalchemy import literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from steno.tenants import Caller
from steno_ingest.calls.ledger.tables import calls
from steno_ingest.errors import CallIdInUse
from steno_ingest.recordings.tables import recordings


async def owner_for(connection: AsyncConnection, call_id: str, caller: Caller) -> str:
    """The tenant that what a caller brings of a call belongs to: that of the call, where one is known by this id.

    Raises:
        CallIdInUse: it is somebody else's; the message tells nothing of it.
    """
    call = select(calls.c.tenant, literal(0).label("rank")).where(calls.c.call_id == call_id)
    recorded = select(recordings.c.tenant, literal(1)).where(recordings.c.call_id == call_id).distinct()
    owners = [tenant for tenant, _ in await connection.execute(call.union_all(recorded).order_by("rank"))]
    if not all(map(caller.sees, owners)):
        raise taken(call_id)
    return owners[0] if owners else caller.tenant


def taken(call_id: str) -> CallIdInUse:
    """What is said to whoever brings something by the id of somebody else's call."""
    return CallIdInUse(f"the call id {call_id} cannot be used; give each call an id of its own")
