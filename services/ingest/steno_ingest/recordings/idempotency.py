"""Stores Idempotency-Keys, by which a client says that several requests are the same one."""

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
    """A client's claim that all its requests with a key are the same."""

    client: Caller
    key: str
    #: Digest of the content of the request.
    fingerprint: str

    @property
    def owner(self) -> str:
        """The owner of the key in the database: the client's name, preceded by its tenant if that has another name."""
        own = self.client.everything or self.client.tenant == self.client.name
        # Names contain no spaces, so the owner is unique.
        return self.client.name if own else f"{self.client.tenant} {self.client.name}"


async def insert_claim(connection: AsyncConnection, claim: Claim, recording_id: str, at: datetime) -> bool:
    """Stores the claim on a new recording; returns False if the key was used before."""
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
    """Finds the recording of an earlier request with the same key; returns None if there is none.

    Raises:
        KeyReused: the earlier request had another content.
    """
    query = select(idempotency_keys).where(idempotency_keys.c.client == claim.owner, idempotency_keys.c.key == claim.key)
    earlier = (await connection.execute(query)).one_or_none()
    if earlier is None:
        return None
    recording = await rows.find(connection, earlier.recording_id)
    if not claim.client.sees(recording.tenant):
        # An API key of the same name belonged to another tenant then.
        raise KeyReused("the Idempotency-Key was used for another request; use a new key for each new request")
    if earlier.fingerprint != claim.fingerprint:
        raise KeyReused(
            f"the Idempotency-Key was used for another request, which became recording {earlier.recording_id}; "
            "use a new key for each new request"
        )
    return recording
