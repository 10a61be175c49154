"""Idempotency-Keys: a client's claim that a request is the same as any other that it sends with the same key."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from steno.storage.transactions import insert_once
from steno.tenants import Caller
from steno_ingest.errors import KeyReused
from steno_ingest.recordings import rows
from steno_ingest.recordings.tables import idempotency_keys
from steno_ingest.recordings.view import RecordingView


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """What a client claims with a key."""

    client: Caller
    key: str
    #: Digest of what makes the request the same.
    fingerprint: str

    @property
    def owner(self) -> str:
        """Whose keys are told apart: a name's, as before there were tenants, unless it is of another tenant than its own."""
        own = self.client.everything or self.client.tenant == self.client.name
        # No name has a space.
        return self.client.name if own else f"{self.client.tenant} {self.client.name}"


async def keep_claim(connection: AsyncConnection, claim: Claim, recording_id: str, at: datetime) -> bool:
    """Keeps a claim on a new recording; False where the key was used before."""
    return await insert_once(
        connection,
        idempotency_keys,
        {
            "client": claim.owner,
            "key": claim.key,
            "fingerprint": claim.fingerprint,
            "recording_id": recording_id,
            "created_at": at,
        },
    )


async def find_claimed(connection: AsyncConnection, claim: Claim) -> RecordingView | None:
    """The recording of an earlier request with the same key, or None.

    Raises:
        KeyReused: the earlier request was another one.
    """
    query = select(idempotency_keys).where(idempotency_keys.c.client == claim.owner, idempotency_keys.c.key == claim.key)
    earlier = (await connection.execute(query)).one_or_none()
    if earlier is None:
        return None
    recording = await rows.find(connection, earlier.recording_id)
    if not claim.client.sees(recording.tenant):
        # A key of the same name was of another tenant then.
        raise KeyReused("the Idempotency-Key was used for another request; use a new key for each new request")
    if earlier.fingerprint != claim.fingerprint:
        raise KeyReused(
            f"the Idempotency-Key was used for another request, which became recording {earlier.recording_id}; "
            "use a new key for each new request"
        )
    return recording
