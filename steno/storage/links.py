"""Links to single objects of a local store, for a service outside that has to read them: signed, and valid for a time. Pure.

`URL/signed/KEY?expires=SECONDS&signature=HEX`: the signature is HMAC-SHA-256 (RFC 2104) of key and expiry, so a link opens that
object and no other, until that moment (seconds since 1970). Cloud stores sign links themselves (`ObjectStore.sign`).
"""

import hashlib
import hmac
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from steno.secret_file import Fault, Line

FOLDER = "/signed/"
"""The path below which links are answered."""

LEAST_SECRET = 32
"""Characters of a secret that cannot be guessed."""

LONGEST = timedelta(days=31)
"""No link is valid for longer, whatever was signed."""


def parse_secrets(lines: Sequence[Line]) -> tuple[tuple[str, ...], Sequence[Fault]]:
    """Reads the file of secrets, for `SecretFile`: one a line, the first signs."""
    secrets, faults = [], []
    for line in lines:
        if len(line.fields) == 1 and len(line.fields[0]) >= LEAST_SECRET:
            secrets.append(line.fields[0])
        else:
            faults.append(Fault(line.number, f"a line is one word of at least {LEAST_SECRET} characters"))
    return tuple(secrets), faults


def make_link(base_url: str, key: str, *, secret: str, expires: datetime) -> str:
    """Makes the link to an object below the URL of the service that answers it."""
    seconds = str(int(expires.timestamp()))
    return f"{base_url.rstrip('/')}{FOLDER}{quote(key)}?expires={seconds}&signature={_signature(key, seconds, secret)}"


def is_valid(key: str, *, expires: str, signature: str, secrets: Sequence[str], now: datetime) -> bool:
    """Whether a link to an object was signed with one of the secrets, and has not expired."""
    if not (expires.isascii() and expires.isdigit() and len(expires) <= 11 and signature.isascii()):
        return False
    signed = [hmac.compare_digest(_signature(key, expires, secret), signature) for secret in secrets]
    end = datetime.fromtimestamp(int(expires), UTC)
    return any(signed) and now < end <= now + LONGEST


def _signature(key: str, expires: str, secret: str) -> str:
    # Neither part can be moved into the other: an expiry has digits only.
    return hmac.new(secret.encode(), f"GET\n{expires}\n{key}".encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()
