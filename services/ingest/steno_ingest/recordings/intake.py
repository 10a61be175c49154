"""Takes recordings in, whichever way they come: the audio into the object store, the recording into the ledger.

In this order, so that a recording in the ledger always has its audio. Killed in between, an object is left that no recording
names; the same recording brought again takes it up, since its place follows from its id.
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

#: Where audio is until it is known which recording it is.
UPLOADS = "uploads"
_PIECE_BYTES = 1 << 20
#: What a WAVE file can hold; the recorder sees to it.
_MOST_CALL_BYTES = 1 << 32


@dataclass(frozen=True, kw_only=True, slots=True)
class Upload:
    """Audio in the object store that no recording names yet."""

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
    """An Idempotency-Key and whose it is."""

    client: Caller
    key: str


class Intake:
    """Takes recordings in."""

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
        """Streams audio into the object store; nothing of it stays there if that fails.

        Args:
            file_name: What to call it in errors.
            max_bytes: The most that is taken; by default what doors take.

        Raises:
            EmptyAudio, TooLarge: it is not taken.
            StoreUnavailable: the store is away or full.
        """
        digest, size, most = hashlib.sha256(), 0, max_bytes or self.max_bytes
        name = plain_file_name(file_name) or "the recording"

        async def measured() -> AsyncIterator[bytes]:
            nonlocal size
            async for piece in _in_large_pieces(pieces):
                size += len(piece)
                if size > most:
                    raise TooLarge(f"{name} is larger than {most} bytes, the most that is taken; split it")
                digest.update(piece)
                yield piece

        url = await self._objects.put(f"{UPLOADS}/{uuid4()}", measured())
        if size == 0:
            await self._objects.delete(url)
            raise EmptyAudio(f"{name} is empty: there is no audio in it")
        UPLOADED_BYTES.labels(door.value).inc(size)
        return Upload(url=url, sha256=digest.hexdigest(), size=size)

    async def discard(self, upload: Upload) -> None:
        """Removes an upload that no recording came of."""
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
        """Makes a recording of an upload, or finds the one that there is of the same audio in the same call.

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
        # From here on the object may only go where a row says so: a lost answer of the database does not mean a lost row.
        record = self._record(recording_id, call_id, url, metadata, sha256=upload.sha256, file_name=file_name)
        recording, created = await self._ledger.accept(record, door=door, caller=caller, claim=claim)
        if not created and recording.url != url:
            await self._objects.delete(url)
        return recording

    async def accept_link(self, link: Link, *, door: Door, caller: Caller, key: ClientKey | None = None) -> RecordingView:
        """Makes a recording of audio that lies elsewhere; raises like `accept_upload`, and `ForeignUrl`."""
        # Whose an object of the store is does not show in its URL, so only those may name one who see what all have.
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
        """Stores the recording of a live call, at the place that follows from its bytes.

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
        """Submits the recording of a live call, once. Raises `DatabaseUnavailable`."""
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
    """The suffix of a file name where it is a plain one: nothing else of what a client calls a file gets into a path."""
    suffix = suffix_of(plain_file_name(file_name))
    return suffix if re.fullmatch(r"\.[a-z0-9]{1,8}", suffix) else ""


def _claim(key: ClientKey | None, metadata: Metadata, sha256: str) -> Claim | None:
    """What a client promises with its key: that the audio, and what is said about it, are the same."""
    if key is None:
        return None
    # Without what older versions did not know, so that a key that was used then holds for the same request now.
    newer = {"format"} if metadata.format is None else set()
    said = json.dumps(metadata.model_dump(mode="json", exclude=newer), sort_keys=True)
    return Claim(client=key.client, key=key.key, fingerprint=hashlib.sha256(f"{sha256}\n{said}".encode()).hexdigest())


async def _in_large_pieces(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in pieces of a megabyte: each goes to the store from another thread, so that small ones cost too much."""
    buffer = bytearray()
    async for piece in pieces:
        buffer += piece
        if len(buffer) >= _PIECE_BYTES:
            yield bytes(buffer)
            buffer.clear()
    if buffer:
        yield bytes(buffer)
