"""Fetches recordings: opens a local file in place, and streams anything else to a temporary file.

The errors are in `fetch.errors`; their messages name URLs without their query and user, which may hold secrets.
"""

import asyncio
import hashlib
import os
import re
import tempfile
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BufferedReader
from ipaddress import IPv6Network
from pathlib import Path
from typing import IO
from urllib.parse import unquote, urlsplit

import aiohttp
import structlog
from yarl import URL

from steno.http.client import Network, guarded_session
from steno.retry_after import parse_retry_after
from steno.storage.files_below import NoRegularFile, OutsideFolder, open_below
from steno.storage.objects import ForeignObject, ObjectMissing, ObjectStore
from steno_transcriber import metrics
from steno_transcriber.bounded_cache import BoundedCache
from steno_transcriber.fetch.errors import (
    ChecksumMismatch,
    FetchGivenUp,
    FileForbidden,
    NoDiskSpace,
    NotThereYet,
    RecordingMissing,
    RecordingRefused,
    RecordingTooLarge,
    SourceFailed,
    SourceTooSlow,
    UnsupportedUrl,
)
from steno_transcriber.fetch.file_names import name_of
from steno_transcriber.fetch.limits import FetchLimits
from steno_transcriber.fetch.retries import FetchAttempts, FetchHistory

__all__ = ["FetchLimits", "FetchedAudio", "Fetcher", "fetching_session", "redact"]

log = structlog.get_logger("steno.transcriber.fetch")

