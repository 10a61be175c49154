"""API keys: made once, shown once, kept as SHA-256 only.

The key file has a line `name sha256` for each key, so it can be mounted as a secret; it is read again when it changes. Keys are
32 random bytes, so a plain digest is enough at rest (nothing to guess from a dictionary).
"""

import hashlib
import secrets
from collections.abc import Mapping
from pathlib import Path

from steno.secret_file import SecretFile

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


class ApiKeys:
    """The keys that open a door. Without a file, or with an empty one, none does."""

    def __init__(self, path: Path | None) -> None:
        """Raises `SecretFileUnreadable`."""
        self._names = SecretFile(path, _names_by_digest, what="API key file")

    def verify(self, key: str) -> str | None:
        """The name of a key, or None where it opens nothing."""
        # The look-up is by digest: how long it takes tells nothing about the key.
        return self._names.current().get(_digest(key))


def presented_key(headers: Mapping[str, str]) -> str | None:
    """The key a request carries: `Authorization: Bearer KEY` or `X-Api-Key: KEY`.

    Where there is an `Authorization` it counts, and one of another scheme is no key at all.
    """
    authorization = headers.get("authorization")
    if authorization is None:
        return headers.get("x-api-key")
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _names_by_digest(text: str) -> dict[str, str]:
    entries = (line.split() for line in text.splitlines())
    return {digest: name for name, digest in (entry for entry in entries if len(entry) == 2)}


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8")).hexdigest()
