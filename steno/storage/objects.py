"""Objects: recordings and result documents, in a local folder, S3, Azure Blob or Google Cloud Storage.

An object is named by its URL, which is what travels on topics; a store reads only what is its own.
"""

import asyncio
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, from_url

from steno.errors import Permanent, Retryable


class ObjectMissing(Permanent):
    """There is no such object."""

    error_class = "object_missing"


class ForeignObject(Permanent):
    """A URL does not name an object of this store."""

    error_class = "foreign_object"


class StoreUnavailable(Retryable):
    """The store cannot be reached or cannot take more (a full disk, say)."""

    error_class = "store_unavailable"


class ObjectStore:
    """One place for objects, given by URL: `file:///folder`, `s3://bucket/prefix`, `az://…`, `gs://…`.

    Credentials of the cloud stores come from the environment, as their own tools read them.
    """

    def __init__(self, url: str) -> None:
        """Raises `ValueError` where the URL names no kind of store."""
        self.url = url.rstrip("/")
        parts = urlsplit(self.url)
        self._folder = Path(unquote(parts.path)) if parts.scheme == "file" else None
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._store: Any = LocalStore(self._folder)
        elif parts.scheme:
            self._store = from_url(self.url)
        else:
            raise ValueError(f"{url!r} is not an object store: give file:///folder, s3://…, az://… or gs://…")

    async def put(self, key: str, data: bytes | AsyncIterator[bytes]) -> str:
        """Keeps an object, whole or not at all, in place of an older one; returns its URL.

        Raises:
            StoreUnavailable: it could not be kept.
        """
        with _translated(key):
            await obstore.put_async(self._store, key, data)
        return f"{self.url}/{key}"

    async def move(self, url: str, key: str) -> str:
        """Gives an object another key, in place of an older one there; returns its new URL. Raises like `get`."""
        with _translated(key):
            await obstore.rename_async(self._store, self._key(url), key, overwrite=True)
        return f"{self.url}/{key}"

    async def get(self, url: str) -> bytes:
        """The whole of an object.

        Raises:
            ObjectMissing: there is none.
            ForeignObject: the URL is not of this store.
            StoreUnavailable: try again later.
        """
        key = self._key(url)
        with _translated(key):
            result = await obstore.get_async(self._store, key)
            return bytes(await result.bytes_async())

    async def stream(self, url: str) -> AsyncIterator[bytes]:
        """An object piece by piece; raises like `get`."""
        key = self._key(url)
        with _translated(key):
            result = await obstore.get_async(self._store, key)
            async for piece in result.stream(min_chunk_size=1 << 20):
                yield bytes(piece)

    async def size(self, url: str) -> int:
        """The bytes of an object; raises like `get`."""
        key = self._key(url)
        with _translated(key):
            return int((await obstore.head_async(self._store, key))["size"])

    async def delete(self, url: str) -> None:
        """Removes an object; one that is not there is no error."""
        key = self._key(url)
        try:
            with _translated(key):
                await obstore.delete_async(self._store, key)
        except ObjectMissing:
            pass

    async def listed(self, prefix: str) -> list[str]:
        """The URLs of the objects under a prefix, a path without its last slash, in the order of their keys.

        Raises:
            StoreUnavailable: try again later.
        """
        with _translated(prefix):
            pages = obstore.list(self._store, prefix)
            return sorted([f"{self.url}/{entry['path']}" async for page in pages for entry in page])

    async def clear(self, prefix: str) -> None:
        """Removes all objects under a prefix, and what of folders a local store has of it; none there is no error.

        Raises:
            StoreUnavailable: try again later; some may be gone.
        """
        with _translated(prefix):
            if self._folder is not None:
                await asyncio.to_thread(shutil.rmtree, self._folder / prefix, onerror=_unless_gone)
                return
            async for page in obstore.list(self._store, prefix):
                await obstore.delete_async(self._store, [entry["path"] for entry in page])

    async def sweep(self, prefix: str, *, older_than: timedelta) -> int:
        """Removes the objects under a prefix that are older than that, and says how many.

        In a local folder that takes in what a killed process was still writing; a cloud store ends such uploads by a rule of
        its own.

        Raises:
            StoreUnavailable: try again later.
        """
        before = datetime.now(UTC) - older_than
        with _translated(prefix):
            if self._folder is not None:
                return await asyncio.to_thread(_sweep_folder, self._folder / prefix, before.timestamp())
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
        """Whether a URL names an object of this store."""
        return url.startswith(f"{self.url}/") and ".." not in unquote(url).split("/")

    def local_path(self, url: str) -> Path | None:
        """The file of an object, where the store is a local folder: it can be read in place."""
        return None if self._folder is None else self._folder / self._key(url)

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
        return url.removeprefix(f"{self.url}/")


def _unless_gone(_function: Any, _path: str, failure: Any) -> None:
    if not isinstance(failure[1], FileNotFoundError):
        raise failure[1]


def _sweep_folder(folder: Path, before: float) -> int:
    old = [path for path in folder.rglob("*") if path.is_file() and path.stat().st_mtime < before]
    for path in old:
        path.unlink(missing_ok=True)
    return len(old)


@contextmanager
def _translated(key: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise ObjectMissing(f"there is no object {key}") from None
    except (BaseError, OSError) as error:
        raise StoreUnavailable(f"the object store failed at {key}: {error}") from error