MAX_REDIRECTS = 5
SLOW_HOSTS = 1_000
SLOW_HOST_SECONDS = 600.0
PIECE_BYTES = 1 << 18
TRY_AGAIN = frozenset({408, 429})
"""Client errors of HTTP that pass (RFC 9110 §15.5.9, RFC 6585)."""
NOT_YET = frozenset({202, 404, 409, 423, 425})
"""Of servers that may have the recording soon: accepted, not found, in conflict, locked, too early (RFC 4918, RFC 8470)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedAudio:
    """A fetched recording; `name` is its file name by its submitter or source, whose suffix may tell the codec."""

    path: Path
    name: str


def fetching_session(limits: FetchLimits, *, allowed_networks: Sequence[Network] = ()) -> aiohttp.ClientSession:
    """Makes the HTTP client for recordings, which connects to public addresses and allowed networks only.

    The number of connections is limited by `fetch.slots`, not by a queue that a slow server can block. Each recording
    has its own: on one that it keeps after a body of more than 128 kB, aiohttp 3.14 starts the time-out for reading again, and
    the next request fails at once with it (aio-libs/aiohttp issue 12953 is the same for small bodies).
    """
    # An attempt as a whole is limited by what comes (`fetch.limits`).
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=limits.connect_seconds, sock_read=limits.read_seconds)
    return guarded_session(allowed_networks=allowed_networks, timeout=timeout, limit=0, limit_per_host=0, keep_alive=False)


class Fetcher:
    """Fetches recordings from the object store, from allowed folders and by HTTP."""

    def __init__(
        self,
        *,
        store: ObjectStore,
        session: aiohttp.ClientSession,
        limits: FetchLimits,
        folders: Sequence[Path] = (),
        temporary_folder: Path | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`session` is from `fetching_session`; `folders` are the folders that `file://` URLs may name files in."""
        self._store = store
        self._session = session
        self._limits = limits
        self._folders = tuple(folder.resolve() for folder in folders)
        self._temporary_folder = temporary_folder
        self._sleep = sleep
        self._clock = clock
        self._patience = FetchHistory(limits)
        # Hosts that were given up as too slow, and when: for a while they are given up the first time that they are.
        self._slow: BoundedCache[str, float] = BoundedCache(SLOW_HOSTS)

    @asynccontextmanager
    async def fetch(self, url: str, *, sha256: str = "", file_name: str = "") -> AsyncIterator[FetchedAudio]:
        """Fetches the recording at a URL, and gives it as a local file for the time of the block.

        A temporary file has no name, so that nothing is left of it however the process ends. `file_name` is the name given by
        the submitter, if any.

        Raises:
            FetchFailed, ForbiddenAddress: it cannot be fetched.
            FetchLater, NoDiskSpace, StoreUnavailable: try again later.
        """
        name = file_name or _name(url)
        with self._patience.attempts_at(url, self._clock()) as asking:
            try:
                local = await asyncio.to_thread(self._open_local, url)
            except NotThereYet as error:
                asking.handle_missing(error, self._clock())
            if local is not None:
                with local:
                    await asyncio.to_thread(self._check_file, local, url, sha256)
                    yield FetchedAudio(path=Path(f"/dev/fd/{local.fileno()}"), name=name)
                return
            with _translated_disk_errors():
                file = tempfile.TemporaryFile(prefix="steno-recording-", dir=self._temporary_folder)  # noqa: SIM115 - just below
            with file:
                disposition = await self._fetch_to(file, url, sha256, asking)
                yield FetchedAudio(path=Path(f"/dev/fd/{file.fileno()}"), name=file_name or _name(url, disposition))

    def _open_local(self, url: str) -> BufferedReader | None:
        """Opens the file of a URL where it can be read in place. The open file is read later, so its path may change."""
        try:
            if self._store.owns(url):
                return self._store.open_local(url)
            return self._open_allowed(url) if urlsplit(url).scheme == "file" else None
        except (NoRegularFile, ObjectMissing, FileNotFoundError):
            missing = RecordingMissing if self._store.owns(url) else NotThereYet
            raise missing(f"there is no file at {redact(url)}") from None
        except (OutsideFolder, ForeignObject):
            raise FileForbidden(f"{redact(url)} is not in a folder named in STENO_TRANSCRIBER_FILE_FOLDERS") from None
        except PermissionError:
            raise RecordingRefused(f"the transcriber may not read {redact(url)}: check the file's permissions") from None

    def _open_allowed(self, url: str) -> BufferedReader:
        """Opens the file of a URL, links and `..` followed. An error does not say whether a file outside the folders exists."""
        parts = urlsplit(url)
        path = unquote(parts.path)
        if parts.netloc not in ("", "localhost") or "\0" in path or not path.startswith("/"):
            raise UnsupportedUrl(f"{redact(url)} does not name a file of this machine: write file:///folder/name")
        if not self._folders:
            raise FileForbidden("file:// URLs are not read here: name their folders in STENO_TRANSCRIBER_FILE_FOLDERS")
        return open_below(Path(path), self._folders)

    def _check_file(self, file: BufferedReader, url: str, sha256: str) -> None:
        self._check_size(os.fstat(file.fileno()).st_size, url)
        if sha256:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            file.seek(0)
            _check_digest(digest, sha256, url)

    def host(self, url: str) -> str:
        """The host that a recording comes from; empty where it is in our own store or on our own disk.

        Without its port, as one machine has thousands; for a literal IPv6 address its network, as one machine may have all of
        it.
        """
        try:
            parts = urlsplit(url)
        except ValueError:  # which the fetch says
            return ""
        elsewhere = parts.scheme in ("http", "https") and not self._store.owns(url)
        return _machine((parts.hostname or "").rstrip(".")) if elsewhere else ""

    async def _fetch_to(self, file: IO[bytes], url: str, sha256: str, asking: FetchAttempts) -> str:
        """Attempts the fetch, with pauses, until it is complete, postponed (`FetchLater`), or given up.

        Returns its Content-Disposition.
        """
        host = self.host(url)
        known_as_slow = self._clock() - self._slow.get(host, -SLOW_HOST_SECONDS) < SLOW_HOST_SECONDS
        while True:
            try:
                with metrics.FETCH_SECONDS.time():
                    digest, disposition = await self._attempt(file, url)
                break
            except NotThereYet as error:
                asking.handle_missing(error, self._clock())
            except SourceFailed as error:
                metrics.FETCH_FAILURES.inc()
                too_slow = isinstance(error, SourceTooSlow)
                try:
                    pause = asking.handle_failure(error, self._clock(), most=1 if too_slow and known_as_slow else None)
                except FetchGivenUp:
                    if too_slow:
                        self._slow[host] = self._clock()
                    raise
                log.warning("recording.fetch_failed", attempt=asking.attempts, reason=str(error))
                await self._sleep(pause)
        self._slow.pop(host, None)
        if sha256:
            _check_digest(digest, sha256, url)
        return disposition

    async def _attempt(self, file: IO[bytes], url: str) -> tuple[str, str]:
        """Streams the recording to the file, which it overwrites from the start.

        Returns its SHA-256 and its Content-Disposition.
        """
        digest = hashlib.sha256()
        dispositions: list[str] = []
        with _translated_disk_errors():
            file.seek(0)
            file.truncate()
        received = 0
        async with aclosing(self._pieces(url, dispositions.append)) as pieces:
            async for piece in pieces:
                received += len(piece)
                self._check_size(received, url)
                digest.update(piece)
                with _translated_disk_errors():
                    await asyncio.to_thread(file.write, piece)
        with _translated_disk_errors():
            file.flush()
        return digest.hexdigest(), "".join(dispositions)

    async def _pieces(self, url: str, disposed: Callable[[str], None]) -> AsyncGenerator[bytes, None]:
        """Gives the bytes of the recording; `disposed` is called with its Content-Disposition where it has one."""
        if self._store.owns(url):
            try:
                async for piece in self._store.stream(url):
                    yield piece
            except ObjectMissing:
                raise RecordingMissing(f"the object store has nothing at {redact(url)}") from None
        elif urlsplit(url).scheme in ("http", "https"):
            with _translated_http_errors(url):
                pace = self._limits.pace(self._clock())
                async with asyncio.timeout(self._limits.answer_seconds):
                    response = await self._session.get(
                        _target(url),
                        max_redirects=MAX_REDIRECTS + 1,  # aiohttp gives up at the redirect that reaches the limit
                        headers={"Accept-Encoding": "identity"},
                    )
                async with response:
                    self._check_answer(response, url)
                    disposed(response.headers.get("Content-Disposition", ""))
                    async for piece in response.content.iter_chunked(PIECE_BYTES):
                        if reason := pace.too_slow(len(piece), self._clock()):
                            raise SourceTooSlow(f"{redact(url)} {reason}")
                        yield piece
        else:
            raise UnsupportedUrl(
                f"{redact(url)} is not a URL that recordings are fetched from: "
                "give http(s)://, file:// or an object of this installation's store"
            )

    def _check_answer(self, response: aiohttp.ClientResponse, url: str) -> None:
        status = response.status
        if status == 200:
            self._check_size(response.content_length or 0, url)
            encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
            if encoding != "identity":  # a little of it may become anything
                raise RecordingRefused(f"{redact(url)} is sent compressed, which was not asked for (Content-Encoding)")
        elif status == 404:
            raise NotThereYet(f"there is nothing at {redact(url)} (status 404)", again_in_seconds=_retry_after(response))
        elif status in NOT_YET:
            raise NotThereYet(f"{redact(url)} answered {status} {response.reason}", again_in_seconds=_retry_after(response))
        elif status >= 500 or status in TRY_AGAIN:
            raise SourceFailed(f"{redact(url)} answered {status} {response.reason}", again_in_seconds=_retry_after(response))
        elif status == 410:
            raise RecordingMissing(f"there is nothing at {redact(url)} (status {status})")
        elif status in (401, 403):
            raise RecordingRefused(f"{redact(url)} is not handed out (status {status}): give a URL that needs no sign-in")
        else:
            raise RecordingRefused(f"{redact(url)} answered {status} {response.reason} instead of a recording")

    def _check_size(self, size: int, url: str) -> None:
        if size > self._limits.max_bytes:
            raise RecordingTooLarge(f"{redact(url)} has more than the {self._limits.max_bytes} bytes a recording may have")


