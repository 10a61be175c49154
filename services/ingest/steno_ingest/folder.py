"""The watched folder: recordings dropped there are taken in, then moved aside.

A file counts as complete when its size and time have not changed for a while. `NAME.json` beside it, complete as well, is its
metadata (write it first); without a call id in it, the call id is `NAME`. What was taken in goes to `accepted/`, what cannot be
to `rejected/` with the reason in `FILE.reason.txt`. Killed at any point, the file is taken up again and comes to the same
recording, because the recording's id follows from the call id and the audio.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import structlog

from steno.errors import Permanent, Retryable
from steno_ingest.errors import InvalidMetadata
from steno_ingest.intake import Intake
from steno_ingest.ledger import Door
from steno_ingest.metadata import Metadata, parse_metadata
from steno_ingest.metrics import FOLDER_FILES
from steno_ingest.settings import IngestSettings

log = structlog.get_logger("steno.ingest.folder")

_PIECE_BYTES = 1 << 20
_MAX_SIDECAR_BYTES = 1 << 20
_SIDECAR = ".json"

Stamp = tuple[int, int]
"""Size in bytes and time of the last change in nanoseconds: what tells that a file changed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Dropped:
    """A complete recording in the folder."""

    audio: Path
    sidecar: Path | None


class Settling:
    """Which files have not changed for a while. Pure."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._seen: dict[str, tuple[Stamp, float]] = {}

    def settled(self, present: dict[str, Stamp], now: float) -> set[str]:
        """The files that have kept their stamp long enough, by what is there now; others are forgotten."""
        self._seen = {
            name: (stamp, self._seen[name][1] if name in self._seen and self._seen[name][0] == stamp else now)
            for name, stamp in present.items()
        }
        return {name for name, (_, since) in self._seen.items() if now - since >= self._seconds}


class WatchedFolder:
    """Takes in what is dropped into a folder."""

    def __init__(
        self,
        folder: Path,
        intake: Intake,
        *,
        poll_seconds: float,
        settle_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder
        self._intake = intake
        self._poll_seconds = poll_seconds
        self._settling = Settling(settle_seconds)
        self._clock = clock
        self._stopping = asyncio.Event()

    @classmethod
    def of(cls, settings: IngestSettings, intake: Intake) -> "WatchedFolder":
        """The folder of the settings. Raises `ValueError` where they name none."""
        if settings.watch_folder is None:
            raise ValueError("STENO_INGEST_WATCH_FOLDER is not set")
        return cls(
            settings.watch_folder,
            intake,
            poll_seconds=settings.watch_poll_seconds,
            settle_seconds=settings.watch_settle_seconds,
        )

    async def run(self) -> None:
        """Looks again and again until `stop`."""
        while not self._stopping.is_set():
            try:
                await self.look()
            except (Retryable, OSError) as error:
                # The files stay where they are, so the next look is the next attempt.
                log.warning("folder.waiting", reason=str(error))
            waiting = asyncio.create_task(self._stopping.wait())
            await asyncio.wait({waiting}, timeout=self._poll_seconds)
            waiting.cancel()

    async def stop(self) -> None:
        """Finishes the file under way; `run` then returns."""
        self._stopping.set()

    async def look(self) -> None:
        """Takes in every recording that is complete now.

        Raises:
            Retryable: the store or the database is away; what was not taken in stays.
            OSError: the folder cannot be read.
        """
        present = await asyncio.to_thread(_present, self._folder)
        settled = self._settling.settled(present, self._clock())
        for dropped in _complete(self._folder, present, settled):
            if self._stopping.is_set():
                return
            try:
                await self._take(dropped)
            except OSError as error:
                # Gone meanwhile, or not ours to read or move: that is no reason to leave the others.
                log.warning("folder.file_waiting", file=dropped.audio.name, reason=str(error))
            except Permanent as error:
                await asyncio.to_thread(_reject, dropped, str(error))
                FOLDER_FILES.labels("rejected").inc()
                log.warning("folder.rejected", file=dropped.audio.name, reason=str(error))

    async def _take(self, dropped: Dropped) -> None:
        metadata = await asyncio.to_thread(_metadata, dropped)
        file = await asyncio.to_thread(dropped.audio.open, "rb")
        with file:
            upload = await self._intake.upload(_pieces(file), door=Door.FOLDER)
        await self._intake.accept_upload(upload, metadata, file_name=dropped.audio.name, door=Door.FOLDER)
        await asyncio.to_thread(_put_aside, dropped, "accepted")
        FOLDER_FILES.labels("accepted").inc()


def _present(folder: Path) -> dict[str, Stamp]:
    """The files of the folder that may be recordings or their metadata. Links are not followed: they lead elsewhere."""
    folder.mkdir(parents=True, exist_ok=True)
    found = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_file(follow_symlinks=False) and not entry.name.startswith(".") and not entry.name.endswith(".part"):
                status = entry.stat(follow_symlinks=False)
                found[entry.name] = (status.st_size, status.st_mtime_ns)
    return found


def _complete(folder: Path, present: dict[str, Stamp], settled: set[str]) -> list[Dropped]:
    complete = []
    for name in sorted(settled):
        sidecar = Path(name).stem + _SIDECAR
        if name.endswith(_SIDECAR) or (sidecar in present and sidecar not in settled):
            continue
        complete.append(Dropped(audio=folder / name, sidecar=folder / sidecar if sidecar in present else None))
    return complete


def _metadata(dropped: Dropped) -> Metadata:
    if dropped.sidecar is None:
        given = Metadata()
    elif dropped.sidecar.stat().st_size > _MAX_SIDECAR_BYTES:
        raise InvalidMetadata(f"{dropped.sidecar.name} is larger than {_MAX_SIDECAR_BYTES} bytes")
    else:
        given = parse_metadata(dropped.sidecar.read_bytes())
    if given.call_id is not None:
        return given
    # Checked like any other call id: a file name may hold nearly anything.
    return parse_metadata(given.model_copy(update={"call_id": _named(dropped.audio)}).model_dump_json().encode())


def _named(audio: Path) -> str:
    return audio.stem.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


async def _pieces(file: BinaryIO) -> AsyncIterator[bytes]:
    while piece := await asyncio.to_thread(file.read, _PIECE_BYTES):
        yield piece


def _reject(dropped: Dropped, reason: str) -> None:
    audio = _put_aside(dropped, "rejected")
    audio.with_name(audio.name + ".reason.txt").write_text(reason + "\n", "utf-8")


def _put_aside(dropped: Dropped, where: str) -> Path:
    """Moves a recording and its metadata to a folder where neither takes another's place.

    The metadata go last: a recording that is taken up again must have them.
    """
    folder = dropped.audio.parent / where
    folder.mkdir(exist_ok=True)
    stem, suffix = dropped.audio.stem, dropped.audio.suffix
    number = 1
    while (folder / f"{stem}{suffix}").exists() or (folder / f"{stem}{_SIDECAR}").exists():
        number += 1
        stem = f"{dropped.audio.stem}-{number}"
    audio = dropped.audio.rename(folder / f"{stem}{suffix}")
    if dropped.sidecar is not None:
        dropped.sidecar.rename(folder / f"{stem}{_SIDECAR}")
    return audio
