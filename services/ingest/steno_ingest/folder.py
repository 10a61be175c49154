"""The watched folder: recordings dropped there are taken in, then moved aside.

A file counts as complete when its size and time have not changed for a while. `NAME.json` beside it, complete as well, is its
metadata (write it first); without a call id in it, the call id is `NAME`. What was taken in goes to `accepted/`, what cannot be
to `rejected/` with the reason in `FILE.reason.txt`. Killed at any point, the file is taken up again and comes to the same
recording, because the recording's id follows from the call id and the audio. Others may write to the folder: see `drop`.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from io import BufferedReader
from pathlib import Path

import structlog

from steno.callers import HOUSE, Caller
from steno.errors import Permanent, Retryable
from steno_ingest.drop import ACCEPTED, REJECTED, SIDECAR, Aside, DropFolder, Dropped, Stamp
from steno_ingest.errors import InvalidMetadata
from steno_ingest.intake import Intake
from steno_ingest.ledger import Door
from steno_ingest.metadata import Metadata, parse_metadata
from steno_ingest.metrics import FOLDER_FILES
from steno_ingest.settings import IngestSettings

log = structlog.get_logger("steno.ingest.folder")

_PIECE_BYTES = 1 << 20
_MAX_SIDECAR_BYTES = 1 << 20


class Settling:
    """Which files have not changed for a while. Pure."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._seen: dict[str, tuple[Stamp, float]] = {}

    def settled(self, present: Mapping[str, Stamp], now: float) -> set[str]:
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
        tenant: str = HOUSE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder.resolve()
        self._intake = intake
        self._poll_seconds = poll_seconds
        self._settling = Settling(settle_seconds)
        # What is dropped for a call that is there already is of whoever has the call, unless the folder is of a tenant.
        self._caller = Caller("folder", tenant, everything=tenant == HOUSE)
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
            tenant=settings.watch_tenant,
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
        with await asyncio.to_thread(DropFolder, self._folder) as folder:
            present = await asyncio.to_thread(folder.present)
            settled = self._settling.settled(present, self._clock())
            for dropped in _complete(present, settled):
                if self._stopping.is_set():
                    return
                try:
                    await self._take(folder, dropped)
                except OSError as error:
                    # Gone or changed meanwhile, or not ours to read or move: that is no reason to leave the others.
                    log.warning("folder.file_waiting", file=dropped.audio, reason=str(error))
                except Permanent as error:
                    await self._reject(folder, dropped, str(error))

    async def _take(self, folder: DropFolder, dropped: Dropped) -> None:
        # First, so that what cannot be put aside is not taken in again at each look.
        with await asyncio.to_thread(folder.aside, ACCEPTED) as accepted:
            metadata = await asyncio.to_thread(_metadata, folder, dropped)
            with await asyncio.to_thread(folder.open, dropped.audio, dropped.audio_stamp) as file:
                upload = await self._intake.upload(_pieces(file), door=Door.FOLDER)
            await self._intake.accept_upload(upload, metadata, file_name=dropped.audio, door=Door.FOLDER, caller=self._caller)
            await asyncio.to_thread(_put_aside, accepted, dropped)
        FOLDER_FILES.labels("accepted").inc()

    async def _reject(self, folder: DropFolder, dropped: Dropped, reason: str) -> None:
        try:
            with await asyncio.to_thread(folder.aside, REJECTED) as rejected:
                name = await asyncio.to_thread(_put_aside, rejected, dropped)
                await asyncio.to_thread(rejected.explain, name, reason)
        except OSError as error:
            log.warning("folder.file_waiting", file=dropped.audio, reason=str(error))
            return
        FOLDER_FILES.labels("rejected").inc()
        log.warning("folder.rejected", file=dropped.audio, reason=reason)


def _complete(present: dict[str, Stamp], settled: set[str]) -> list[Dropped]:
    complete = []
    for name in sorted(settled):
        sidecar = Path(name).stem + SIDECAR
        if name.endswith(SIDECAR) or (sidecar in present and sidecar not in settled):
            continue
        beside = sidecar if sidecar in present else None
        complete.append(
            Dropped(audio=name, sidecar=beside, audio_stamp=present[name], sidecar_stamp=present[beside] if beside else None)
        )
    return complete


def _metadata(folder: DropFolder, dropped: Dropped) -> Metadata:
    if dropped.sidecar is None or dropped.sidecar_stamp is None:
        given = Metadata()
    else:
        with folder.open(dropped.sidecar, dropped.sidecar_stamp) as file:
            text = file.read(_MAX_SIDECAR_BYTES + 1)
        if len(text) > _MAX_SIDECAR_BYTES:
            raise InvalidMetadata(f"{dropped.sidecar} is larger than {_MAX_SIDECAR_BYTES} bytes")
        given = parse_metadata(text)
    return _with_call_id(given, dropped.audio)


def _with_call_id(given: Metadata, audio: str) -> Metadata:
    if given.call_id is not None:
        return given
    # Checked like any other call id: a file name may hold nearly anything.
    return parse_metadata(given.model_copy(update={"call_id": _named(audio)}).model_dump_json().encode())


def _named(audio: str) -> str:
    return Path(audio).stem.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


async def _pieces(file: BufferedReader) -> AsyncIterator[bytes]:
    while piece := await asyncio.to_thread(file.read, _PIECE_BYTES):
        yield piece


def _put_aside(aside: Aside, dropped: Dropped) -> str:
    return aside.take(dropped)
