"""Authenticates AudioHook requests by their HTTP Message Signatures, as Genesys Cloud makes them.

Not pure: it reads the key file. Imports no adapter.

Genesys signs the upgrade request with HMAC-SHA256 over six parts of it, according to
draft-ietf-httpbis-message-signatures-11 (the draft of RFC 9421; `@request-target` exists only in the draft). The signature base
is rebuilt from the parsed header, so that there is only one spelling. A nonce is valid for one session, so a captured request
cannot be replayed.
"""

import hashlib
import hmac
import re
import secrets
from base64 import b64decode
from binascii import Error as Base64Error
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from http_sf import StructuredFieldError, parse, ser

from steno.key_file import Key, KeyFile, Terms
from steno.tenants import Caller
from steno_ingest.calls.doors.http_entrance import Upgrade

_REQUIRED = frozenset((
    "@request-target", "@authority",
    "audiohook-organization-id", "audiohook-session-id", "audiohook-correlation-id", "x-api-key",
))  # fmt: skip
_PARAMETERS: Mapping[str, type] = {"keyid": str, "nonce": str, "alg": str, "created": int, "expires": int}
_IDS = ("audiohook-organization-id", "audiohook-session-id", "audiohook-correlation-id")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_FOLD = re.compile(r"[ \t]*\r\n[ \t]+")
# The default ports of wss and ws, which the authority omits.
_DEFAULT_PORTS = (":443", ":80")

_SHORTEST_NONCE = 22
_OLDEST_SECONDS = 10
_SKEW_SECONDS = 3
# Longer than the validity of a signature: from 3 s before to 10 s after its creation by our clock.
_NONCE_SECONDS = 15


class ClientSecrets:
    """The API keys of AudioHook integrations with their client secrets. Without a file, or with an empty one, none is valid.

    The file has a line `API_KEY CLIENT_SECRET` for each, with the secret in base64 as in Genesys. A line with the key alone
    accepts requests without a signature. `tenant=…` and `expires=…` may follow.
    """

    def __init__(self, path: Path | None) -> None:
        """Raises `steno.secret_file.SecretFileUnreadable`."""
        self._keys = KeyFile(path, _read, what="AudioHook key file")

    def of(self, api_key: str) -> Key | None:
        """Returns a key with its secret, which is empty if it has none; None if the key is not valid."""
        # The look-up is by digest, so its duration reveals nothing about the key.
        return self._keys.of(_digest(api_key))

    def holds(self, caller: Caller) -> bool:
        """Whether the key of an authenticated peer is still valid, with the same tenant."""
        return self._keys.holds(caller)


def _read(fields: Sequence[str], terms: Terms) -> Key:
    try:
        api_key, *rest = fields
        (secret,) = rest or ("",)
        decoded = b64decode(secret, validate=True)
        if rest and not decoded:
            raise ValueError("the secret is empty")
    except (ValueError, Base64Error):
        raise ValueError("a line is an API key and its client secret in base64") from None
    return Key(Caller("audiohook", terms.owner(), terms.everything, _digest(api_key)), terms.expires, decoded)


class NotAuthentic(Exception):
    """A request is not authentic. The message is for the log only; the client does not get it."""


class Authenticator:
    """Checks that upgrade requests come from Genesys."""

    def __init__(self, client_secrets: ClientSecrets, *, clock: Callable[[], float], public_url: str = "") -> None:
        """`clock` returns seconds since 1970.

        `public_url` is the URL to which Genesys connects, if a proxy changes host or path.
        """
        self._client_secrets = client_secrets
        self._clock = clock
        self._public = urlsplit(public_url) if public_url else None
        self._nonces: OrderedDict[tuple[str, str], float] = OrderedDict()

    def check(self, upgrade: Upgrade) -> Caller:
        """Authenticates a request and returns its caller.

        Raises:
            NotAuthentic: it is not a request of Genesys for this service, or it was used before.
        """
        headers = {name: _FOLD.sub(" ", value.strip()) for name, value in upgrade.headers.items()}
        api_key = headers.get("x-api-key")
        if not api_key:
            raise NotAuthentic("no X-API-KEY header")
        for name in _IDS:
            if not _UUID.fullmatch(headers.get(name, "")):
                raise NotAuthentic(f"{name} is missing, or not a UUID")
        known = self._client_secrets.of(api_key)
        secret = known.secret if known is not None else None
        if "signature-input" not in headers and "signature" not in headers:
            if known is None or known.secret:
                raise NotAuthentic("the request is not signed, and its key is unknown or has a secret")
            return known.caller
        claimed, signed, signature = _parsed(headers, headers | self._derived(upgrade))
        now = self._clock()
        _check_parameters(claimed, api_key, now)
        # An unknown key takes the same work as a known one.
        expected = hmac.digest(secret or secrets.token_bytes(32), signed.encode("utf-8"), "sha256")
        if not hmac.compare_digest(signature, expected) or known is None or not secret:
            raise NotAuthentic("the signature is wrong, or its key is unknown")
        self._use_nonce((api_key, claimed["nonce"]), now)
        return known.caller

    def _derived(self, upgrade: Upgrade) -> dict[str, str]:
        path, authority = upgrade.path, upgrade.host
        if self._public is not None:
            path, authority = self._public.path or "/", self._public.netloc
        return {
            "@request-target": f"{path}?{upgrade.query}" if upgrade.query else path,
            "@authority": _authority(authority),
        }

    def _use_nonce(self, nonce: tuple[str, str], now: float) -> None:
        while self._nonces and next(iter(self._nonces.values())) < now - _NONCE_SECONDS:
            self._nonces.popitem(last=False)
        if nonce in self._nonces:
            raise NotAuthentic("the nonce was used before")
        self._nonces[nonce] = now


