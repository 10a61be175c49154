"""Issues and checks tokens that stand for an API key for ten minutes, as Azure's `issueToken` does. Not pure: it reads keys.

An application gives its users such a token instead of the key. Nothing is stored: a token is signed with what is derived from
the digest of its key (JSON Web Token, RFC 7519, HS256), so it is valid at all replicas, and not longer than its key.
"""

import hmac
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import jwt

from steno.http.auth import ApiKeys
from steno.tenants import Caller

LIFETIME = timedelta(minutes=10)
_ALGORITHM = "HS256"
_PURPOSE = b"steno speech token"


class SpeechTokens:
    """The tokens of the keys of a file."""

    def __init__(self, keys: ApiKeys, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._keys = keys
        self._clock = clock

    def issue(self, caller: Caller) -> str:
        """Makes a token for the caller of a valid key."""
        payload = {"sub": caller.key, "exp": int((self._clock() + LIFETIME).timestamp())}
        return jwt.encode(payload, _signing_key(caller.key), algorithm=_ALGORITHM)

    def verify(self, token: str) -> Caller | None:
        """Returns the caller of a token, or None if it is not valid, or not any more."""
        try:
            digest = jwt.decode(token, options={"verify_signature": False}).get("sub")
            caller = self._keys.caller_of(digest) if isinstance(digest, str) else None
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
    return hmac.digest(digest.encode(), _PURPOSE, "sha256")
