"""Decides who may open a Twilio-shaped stream: requests signed by Twilio, and those that carry an API key.

Not pure: it reads the files of keys.

Twilio signs the upgrade: `X-Twilio-Signature` is the base64 of HMAC-SHA1 over the stream's full URL, keyed with the account's
Auth Token (twilio.com/docs/usage/security), or HMAC-SHA256 where `X-Twilio-Webhooks-Signature-Settings` says so. It does not
always sign the port as the URL has it, nor the slash at its end, so a URL is tried in those spellings, as by Twilio's own
validator. Telnyx and SignalWire do not sign: SignalWire sends an API key as a bearer token (`authBearerToken`), Telnyx connects
to the URL as it was given, with the key in the query (`?api_key=KEY`).
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
from steno_ingest.calls.doors.port import Entered
from steno_ingest.calls.doors.twilio import TwilioDoor
from steno_ingest.calls.doors.twilio_stream_group import StreamGroups

_HEADER = "x-twilio-signature"
_SETTINGS_HEADER = "x-twilio-webhooks-signature-settings"
_ALGORITHMS = {"HMAC_SHA1": "sha1", "HMAC_SHA256": "sha256"}
_PORTS = {"wss": 443, "ws": 80}


class AuthTokens:
    """The secrets that Twilio signs with, one a line; all of them are good, so that one can be replaced without a break.

    Without a file, or with an empty one, no signature is right. `tenant=…` and `expires=…` may stand behind a token.
    """

    def __init__(self, path: Path | None) -> None:
        """Raises `steno.secret_file.SecretFileUnreadable`."""
        self._keys = KeyFile(path, _read, what="Twilio Auth Token file")

    def current(self) -> list[Key]:
        """The tokens that are good now."""
        return self._keys.all()

    def holds(self, caller: Caller) -> bool:
        """Whether the token of a peer that was let in is still good, and says the same of it."""
        return self._keys.holds(caller)


def _read(fields: Sequence[str], terms: Terms) -> Key:
    if len(fields) != 1:
        raise ValueError("a line is an Auth Token, with tenant=… and expires=… behind where wanted")
    token = fields[0].encode("utf-8")
    caller = Caller("twilio", terms.owner(), terms.everything, hashlib.sha256(token).hexdigest())
    return Key(caller, terms.expires, token)


class Gatekeeper:
    """Decides which upgrade requests may open a stream."""

    def __init__(self, tokens: AuthTokens, keys: ApiKeys, *, public_url: str = "") -> None:
        """`public_url` is the URL that the platforms are given, where a proxy changes host or path on the way."""
        self._tokens = tokens
        self._keys = keys
        self._public_url = public_url

    def check(self, upgrade: Upgrade) -> Caller:
        """Lets a request pass, and says whose it is.

        Raises:
            UpgradeRefused: it is not signed right, or carries no key of ours.
        """
        signature = upgrade.headers.get(_HEADER)
        if signature is not None:
            caller = self._signer(upgrade, signature)
            if caller is None:
                # Without the query: a key may stand there. Of all its spellings the one that a platform is mostly given.
                url = self._targets(upgrade)[0]
                told = "X-Twilio-Signature is not right; the log of ingest says for which URL"
                raise _refused(told, reason="signature", url=url, client=upgrade.client)
            return caller
        key = presented_key(upgrade.headers) or parse_qs(upgrade.query).get("api_key", [""])[0]
        caller = self._keys.verify(key) if key else None
        if caller is None:
            raise _refused(
                "send X-Twilio-Signature, or an API key as `Authorization: Bearer KEY`, `X-Api-Key: KEY` or `?api_key=KEY`",
                reason="api_key",
                client=upgrade.client,
            )
        return caller

    def holds(self, caller: Caller) -> bool:
        """Whether what a peer came in with, token or key, is still good."""
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
        """The spellings of the URL that may have been signed. Whether a proxy took TLS off does not show, so both are tried."""
        for target in self._targets(upgrade):
            try:
                yield from spellings(target, query=query)
            except ValueError:
                continue

    def _targets(self, upgrade: Upgrade) -> list[str]:
        return [self._public_url] if self._public_url else [f"{scheme}://{upgrade.host}{upgrade.path}" for scheme in _PORTS]


def _refused(told: str, **details: str) -> UpgradeRefused:
    return UpgradeRefused(401, told, event="twilio.refused", details=details)


def signature_of(token: str, url: str, *, algorithm: str = "sha1") -> str:
    """What Twilio sends as `X-Twilio-Signature` for a WebSocket."""
    return _signature(token.encode("utf-8"), url, algorithm)


def _signature(token: bytes, url: str, algorithm: str) -> str:
    return b64encode(hmac.digest(token, url.encode("utf-8"), algorithm)).decode("ascii")


def spellings(url: str, *, query: str = "") -> list[str]:
    """A URL without a port, with the one it has and with its scheme's own, each with and without a slash at its end.

    Raises:
        ValueError: it is no URL.
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


def door_factory(gatekeeper: Gatekeeper, *, rejoin_seconds: float = 0) -> DoorFactory:
    """Makes the doors of requests that may come in, and refuses all others."""

    groups = StreamGroups()

    def make(upgrade: Upgrade) -> Entered:
        caller = gatekeeper.check(upgrade)
        return Entered(
            door=TwilioDoor(rejoin_seconds=rejoin_seconds, groups=groups, party=caller.key),
            caller=caller,
            holds=lambda: gatekeeper.holds(caller),
        )

    return make


def _algorithm(settings: str) -> str:
    """As `X-Twilio-Webhooks-Signature-Settings` tells it, e.g. `key=…,algorithm=HMAC_SHA256`; HMAC_SHA1 without."""
    told = dict(part.strip().split("=", 1) for part in settings.split(",") if "=" in part)
    return told.get("algorithm", "HMAC_SHA1").upper() or "HMAC_SHA1"