def _authority(netloc: str) -> str:
    """Returns host and port as they are signed: in lower case, without a default port (§2.2.3 of the draft)."""
    netloc = netloc.lower()
    for port in _DEFAULT_PORTS:
        netloc = netloc.removesuffix(port)
    return netloc


def _parsed(headers: Mapping[str, str], parts: Mapping[str, str]) -> tuple[Mapping[str, Any], str, bytes]:
    """Returns the signature's parameters, its signature base, and its bytes."""
    label, covered = _single_member(headers, "signature-input")
    signature_label, signature = _single_member(headers, "signature")
    if label != signature_label:
        raise NotAuthentic("Signature and Signature-Input have different labels")
    if not isinstance(covered, tuple) or not isinstance(covered[0], list):
        raise NotAuthentic("Signature-Input is not an inner list")
    if not isinstance(signature, tuple) or not isinstance(signature[0], bytes) or signature[1]:
        raise NotAuthentic("Signature is not a byte sequence")
    names = [name for name, _ in covered[0]]
    if any(type(name) is not str or parameters for name, parameters in covered[0]):
        raise NotAuthentic("a covered component is not a string, or has parameters")
    if len(set(names)) != len(names):
        raise NotAuthentic("a component is covered twice")
    if missing := sorted(_REQUIRED.difference(names)):
        raise NotAuthentic(f"the signature does not cover {', '.join(missing)}")
    if unknown := [name for name in names if name not in parts or name in ("signature", "signature-input")]:
        raise NotAuthentic(f"the signature covers missing or unknown components: {unknown}")
    return covered[1], _signed(covered, parts), signature[0]


def _single_member(headers: Mapping[str, str], name: str) -> tuple[str, Any]:
    def twice(key: str, context: str) -> None:
        raise NotAuthentic(f"{name} has {key!r} twice")

    try:
        members = parse(headers.get(name, "").encode("utf-8"), tltype="dictionary", on_duplicate_key=twice)
    except StructuredFieldError as error:
        raise NotAuthentic(f"{name} is not a structured field: {error}") from error
    if not isinstance(members, dict) or len(members) != 1:
        raise NotAuthentic(f"{name} must have one signature")
    return next(iter(members.items()))


def _signed(covered: Any, parts: Mapping[str, str]) -> str:
    """Returns the signature base (§2.5 of the draft), made from the parsed values."""
    lines = [f'"{name}": {parts[name]}' for name, _ in covered[0]]
    return "\n".join([*lines, f'"@signature-params": {ser([covered])}'])


def _check_parameters(claimed: Mapping[str, Any], api_key: str, now: float) -> None:
    for name, value in claimed.items():
        if type(value) is not _PARAMETERS.get(name):
            raise NotAuthentic(f"the signature parameter {name} is unknown, or of the wrong type")
    if missing := sorted({"keyid", "nonce", "created"}.difference(claimed)):
        raise NotAuthentic(f"the signature has no {', '.join(missing)}")
    if claimed["keyid"] != api_key:
        raise NotAuthentic("keyid is not the X-API-KEY")
    if len(claimed["nonce"]) < _SHORTEST_NONCE:
        raise NotAuthentic(f"the nonce is shorter than {_SHORTEST_NONCE} characters")
    if claimed.get("alg", "hmac-sha256") != "hmac-sha256":
        raise NotAuthentic("the algorithm is not hmac-sha256")
    if claimed["created"] > now + _SKEW_SECONDS:
        raise NotAuthentic("the signature was made in the future: compare the clocks")
    if claimed["created"] < now - _OLDEST_SECONDS:
        raise NotAuthentic(f"the signature is older than {_OLDEST_SECONDS} s: compare the clocks")
    if claimed.get("expires", now) < now:
        raise NotAuthentic("the signature has expired")


def _digest(api_key: str) -> str:
    return hashlib.sha256(api_key.encode("utf-8", "surrogatepass")).hexdigest()
