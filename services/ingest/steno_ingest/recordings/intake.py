"""Accepts recordings from all doors: stores the audio in the object store, then adds the recording to the ledger.

In this order a recording in the ledger always has its audio. If the process is killed in between, an object without a
recording remains; a repetition of the same recording replaces it, since its key is derived from the recording's id.
"""

import hashlib
import json
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from steno.audio_files import plain_file_name, suffix_of
from steno.events import ids
from steno.events.records import RecordingSubmitted
from steno.storage.objects import ObjectStore
from steno.tenants import Caller
from steno_ingest.errors import EmptyAudio, Fault, ForeignUrl, TooLarge
from steno_ingest.metrics import UPLOADED_BYTES
from steno_ingest.outbox import now
from steno_ingest.recordings.idempotency import Claim
from steno_ingest.recordings.ledger import RecordingLedger
from steno_ingest.recordings.metadata import Link, Metadata
from steno_ingest.recordings.view import Door, RecordingView

#: The prefix of audio until the id of its recording is known.
UPLOADS = "uploads"
_PIECE_BYTES = 1 << 20
#: The size limit of a WAVE file, which the recorder enforces.
_MOST_CALL_BYTES = 1 << 32


@dataclass(frozen=True, kw_only=True, slots=True)
class Upload:
    """Audio in the object store that belongs to no recording yet."""

    url: str
    sha256: str
    size: int


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredRecording:
    """A recording in the object store."""

    recording_id: str
    url: str
    sha256: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ClientKey:
    """An Idempotency-Key and its client."""

    client: Caller
    key: str


