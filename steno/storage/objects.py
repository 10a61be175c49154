"""Stores objects (recordings, result documents) in a local folder, S3, Azure Blob or Google Cloud Storage.

An object is named by its URL, which is part of records that anybody may have written: a store accepts only URLs of its own
objects. Keys are plain (see `_is_plain`), and in a local folder no link leads out of it.
"""

import asyncio
import os
import re
import shutil
import stat
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from io import BufferedReader
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import LocalStore, from_url

from steno.errors import Permanent, Retryable, StenoError
from steno.storage.files_below import NoRegularFile, OutsideFolder, open_below, resolved_below

_PIECE_BYTES = 1 << 20
_MOST_KEY_BYTES = 1024
"""As many as S3 and Google take."""

_NOT_PLAIN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029?#\\]|(^|/)\.{0,2}(/|$)")


class ObjectMissing(Permanent):
    """There is no such object."""

    error_class = "object_missing"


class ForeignObject(Permanent):
    """A URL does not name an object of this store."""

    error_class = "foreign_object"


class StoreUnavailable(Retryable):
    """The store cannot be reached or is full."""

    error_class = "store_unavailable"


class StoreNotUsable(StenoError):
    """The settings of the store are not valid; the message says which and why."""

    error_class = "store_not_usable"


class _Exists(Exception):
    """There is such an object already."""


class ObjectStore:
    """A store of objects, by its URL: `file:///folder`, `s3://bucket/prefix`, `az://…`, `gs://…`.

    Credentials of the cloud stores come from the environment, as their own tools read them, or from options.
    """

    def __init__(self, url: str, options: Mapping[str, str] | None = None) -> None:
        """
        Args:
            options: Credentials and options of a cloud store by the names of its variables, in place of the environment's.

        Raises:
            StoreNotUsable: the URL names no kind of store, or the store has no such options.
        """
        self.url = url.rstrip("/")
        parts = urlsplit(self.url)
        self._folder = Path(unquote(parts.path)) if parts.scheme == "file" else None
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._folder = self._folder.resolve()
            self._store: Any = LocalStore(self._folder)
        elif parts.scheme:
            self._store = _cloud_store(self.url, options or {})
        else:
            raise StoreNotUsable(f"{url!r} is not an object store: give file:///folder, s3://…, az://… or gs://…")

    async def put(self, key: str, data: bytes | AsyncIterator[bytes]) -> str:
        """Stores an object atomically, in place of an older one; returns its URL.

        Raises:
            StoreUnavailable: it could not be stored.
        """
        with _translated(key):
            await obstore.put_async(self._store, self._inside(key), data)
        return f"{self.url}/{key}"

    async def create(self, key: str, data: bytes) -> bool:
        """Stores an object where there is none of that key; returns whether it did. Raises like `put`."""
        try:
            with _translated(key):
                await obstore.put_async(self._store, self._inside(key), data, mode="create")
        except _Exists:
            return False
        return True

    async def sign(self, url: str, *, valid_for: timedelta) -> str:
        """Makes a URL by which anybody can read an object of a cloud store for a time; raises like `put`.

        A local folder has none (`steno.storage.links`).
        """
        key = self._key(url)
        with _translated(key):
            signed: str = await obstore.sign_async(self._store, "GET", key, valid_for)
            return signed

    @property
    def local(self) -> bool:
        """Whether it is a local folder."""
        return self._folder is not None

    def key_of(self, url: str) -> str:
        """The key of an object, by its URL.

        Raises:
            ForeignObject: the URL is not of this store.
        """
        return self._key(url)

    async def move(self, url: str, key: str) -> str:
        """Moves an object to another key, in place of an older one there; returns its new URL. Raises like `get`."""
        with _translated(key):
            await obstore.rename_async(self._store, self._key(url), self._inside(key), overwrite=True)
        return f"{self.url}/{key}"

    async def get(self, url: str, *, below: str = "") -> bytes:
        """Reads a whole object.

        Args:
            below: The prefix that its key must have, a path without its last slash; by default any key is allowed.

        Raises:
            ObjectMissing: there is none.
            ForeignObject: the URL is not of this store, or its key does not have that prefix.
            StoreUnavailable: try again later.
        """
        key = self._key(url)
        if below and not key.startswith(f"{below}/"):
            raise ForeignObject(f"{url} is not below {below} in the store {self.url}")
        with _translated(key):
            if self._folder is not None:
                return await asyncio.to_thread(self._read, key)
            result = await obstore.get_async(self._store, key)
            return bytes(await result.bytes_async())

    async def stream(self, url: str) -> AsyncIterator[bytes]:
        """Reads an object in pieces; raises like `get`."""
        key = self._key(url)
        with _translated(key):
            if self._folder is not None:
                with await asyncio.to_thread(self._open, key) as file:
                    while piece := await asyncio.to_thread(file.read, _PIECE_BYTES):
                        yield piece
                return
            result = await obstore.get_async(self._store, key)
            async for piece in result.stream(min_chunk_size=_PIECE_BYTES):
                yield bytes(piece)

    async def size(self, url: str) -> int:
        """The size of an object in bytes; raises like `get`."""
        key = self._key(url)
        with _translated(key):
            if self._folder is not None:
                return await asyncio.to_thread(self._size, key)
            return int((await obstore.head_async(self._store, key))["size"])

    async def delete(self, url: str) -> None:
        """Deletes an object; a missing one is not an error."""
        key = self._key(url)
        try:
            with _translated(key):
                await obstore.delete_async(self._store, key)
        except ObjectMissing:
            pass

    async def list_urls(self, prefix: str) -> list[str]:
        """The URLs of the objects under a prefix, a path without its last slash, in the order of their keys.

        Raises:
            StoreUnavailable: try again later.
        """
        with _translated(prefix):
            pages = obstore.list(self._store, prefix)
            return sorted([f"{self.url}/{entry['path']}" async for page in pages for entry in page])

    async def clear(self, prefix: str) -> None:
        """Deletes all objects under a prefix, and its folders in a local store; a prefix without objects is not an error.

        Raises:
            StoreUnavailable: try again later; some may be deleted.
        """
        with _translated(prefix):
            if self._folder is not None:
                await asyncio.to_thread(shutil.rmtree, self._folder / self._inside(prefix), onerror=_unless_gone)
                return
            async for page in obstore.list(self._store, prefix):
                await obstore.delete_async(self._store, [entry["path"] for entry in page])

    async def sweep(self, prefix: str, *, older_than: timedelta) -> int:
        """Deletes the objects under a prefix that are older than a span, and returns how many.

        In a local folder this includes files that a killed process was still writing; a cloud store removes such uploads by its
        own rules.

        Raises:
            StoreUnavailable: try again later.
        """
        before = datetime.now(UTC) - older_than
        with _translated(prefix):
            if self._folder is not None:
                return await asyncio.to_thread(_sweep_folder, self._folder / self._inside(prefix), before.timestamp())
            old = [
                entry["path"]
                async for page in obstore.list(self._store, prefix)
                for entry in page
                if entry["last_modified"] < before
            ]
            if old:
                await obstore.delete_async(self._store, old)
            return len(old)

    def owns(self, url: str) -> bool:
        """Whether a URL can be that of an object of this store."""
        return url.startswith(f"{self.url}/") and _is_plain(url.removeprefix(f"{self.url}/"))

    def open_local(self, url: str) -> BufferedReader | None:
        """Opens an object of a local folder for reading in place; returns None for other stores.

        Raises:
            ObjectMissing, ForeignObject: as `get`.
            OSError: it cannot be opened, for example for lack of permission.
        """
        key = self._key(url)
        return None if self._folder is None else self._open(key)

    async def ping(self) -> bool:
        """Whether the store answers."""
        try:
            await self.size(f"{self.url}/ping")
        except ObjectMissing:
            return True
        except StoreUnavailable:
            return False
        return True

    def _key(self, url: str) -> str:
        if not self.owns(url):
            raise ForeignObject(f"{url} is not an object of the store {self.url}")
        return self._inside(url.removeprefix(f"{self.url}/"))

    def _inside(self, key: str) -> str:
        """Returns a key after checking that its file lies in the folder of a local store, links resolved."""
        if self._folder is not None and not resolved_below(self._folder / key, self._folder):
            raise ForeignObject(f"{key} leads out of the store {self.url}")
        return key

    def _open(self, key: str) -> BufferedReader:
        assert self._folder is not None
        try:
            return open_below(self._folder / key, (self._folder,))
        except OutsideFolder:  # it has become a link just now
            raise ForeignObject(f"{key} leads out of the store {self.url}") from None
        except NoRegularFile:
            raise ObjectMissing(f"there is no object {key}") from None
        except FileNotFoundError:
            raise StoreUnavailable(f"the folder of the object store {self.url} is away") from None

    def _read(self, key: str) -> bytes:
        with self._open(key) as file:
            return file.read()

    def _size(self, key: str) -> int:
        with self._open(key) as file:
            return os.fstat(file.fileno()).st_size


