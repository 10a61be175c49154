"""Makes and checks API keys, of which only the SHA-256 digests are stored.

The key file has a line for each key, so it can be mounted as a secret; it is read again when it changes:

```
NAME SHA256 [tenant=TENANT] [expires=2027-01-31T00:00:00Z]
```

A key without a tenant has a tenant of its own name; one with `tenant=*` sees everything (`steno.tenants`). Keys are 32 random
bytes, so they cannot be guessed from a dictionary and a plain digest is enough.
"""

import hashlib
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from steno.key_file import Key, KeyFile, Terms
from steno.tenants import ALL_TENANTS, Caller, is_name

SUBSCRIPTION_KEY = "ocp-apim-subscription-key"
"""The header in which clients of Azure send their key."""

_PREFIX = "steno_"
_DIGEST = re.compile(r"[0-9a-fA-F]{64}")


def make_key() -> str:
    """Makes a new API key."""
    return _PREFIX + secrets.token_urlsafe(32)


def key_line(name: str, key: str, *, tenant: str | None = None, expires: datetime | None = None) -> str:
    """Returns the line of the key file for a key.

    Raises:
        ValueError: the name or the tenant is not valid.
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
    """Reads a line of the API key file.

    Raises:
        ValueError: the line is not valid.
    """
    if len(fields) != 2:
        raise ValueError("a line is NAME SHA256, optionally followed by tenant=… and expires=…")
    name, digest = fields
    if not is_name(name):
        raise ValueError("the first field is not a name")
    if not _DIGEST.fullmatch(digest):
        raise ValueError("the second field is not a SHA-256 in 64 hexadecimal digits")
    caller = Caller(name, terms.owner(otherwise=name), terms.everything, digest.lower())
    return Key(caller, terms.expires, tenant=terms.tenant)


class ApiKeys:
    """The valid API keys, read from a file. Without a file, or with an empty one, no key is valid."""

    def __init__(self, path: Path | None, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """Raises `steno.secret_file.SecretFileUnreadable`."""
        self._keys = KeyFile(path, read_api_key, what="API key file", clock=clock)

    def verify(self, key: str) -> Caller | None:
        """Returns the caller of a key, or None if the key is not valid."""
        # The look-up is by digest, so its duration reveals nothing about the key.
        found = self._keys.of(digest_of(key))
        return found.caller if found is not None else None

    def callers(self) -> list[Caller]:
        """Returns the callers of all keys that are valid."""
        return [key.caller for key in self._keys.all()]

    def holds(self, caller: Caller) -> bool:
        """Whether the key of an authenticated caller is still valid, with the same tenant."""
        return self._keys.holds(caller)


def presented_key(headers: Mapping[str, str]) -> str | None:
    """Returns the key of a request, from `Authorization: Bearer KEY`, `X-Api-Key: KEY` or `Ocp-Apim-Subscription-Key: KEY`,
    which clients of Azure send.

    If `Authorization` is present, the others are ignored, also when the scheme is not `Bearer` and there is therefore no key.
    """
    authorization = headers.get("authorization")
    if authorization is None:
        return headers.get("x-api-key") or headers.get(SUBSCRIPTION_KEY)
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def digest_of(key: str) -> str:
    """Returns the digest of a key, in the form that the key file uses."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
