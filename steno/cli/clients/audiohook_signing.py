"""Signs the upgrade request of an AudioHook client, as Genesys Cloud does."""

import hmac
import secrets
from base64 import b64encode
from collections.abc import Mapping
from urllib.parse import urlsplit


def signature_base(parts: Mapping[str, str], parameters: str) -> str:
    """The text that is signed: a line for each part, and one for the parameters.

    Source: draft-ietf-httpbis-message-signatures-11 §2.5.
    """
    return "\n".join([*(f'"{name}": {value}' for name, value in parts.items()), f'"@signature-params": {parameters}'])


def sign(
    url: str, headers: Mapping[str, str], *, secret: bytes, now: float, nonce: str | None = None, lifetime_seconds: int = 30
) -> dict[str, str]:
    """The headers Signature-Input and Signature of a request for `url` with the four headers of an AudioHook client.

    Args:
        url: Where the client connects to.
        headers: By lower-case name; all of them are signed. One is x-api-key.
        secret: The client secret, decoded.
        now: Seconds since 1970.
        nonce: Told once; without one, a new one.
        lifetime_seconds: After which the signature is no good.
    """
    where = urlsplit(url)
    target = f"{where.path or '/'}?{where.query}" if where.query else where.path or "/"
    parts = {"@request-target": target, "@authority": where.netloc.lower(), **headers}
    names = " ".join(f'"{name}"' for name in parts)
    created = int(now)
    parameters = (
        f'({names});keyid="{headers["x-api-key"]}";nonce="{nonce or secrets.token_urlsafe(18)}";alg="hmac-sha256"'
        f";created={created};expires={created + lifetime_seconds}"
    )
    signature = hmac.digest(secret, signature_base(parts, parameters).encode("utf-8"), "sha256")
    return {"signature-input": f"sig1={parameters}", "signature": f"sig1=:{b64encode(signature).decode('ascii')}:"}
