"""API keys: made once, shown once, kept as SHA-256 only.

The key file has a line `name sha256` for each key, so it can be mounted as a secret; it is read again when it changes. Keys are
32 random bytes, so a plain digest is enough at rest (nothing to guess from a dictionary).
"""

import hashlib
import secrets
from collections.abc import Mapping
from pathlib import Path

from steno.errors import StenoError

_PREFIX = "steno_"


def make_key() -> str:
    """A new API key."""
    return _PREFIX + secrets.token_urlsafe(32)


def key_line(name: str, key: str) -> str:
    """The line of the key file for a key.

    Raises:
        ValueError: the name is empty or has white space.
    """
    if not name or name.split() != [name]:
        raise ValueError(f"a key's name is one word, not {name!r}")
    return f"{name} {_digest(key)}\n"


class KeyFileUnreadable(StenoError):
    """The key file is there, but cannot be read."""

    error_class = "key_file_unreadable"


class ApiKeys:
    """The keys that open a door. Without a file, or with an empty one, none does."""

    def __init__(self, path: Path | None) -> None:
        """Raises `KeyFileUnreadable`, so that a service that could let nobody in does not start."""
        self._path = path
        self._names: dict[str, str] = {}
        self._read_at: int | None = None
        self._refresh()

    def verify(self, key: str) -> str | None:
        """The name of a key, or None where it opens nothing."""
        self._refresh()
        # The look-up is by digest: how long it takes tells nothing about the key.
        return self._names.get(_digest(key))

    def _refresh(self) -> None:
        if self._path is None:
            return
        try:
            changed_at = self._path.stat().st_mtime_ns
        except FileNotFoundError:
            self._names, self._read_at = {}, None
            return
        if changed_at != self._read_at:
            try:
                text = self._path.read_text("utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise KeyFileUnreadable(f"the API key file {self._path} cannot be read by this process: {error}") from error
            entries = (line.split() for line in text.splitlines())
            self._names = {digest: name for name, digest in (entry for entry in entries if len(entry) == 2)}
            self._read_at = changed_at


def presented_key(headers: Mapping[str, str]) -> str | None:
    """The key a request carries: `Authorization: Bearer KEY` or `X-Api-Key: KEY`.

    Where there is an `Authorization` it counts, and one of another scheme is no key at all.
    """
    authorization = headers.get("authorization")
    if authorization is None:
        return headers.get("x-api-key")
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8")).hexdigest()