def _check_digest(digest: str, submitted: str, url: str) -> None:
    """Compares digests. The error does not have the digest found: a submitter might learn from it what is at a URL."""
    if digest != submitted:
        raise ChecksumMismatch(f"{redact(url)} has not the bytes with the SHA-256 that was submitted, {submitted}")


def _retry_after(response: aiohttp.ClientResponse) -> float:
    """The pause that a server asks for by Retry-After, in seconds."""
    pause = parse_retry_after(response.headers.get("Retry-After"), now=datetime.now(UTC))
    return 0.0 if pause is None else pause.total_seconds()


def _machine(host: str) -> str:
    try:
        return str(IPv6Network((host, 64), strict=False))
    except ValueError:
        return host


def _name(url: str, disposition: str = "") -> str:
    try:
        return name_of(url, disposition=disposition)
    except ValueError as error:
        raise UnsupportedUrl(f"the recording's URL is not one: {error}") from None


def _target(url: str) -> URL:
    """Parses a URL and leaves its percent-encoding as it is: signatures in queries (Azure's SAS) cover the exact bytes."""
    try:
        return URL(url, encoded=re.fullmatch("[!-~]+", url) is not None)
    except (ValueError, IndexError):  # a host, say, that no name can be (RFC 5890); IndexError is yarl's own
        raise UnsupportedUrl(f"{redact(url)} is not a URL of HTTP") from None


def redact(url: str) -> str:
    """Removes the user and the query from a URL, which may hold secrets."""
    parts = urlsplit(url)
    authority, slash, path = (parts.netloc + parts.path).partition("/")
    return f"{parts.scheme}://{authority.rpartition('@')[2]}{slash}{path}"


@contextmanager
def _translated_http_errors(url: str) -> Iterator[None]:
    try:
        yield
    # The recording's, or that of a redirect; Python finds some wrong by itself: a port, a host that no name can be (RFC 5890).
    except (ValueError, aiohttp.NonHttpUrlClientError):
        raise UnsupportedUrl(f"{redact(url)} is not, or leads to what is not, a URL of HTTP") from None
    except aiohttp.TooManyRedirects:
        raise RecordingRefused(f"{redact(url)} redirects more than {MAX_REDIRECTS} times") from None
    except TimeoutError:
        raise SourceTooSlow(f"{redact(url)} did not answer in time") from None
    except aiohttp.ClientPayloadError:
        raise SourceFailed(f"{redact(url)} sent less than it announced") from None
    except aiohttp.ClientError as error:
        raise SourceFailed(f"{redact(url)} cannot be reached: {type(error).__name__}") from error


@contextmanager
def _translated_disk_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise NoDiskSpace(f"a recording cannot be kept while it is decoded: {error.strerror or error}") from error
