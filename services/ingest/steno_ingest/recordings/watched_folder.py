"""Watches a folder: accepts each complete recording in it once and moves it to a subfolder.

`folder_contents` finds the complete ones: by their names, by markers, or because they do not change any more. Accepted
recordings are moved to `accepted/`, invalid ones to `rejected/` with the reason in `FILE.reason.txt`. Other files stay, and are
logged once. If the process is killed, the next one accepts the file again as the same recording, because the id of a recording
is derived from the call id and the audio. Other users may write to the folder: see `folder_files`.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

import structlog

from steno.background import pause
from steno.errors import Permanent, Retryable
from steno.tenants import NO_TENANT, Caller
from steno_ingest.errors import InvalidMetadata
from steno_ingest.metrics import FOLDER_FILES
from steno_ingest.recordings.folder_contents import FoundRecording, SettleTracker, complete_recordings, reasons_left
from steno_ingest.recordings.folder_files import ACCEPTED, REJECTED, OpenFolder
from steno_ingest.recordings.intake import Intake
from steno_ingest.recordings.metadata import Metadata, parse_metadata
from steno_ingest.recordings.view import Door
from steno_ingest.settings import IngestSettings

log = structlog.get_logger("steno.ingest.folder")

_PIECE_BYTES = 1 << 20
_MAX_SIDECAR_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class _Verdict:
    """The decision on a recording that must still be moved."""

    found: FoundRecording
    #: Why it is rejected; empty if it was accepted.
    reason: str = ""


class WatchedFolder:
    """Accepts the recordings of a folder; a component of a service (`run`, `stop`)."""

    def __init__(
        self,
        folder: Path,
        intake: Intake,
        *,
        poll_seconds: float,
        settle_seconds: float,
        only_marked: bool = False,
        tenant: str = NO_TENANT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder.resolve()
        self._intake = intake
        self._poll_seconds = poll_seconds
        self._settling = SettleTracker(settle_seconds)
        self._only_marked = only_marked
        # Unless the folder has a tenant, a recording of a known call gets the tenant of the call.
        self._caller = Caller("folder", tenant, everything=tenant == NO_TENANT)
        self._clock = clock
        # Decisions on recordings that could not be moved yet, by name. They are not read again.
        self._verdicts: dict[str, _Verdict] = {}
        # The last logged message about each present file, by name.
        self._logged: dict[str, str] = {}
        self._stopping = asyncio.Event()

    @classmethod
    def of(cls, settings: IngestSettings, intake: Intake) -> "WatchedFolder":
        """Makes the watched folder of the settings. Raises `ValueError` if there is none."""
        if settings.watch_folder is None:
            raise ValueError("STENO_INGEST_WATCH_FOLDER is not set")
        return cls(
            settings.watch_folder,
            intake,
            poll_seconds=settings.watch_poll_seconds,
            settle_seconds=settings.watch_settle_seconds,
            only_marked=settings.watch_only_marked,
            tenant=settings.watch_tenant,
        )

    async def run(self) -> None:
        """Scans the folder repeatedly until `stop`."""
        while not self._stopping.is_set():
            try:
                await self.scan()
            except (Retryable, OSError) as error:
                # The files stay where they are, so the next scan is the next attempt.
                log.warning("folder.waiting", reason=str(error))
            await pause(self._poll_seconds, self._stopping)

    async def stop(self) -> None:
        """Lets `run` return after the current file."""
        self._stopping.set()

    async def scan(self) -> None:
        """Accepts or rejects every complete recording.

        Raises:
            Retryable: the store or the database is unreachable; the remaining files stay.
            OSError: the folder cannot be read.
        """
        with await asyncio.to_thread(OpenFolder, self._folder) as folder:
            present, others = await asyncio.to_thread(folder.present)
            self._forget(present.keys() | others.keys())
            settled = self._settling.settled(present, self._clock())
            for name, reason in (others | reasons_left(present, settled, only_marked=self._only_marked)).items():
                if self._is_new(name, reason):
                    FOLDER_FILES.labels("left").inc()
                    log.info("folder.left", file=name, reason=reason)
            for found in complete_recordings(present, settled, only_marked=self._only_marked):
                if self._stopping.is_set():
                    return
                try:
                    await self._process(folder, found)
                except OSError as error:
                    # It was deleted or changed, is still being written, or may not be read or moved. The others go on.
                    if self._is_new(found.audio, str(error)):
                        log.warning("folder.file_waiting", file=found.audio, reason=str(error))

    def _forget(self, there: Collection[str]) -> None:
        """Removes the state of files that are gone."""
        self._logged = {name: message for name, message in self._logged.items() if name in there}
        self._verdicts = {name: verdict for name, verdict in self._verdicts.items() if name in there}

    def _is_new(self, name: str, message: str) -> bool:
        is_new = self._logged.get(name) != message
        self._logged[name] = message
        return is_new

    async def _process(self, folder: OpenFolder, found: FoundRecording) -> None:
        """Accepts or rejects a recording and moves it; if the move fails, only the move is repeated."""
        verdict = self._verdicts.get(found.audio)
        if verdict is None or verdict.found != found:
            try:
                await self._accept(folder, found)
                verdict = _Verdict(found=found)
                FOLDER_FILES.labels("accepted").inc()
            except Permanent as error:
                verdict = _Verdict(found=found, reason=str(error))
                FOLDER_FILES.labels("rejected").inc()
                log.warning("folder.rejected", file=found.audio, reason=verdict.reason)
            self._verdicts[found.audio] = verdict
        with await asyncio.to_thread(folder.open_target, REJECTED if verdict.reason else ACCEPTED) as target:
            name = await asyncio.to_thread(target.move_in, found)
            if verdict.reason:
                await asyncio.to_thread(target.explain, name, verdict.reason)
        del self._verdicts[found.audio]

    async def _accept(self, folder: OpenFolder, found: FoundRecording) -> None:
        # A recording that cannot be moved is not accepted, since the next process would accept it again.
        (await asyncio.to_thread(folder.open_target, ACCEPTED)).close()
        metadata = await asyncio.to_thread(_read_metadata, folder, found)
        file_name = _readable(found.audio)
        marked = found.marker is not None
        with await asyncio.to_thread(folder.open, found.audio, found.audio_stamp, marked=marked) as file:
            upload = await self._intake.upload(_pieces(file), door=Door.FOLDER, file_name=file_name)
            try:
                folder.check(file, found.audio, found.audio_stamp)
            except BaseException:
                await self._intake.discard(upload)
                raise
        await self._intake.accept_upload(upload, metadata, file_name=file_name, door=Door.FOLDER, caller=self._caller)


def _read_metadata(folder: OpenFolder, found: FoundRecording) -> Metadata:
    if found.sidecar is None or found.sidecar_stamp is None:
        given = Metadata()
    else:
        with folder.open(found.sidecar, found.sidecar_stamp, marked=found.marker is not None) as file:
            text = file.read(_MAX_SIDECAR_BYTES + 1)
        if len(text) > _MAX_SIDECAR_BYTES:
            raise InvalidMetadata(f"{found.sidecar} is larger than {_MAX_SIDECAR_BYTES} bytes")
        given = parse_metadata(text)
    return _with_call_id(given, found.audio)


def _with_call_id(given: Metadata, audio: str) -> Metadata:
    if given.call_id is not None:
        return given
    # It is validated like any other call id, since a file name may contain almost anything.
    call_id = Path(_readable(audio)).stem
    return parse_metadata(given.model_copy(update={"call_id": call_id}).model_dump_json().encode())


def _readable(name: str) -> str:
    """Converts a file name, which may be any bytes, to text."""
    return os.fsencode(name).decode("utf-8", "replace")


async def _pieces(file: BufferedReader) -> AsyncIterator[bytes]:
    while piece := await asyncio.to_thread(file.read, _PIECE_BYTES):
        yield piece
