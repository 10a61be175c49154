"""Authenticates Twilio-shaped streams by Twilio's signature or by an API key.

Not pure: it reads the key files.

Twilio signs the upgrade: `X-Twilio-Signature` is the base64 of HMAC-SHA1 over the full URL of the stream, keyed with the
account's Auth Token (twilio.com/docs/usage/security), or HMAC-SHA256 if `X-Twilio-Webhooks-Signature-Settings` says so. The
port and the final slash in the signed URL may differ from those in the request, so several spellings are tried, as in Twilio's
own validator. Telnyx and SignalWire do not sign: SignalWire sends an API key as a bearer token (`authBearerToken`), and Telnyx
connects to the given URL, with the key in the query (`?api_key=KEY`).
"""

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from steno.http.auth import ApiKeys, presented_key
from steno.key_file import Key, KeyFile, Terms
from steno.tenants import Caller
from steno_ingest.calls.doors.http_entrance import DoorFactory, Upgrade, UpgradeRefused
from steno_ingest.calls.doors.port import AcceptedPeer
from steno_ingest.calls.doors.twilio import TwilioDoor
from steno_ingest.calls.doors.twilio_stream_group import StreamGroups

_HEADER = "x-twilio-signature"
_SETTINGS_HEADER = "x-twilio-webhooks-signature-settings"
_ALGORITHMS = {"HMAC_SHA1": "sha1", "HMAC_SHA256": "sha256"}
_PORTS = {"wss": 443, "ws": 80}


class AuthTokens:
    """The Auth Tokens with which Twilio signs, one per line. All are valid, so that a token can be replaced without a break.

    Without a file, or with an empty one, no signature is valid. `tenant=…` and `expires=…` may follow a token.
    """

    def __init__(self, path: Path | None) -> None:
        """Raises `steno.secret_file.SecretFileUnreadable`."""
        self._keys = KeyFile(path, _read, what="Twilio Auth Token file")

    def current(self) -> list[Key]:
        """Returns the tokens that are valid now."""
        return self._keys.all()

    def holds(self, caller: Caller) -> bool:
        """Whether the token of an authenticated peer is still valid, with the same tenant."""
        return self._keys.holds(caller)


def _read(fields: Sequence[str], terms: Terms) -> Key:
    if len(fields) != 1:
        raise ValueError("a line is an Auth Token, optionally followed by tenant=… and expires=…")
    token = fields[0].encode("utf-8")
    caller = Caller("twilio", terms.owner(), terms.everything, hashlib.sha256(token).hexdigest())
    return Key(caller, terms.expires, token)


class Authenticator:
    """Checks upgrade requests by signature or API key."""

    def __init__(self, tokens: AuthTokens, keys: ApiKeys, *, public_url: str = "") -> None:
        """`public_url` is the URL that the platforms use, if a proxy changes host or path."""
        self._tokens = tokens
        self._keys = keys
        self._public_url = public_url

    def check(self, upgrade: Upgrade) -> Caller:
        """Authenticates a request and returns its caller.

        Raises:
            UpgradeRefused: it has neither a valid signature nor a valid API key.
        """
        signature = upgrade.headers.get(_HEADER)
        if signature is not None:
            caller = self._signer(upgrade, signature)
            if caller is None:
                # Without the query, which may contain a key, and in the most common spelling.
                url = self._targets(upgrade)[0]
                reason = "X-Twilio-Signature is not valid; see the log of ingest for the URL that was checked"
                raise _refused(reason, cause="signature", url=url, client=upgrade.client)
            return caller
        key = presented_key(upgrade.headers) or parse_qs(upgrade.query).get("api_key", [""])[0]
        caller = self._keys.verify(key) if key else None
        if caller is None:
            raise _refused(
                "send X-Twilio-Signature, or an API key as `Authorization: Bearer KEY`, `X-Api-Key: KEY` or `?api_key=KEY`",
                cause="api_key",
                client=upgrade.client,
            )
        return caller

    def holds(self, caller: Caller) -> bool:
        """Whether the token or key of a peer is still valid."""
        return self._tokens.holds(caller) or self._keys.holds(caller)

    def _signer(self, upgrade: Upgrade, signature: str) -> Caller | None:
        algorithm = _ALGORITHMS.get(_algorithm(upgrade.headers.get(_SETTINGS_HEADER, "")))
        if algorithm is None:
            return None
        urls = list(self._urls(upgrade, query=upgrade.query))
        right = [
            token.caller
            for token in self._tokens.current()
            for url in urls
            if hmac.compare_digest(signature.encode("utf-8"), _signature(token.secret, url, algorithm).encode("utf-8"))
        ]
        return right[0] if right else None

    def _urls(self, upgrade: Upgrade, *, query: str) -> Iterator[str]:
        """Gives the spellings of the URL that may have been signed, with both schemes, since a proxy may have ended TLS."""
        for target in self._targets(upgrade):
            try:
                yield from spellings(target, query=query)
            except ValueError:
                continue

    def _targets(self, upgrade: Upgrade) -> list[str]:
        return [self._public_url] if self._public_url else [f"{scheme}://{upgrade.host}{upgrade.path}" for scheme in _PORTS]


def _refused(reason: str, *, cause: str, **details: str) -> UpgradeRefused:
    return UpgradeRefused(401, reason, event="twilio.refused", details={"reason": cause, **details})


def signature_of(token: str, url: str, *, algorithm: str = "sha1") -> str:
    """Returns the value of `X-Twilio-Signature` that Twilio sends for a WebSocket."""
    return _signature(token.encode("utf-8"), url, algorithm)


def _signature(token: bytes, url: str, algorithm: str) -> str:
    return b64encode(hmac.digest(token, url.encode("utf-8"), algorithm)).decode("ascii")


def spellings(url: str, *, query: str = "") -> list[str]:
    """Returns a URL with its port, without a port and with the default port, each with and without a final slash.

    Raises:
        ValueError: it is not a URL.
    """
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    bare = host.removesuffix(f":{parts.port}") if parts.port is not None else host
    path = parts.path.rstrip("/")
    return [
        f"{parts.scheme}://{authority}{spelt}" + (f"?{query}" if query else "")
        for authority in dict.fromkeys((host, bare, f"{bare}:{_PORTS.get(parts.scheme, 443)}"))
        for spelt in (path, f"{path}/")
    ]


def door_factory(authenticator: Authenticator, *, rejoin_seconds: float = 0) -> DoorFactory:
    """Returns a factory that makes doors for authenticated requests."""

    groups = StreamGroups()

    def make(upgrade: Upgrade) -> AcceptedPeer:
        caller = authenticator.check(upgrade)
        return AcceptedPeer(
            door=TwilioDoor(rejoin_seconds=rejoin_seconds, groups=groups, owner=caller.key),
            caller=caller,
            holds=lambda: authenticator.holds(caller),
        )

    return make


def _algorithm(settings: str) -> str:
    """Returns the algorithm in `X-Twilio-Webhooks-Signature-Settings`, e.g. `key=…,algorithm=HMAC_SHA256`; else HMAC_SHA1."""
    values = dict(part.strip().split("=", 1) for part in settings.split(",") if "=" in part)
    return values.get("algorithm", "HMAC_SHA1").upper() or "HMAC_SHA1"
