"""Issues and checks tokens that stand for an API key for ten minutes, as Azure's `issueToken` does. Not pure: it reads keys.

An application gives its users such a token instead of the key. Nothing is stored: a token is signed with what is derived from
the digest of its key (JSON Web Token, RFC 7519, HS256), so it is valid at all replicas, and not longer than its key.
The digest itself is not in the token: whoever reads it could sign tokens of their own.
"""

import hmac
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import jwt

from steno.http.auth import ApiKeys
from steno.tenants import Caller

LIFETIME = timedelta(minutes=10)
_ALGORITHM = "HS256"
_SIGNING, _NAMING = b"steno speech token", b"steno speech token's key"
"""What the secrets and the names are derived for."""


class SpeechTokens:
    """The tokens of the keys of a file."""

    def __init__(self, keys: ApiKeys, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._keys = keys
        self._clock = clock

    def issue(self, caller: Caller) -> str:
        """Makes a token for the caller of a valid key."""
        payload = {"sub": _name_of(caller.key), "exp": int((self._clock() + LIFETIME).timestamp())}
        return jwt.encode(payload, _signing_key(caller.key), algorithm=_ALGORITHM)

    def verify(self, token: str) -> Caller | None:
        """Returns the caller of a token, or None if it is not valid, or not any more."""
        try:
            name = jwt.decode(token, options={"verify_signature": False}).get("sub")
            caller = next((caller for caller in self._keys.callers() if _name_of(caller.key) == name), None)
            if caller is None:
                return None
            claims = jwt.decode(
                token,
                _signing_key(caller.key),
                algorithms=[_ALGORITHM],
                # By the clock of this object.
                options={"require": ["sub", "exp"], "verify_exp": False},
            )
            expires = claims["exp"]
        except jwt.InvalidTokenError:
            return None
        valid = isinstance(expires, int) and self._clock().timestamp() < expires
        return caller if valid else None


def _signing_key(digest: str) -> bytes:
    return hmac.digest(digest.encode(), _SIGNING, "sha256")


@lru_cache(maxsize=10_000)
def _name_of(digest: str) -> str:
    """The name of a key in tokens, from which its digest cannot be derived."""
    return hmac.digest(digest.encode(), _NAMING, "sha256").hex()