class Intake:
    """Accepts recordings."""

    def __init__(
        self, ledger: RecordingLedger, objects: ObjectStore, *, max_bytes: int, clock: Callable[[], datetime] = now
    ) -> None:
        self._ledger = ledger
        self._objects = objects
        self.max_bytes = max_bytes
        self._clock = clock

    async def upload(
        self, pieces: AsyncIterator[bytes], *, door: Door, file_name: str = "", max_bytes: int | None = None
    ) -> Upload:
        """Streams audio into the object store; stores nothing if that fails.

        Args:
            file_name: The name of the file, for errors.
            max_bytes: The size limit; by default the one of the settings.
        """
        digest, size, most = hashlib.sha256(), 0, max_bytes or self.max_bytes
        name = plain_file_name(file_name) or "the recording"

        async def measured() -> AsyncIterator[bytes]:
            nonlocal size
            async for piece in _in_large_pieces(pieces):
                size += len(piece)
                if size > most:
                    raise TooLarge(f"{name} is larger than {most} bytes, which is the limit; split it")
                digest.update(piece)
                yield piece

        url = await self._objects.put(f"{UPLOADS}/{uuid4()}", measured())
        if size == 0:
            await self._objects.delete(url)
            raise EmptyAudio(f"{name} is empty: it has no audio")
        UPLOADED_BYTES.labels(door.value).inc(size)
        return Upload(url=url, sha256=digest.hexdigest(), size=size)

    async def discard(self, upload: Upload) -> None:
        """Deletes an upload that did not become a recording."""
        await self._objects.delete(upload.url)

    async def accept_upload(
        self,
        upload: Upload,
        metadata: Metadata,
        *,
        file_name: str,
        door: Door,
        caller: Caller,
        key: ClientKey | None = None,
    ) -> RecordingView:
        """Makes a recording of an upload, or returns the existing one of the same audio in the same call.

        Raises:
            CallIdInUse, KeyReused: see `RecordingLedger.accept`.
            StoreUnavailable, DatabaseUnavailable: try again later.
        """
        call_id = metadata.call_id or str(uuid4())
        recording_id = ids.recording_id(call_id, upload.sha256, str(metadata.format or ""))
        claim = _claim(key, metadata, upload.sha256)
        try:
            asked = claim is not None or metadata.call_id is not None
            if asked and (older := await self._ledger.find_earlier(call_id, caller=caller, claim=claim)) is not None:
                await self.discard(upload)
                return older
            url = await self._objects.move(upload.url, f"recordings/{recording_id}/audio{plain_suffix(file_name)}")
        except BaseException:
            await self.discard(upload)
            raise
        # From here on the object may be deleted only if the database says so: after a failed commit the row may exist.
        record = self._record(recording_id, call_id, url, metadata, sha256=upload.sha256, file_name=file_name)
        recording, created = await self._ledger.accept(record, door=door, caller=caller, claim=claim)
        if not created and recording.url != url:
            await self._objects.delete(url)
        return recording

    async def accept_link(self, link: Link, *, door: Door, caller: Caller, key: ClientKey | None = None) -> RecordingView:
        """Makes a recording of audio at a URL; raises like `accept_upload`, and `ForeignUrl`."""
        # The URL of an object does not show its tenant, so only callers that see everything may name one.
        in_store = caller.everything and self._objects.owns(link.url)
        if not link.url.startswith(("http://", "https://")) and not in_store:
            problem = "is not an object of this installation's store; give an http(s) URL, or upload the file"
            raise ForeignUrl(f"the URL {problem}", faults=[Fault(where="body.url", problem=problem)])
        call_id = link.call_id or str(uuid4())
        recording_id = ids.recording_id(call_id, link.url, str(link.format or ""))
        record = self._record(recording_id, call_id, link.url, link)
        recording, _ = await self._ledger.accept(record, door=door, caller=caller, claim=_claim(key, link, ""))
        return recording

    async def store_call(self, call_id: str, pieces: AsyncIterator[bytes], *, suffix: str) -> StoredRecording:
        """Stores the recording of a live call, under a key derived from its content.

        Raises:
            StoreUnavailable: try again later.
        """
        upload = await self.upload(pieces, door=Door.CALL, max_bytes=_MOST_CALL_BYTES)
        recording_id = ids.recording_id(call_id, upload.sha256)
        try:
            url = await self._objects.move(upload.url, f"recordings/{recording_id}/audio{suffix}")
        except BaseException:
            await self.discard(upload)
            raise
        return StoredRecording(recording_id=recording_id, url=url, sha256=upload.sha256)

    async def submit_call(self, record: RecordingSubmitted) -> None:
        """Submits the recording of a live call; idempotent. Raises `DatabaseUnavailable`."""
        owner = Caller("call", record.tenant, everything=True)
        await self._ledger.accept(record.model_copy(update={"submitted_at": self._clock()}), door=Door.CALL, caller=owner)

    def _record(
        self, recording_id: str, call_id: str, url: str, metadata: Metadata, *, sha256: str = "", file_name: str = ""
    ) -> RecordingSubmitted:
        return RecordingSubmitted(
            call_id=call_id,
            url=url,
            recording_id=recording_id,
            channels=metadata.roles(),
            locale=metadata.locale,
            properties=metadata.properties,
            sha256=sha256,
            submitted_at=self._clock(),
            file_name=file_name,
            format=str(metadata.format or ""),
        )


def plain_suffix(file_name: str) -> str:
    """Returns the suffix of a file name if it is plain, otherwise an empty text. Only it gets from a client into a path."""
    suffix = suffix_of(plain_file_name(file_name))
    return suffix if re.fullmatch(r"\.[a-z0-9]{1,8}", suffix) else ""


def _claim(key: ClientKey | None, metadata: Metadata, sha256: str) -> Claim | None:
    """Makes the claim of a key: its fingerprint covers the audio and the metadata."""
    if key is None:
        return None
    # Without fields that older versions did not have, so that keys used then are valid for the same request now.
    newer = {"format"} if metadata.format is None else set()
    said = json.dumps(metadata.model_dump(mode="json", exclude=newer), sort_keys=True)
    return Claim(client=key.client, key=key.key, fingerprint=hashlib.sha256(f"{sha256}\n{said}".encode()).hexdigest())


async def _in_large_pieces(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Joins pieces to a megabyte each. Each is passed to the store in another thread, which is too expensive for small ones."""
    buffer = bytearray()
    async for piece in pieces:
        buffer += piece
        if len(buffer) >= _PIECE_BYTES:
            yield bytes(buffer)
            buffer.clear()
    if buffer:
        yield bytes(buffer)
