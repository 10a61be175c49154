"""Makes and checks API keys, of which only the SHA-256 is kept.

The key file has a line for each key, so it can be mounted as a secret; it is read again when it changes:

```
NAME SHA256 [tenant=TENANT] [expires=2027-01-31T00:00:00Z]
```

Without a tenant a key is of a tenant of its own name; with `tenant=*` it sees everything (`steno.tenants`). Keys are 32 random
bytes, so a plain digest is enough at rest (nothing to guess from a dictionary).
"""

import hashlib
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from steno.key_file import Key, KeyFile, Terms
from steno.tenants import ALL_TENANTS, Caller, is_name

_PREFIX = "steno_"
_DIGEST = re.compile(r"[0-9a-fA-F]{64}")


def make_key() -> str:
    """A new API key."""
    return _PREFIX + secrets.token_urlsafe(32)


def key_line(name: str, key: str, *, tenant: str | None = None, expires: datetime | None = None) -> str:
    """The line of the key file for a key.

    Raises:
        ValueError: the name or the tenant cannot be one.
    """
    if not is_name(name):
        raise ValueError(f"a key's name is one word of letters, digits and _ . @ + : / -, not {name!r}")
    if tenant is not None and tenant != ALL_TENANTS and not is_name(tenant):
        raise ValueError(f"a tenant is one word of letters, digits and _ . @ + : / -, or *; not {tenant!r}")
    terms = "" if tenant is None else f" tenant={tenant}"
    if expires is not None:
        terms += f" expires={expires.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    return f"{name} {digest_of(key)}{terms}\n"


def read_api_key(fields: Sequence[str], terms: Terms) -> Key:
    """A line of the API key file.

    Raises:
        ValueError: it is none.
    """
    if len(fields) != 2:
        raise ValueError("a line is NAME SHA256, with tenant=… and expires=… behind where wanted")
    name, digest = fields
    if not is_name(name):
        raise ValueError("the first field is not a name")
    if not _DIGEST.fullmatch(digest):
        raise ValueError("the second field is not a SHA-256 in 64 hexadecimal digits")
    caller = Caller(name, terms.owner(otherwise=name), terms.everything, digest.lower())
    return Key(caller, terms.expires, tenant=terms.tenant)


class ApiKeys:
    """The keys that open a door. Without a file, or with an empty one, none does."""

    def __init__(self, path: Path | None, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """Raises `steno.secret_file.SecretFileUnreadable`."""
        self._keys = KeyFile(path, read_api_key, what="API key file", clock=clock)

    def verify(self, key: str) -> Caller | None:
        """Who brings a key, or None where it opens nothing."""
        # The look-up is by digest: how long it takes tells nothing about the key.
        found = self._keys.of(digest_of(key))
        return found.caller if found is not None else None

    def holds(self, caller: Caller) -> bool:
        """Whether the key of a caller that was let in still opens, and says the same of it."""
        return self._keys.holds(caller)


def presented_key(headers: Mapping[str, str]) -> str | None:
    """The key a request carries: `Authorization: Bearer KEY` or `X-Api-Key: KEY`.

    Where there is an `Authorization` it counts, and one of another scheme is no key at all.
    """
    authorization = headers.get("authorization")
    if authorization is None:
        return headers.get("x-api-key")
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def digest_of(key: str) -> str:
    """The digest of a key, as it stands in the key file."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