def _cloud_store(url: str, options: Mapping[str, str]) -> Any:
    named: Any = dict(options)  # which names there are depends on the kind of store
    try:
        return from_url(url, config=named)
    except (BaseError, ValueError) as error:
        # The first line only: what follows is for those who debug the library.
        raise StoreNotUsable(f"the object store {url} cannot be used: {str(error).splitlines()[0]}") from error


def _is_plain(key: str) -> bool:
    """Whether a key has the same meaning in every store and file system, however often it is percent-decoded.

    A key with empty parts, `.` or `..`, control characters, or characters that end or divide a path in a URL (RFC 3986 §3) or
    on other systems is not plain.
    """
    try:
        if len(key.encode()) > _MOST_KEY_BYTES:
            return False
    except UnicodeEncodeError:  # half a surrogate pair
        return False
    while not _NOT_PLAIN.search(key):
        if (decoded := unquote(key)) == key:
            return True
        key = decoded
    return False


def _unless_gone(_function: Any, _path: str, failure: Any) -> None:
    if not isinstance(failure[1], FileNotFoundError):
        raise failure[1]


def _sweep_folder(folder: Path, before: float) -> int:
    removed = 0
    for inside, _, files in os.walk(folder, onerror=_unless_closed):
        for name in files:
            path = Path(inside, name)
            # Uploads end, and others sweep meanwhile.
            with suppress(FileNotFoundError):
                status = os.lstat(path)
                if stat.S_ISREG(status.st_mode) and status.st_mtime < before:
                    path.unlink()
                    removed += 1
    return removed


def _unless_closed(failure: OSError) -> None:
    """Skips a folder that was deleted meanwhile, or that this user may not list."""
    if not isinstance(failure, FileNotFoundError | PermissionError):
        raise failure


@contextmanager
def _translated(key: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise ObjectMissing(f"there is no object {key}") from None
    except (AlreadyExistsError, FileExistsError):
        raise _Exists from None
    except (BaseError, OSError) as error:
        raise StoreUnavailable(f"the object store failed at {key}: {error}") from error
