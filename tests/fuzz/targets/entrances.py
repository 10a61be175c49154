"""Who may come in: keys, signatures, and the files that say so."""

import tempfile
from base64 import b64decode, b64encode
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from random import Random

from fuzz.inputs import TEXTS, integer, mutated, text
from fuzz.target import Target
from steno_ingest.calls.doors import audiohook_signature, twilio_signature
from steno_ingest.calls.doors.http_entrance import Upgrade, UpgradeRefused

from steno.cli.clients.audiohook_signing import sign
from steno.http.auth import ApiKeys, key_line, presented_key
from steno.secret_file import SecretFileUnreadable

NOW = 1_641_013_200
SECRET = b64encode(b"a secret of audiohook").decode()
TOKEN, KEY, API_KEY = "twilio-auth-token", "steno_key", "audiohook-key"
_IDS = {
    "audiohook-organization-id": "d7934305-0972-4844-938e-9060eef73d05",
    "audiohook-session-id": "30b0e395-84d3-4570-ac13-9a62d8f514c0",
    "audiohook-correlation-id": "e160e428-53e2-487c-977d-96989bf5c99d",
    "x-api-key": API_KEY,
}
_URL = "wss://steno.example/v1/audiohook"
_TWILIO = "wss://steno.example/v1/twilio"
_NASTY_HEADERS = (
    "sig1=:::;", "sig1=()", 'sig1=("@request-target" "@request-target");keyid="a"', "sig1=?1",
    "sig1=9999999999999999", "sig1=@9999999999999", 'sig1=("x-api-key";sf);created=-1', "sig1=:" + "A" * 4000 + ":",
    "(" * 3000, 'sig1=("a"', "sig1=%\"%ff\"", "a=1, a=2",
)  # fmt: skip


@cache
def _folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="steno-fuzz-"))


@cache
def _file(name: str, content: str) -> Path:
    path = _folder() / name
    path.write_text(content)
    return path


def _header(chance: Random, value: str) -> str:
    """A header as HTTP hands it on: latin-1."""
    made = chance.choice((
        mutated(chance, value.encode("latin-1", "replace")).decode("latin-1"),
        text(chance).encode("utf-8", "replace").decode("latin-1"),
        chance.choice(_NASTY_HEADERS),
        value.replace(str(NOW), str(integer(chance))),
        value + ", " + value,
        value.replace('"', ""),
    ))  # fmt: skip
    return made.replace("\r", "").replace("\n", "")


def _request(chance: Random, url: str, headers: dict[str, str]) -> Upgrade:
    path, _, query = url.partition("steno.example")[2].partition("?")
    upgrade = Upgrade(method="GET", path=path, query=query, headers=headers, host="steno.example")
    if chance.random() < 0.8:
        name = chance.choice(list(headers))
        headers = headers | {name: _header(chance, headers[name])}
        if chance.random() < 0.2:
            del headers[name]
    if chance.random() < 0.15:
        wrong = text(chance).encode("utf-8", "replace").decode("latin-1")
        upgrade = chance.choice((
            replace(upgrade, host=wrong), replace(upgrade, path=wrong), replace(upgrade, query=wrong),
        ))  # fmt: skip
    return replace(upgrade, headers=headers)


def audiohook_request(chance: Random) -> Upgrade:
    """A request that is signed, or nearly."""
    return _request(chance, _URL, _IDS | sign(_URL, _IDS, secret=b64decode(SECRET), now=NOW))


def check_audiohook(upgrade: Upgrade) -> None:
    """Only a request as it was signed comes in."""
    secrets = audiohook_signature.ClientSecrets(_file("audiohook", f"{API_KEY} {SECRET}\n"))
    authenticator = audiohook_signature.Authenticator(secrets, clock=lambda: NOW)
    authenticator.check(upgrade)
    with suppress(audiohook_signature.NotAuthentic):
        authenticator.check(upgrade)
        raise AssertionError("the nonce opened twice")
    assert (upgrade.host.lower(), upgrade.path, upgrade.query) == ("steno.example", "/v1/audiohook", ""), upgrade
    assert upgrade.headers["x-api-key"].strip() == API_KEY


def twilio_request(chance: Random) -> Upgrade:
    """A request that Twilio signed or that has a key, or nearly."""
    url = _TWILIO + chance.choice(("", "?a=b", "?api_key=" + KEY))
    headers = {
        "host": "steno.example",
        **chance.choice((
            {"x-twilio-signature": twilio_signature.signature_of(TOKEN, url)},
            {"authorization": f"Bearer {KEY}"},
            {"x-api-key": KEY},
            {"x-twilio-signature": "", "x-twilio-webhooks-signature-settings": "algorithm=HMAC_SHA256,=,a=b=c"},
        )),
    }  # fmt: skip
    return _request(chance, url, headers)


def check_twilio(upgrade: Upgrade) -> None:
    """Whatever is asked for, there is a decision."""
    tokens = twilio_signature.AuthTokens(_file("twilio", f"{TOKEN}\n"))
    twilio_signature.Authenticator(tokens, _keys()).check(upgrade)


@cache
def _keys() -> ApiKeys:
    return ApiKeys(_file("keys", key_line("ann", KEY)))


def headers(chance: Random) -> dict[str, str]:
    """The headers of a REST request."""
    value = chance.choice((f"Bearer {KEY}", f"bearer  {KEY} ", f"Basic {KEY}", KEY, f"Bearer {KEY} x", "Bearer"))
    if chance.random() < 0.5:
        value = _header(chance, value)
    return {chance.choice(("authorization", "x-api-key")): value}


def check_key(headers: dict[str, str]) -> None:
    """Only the key itself opens."""
    key = presented_key(headers)
    if key is not None and _keys().verify(key) is not None:
        assert key == KEY, key


def key_file(chance: Random) -> bytes:
    """A file of keys as editors and mounts leave it."""
    lines = [
        key_line("ann", KEY),
        f"#{key_line('bob', KEY)}",
        f"# {key_line('cid', KEY)}",
        "dan",
        "eve e3b0 x y z",
        "",
        *TEXTS[:12],
    ]
    content = "\n".join(chance.choices(lines, k=chance.randrange(6))).encode("utf-8", "surrogatepass")
    return mutated(chance, content) if chance.random() < 0.4 else content


_COMMENTED = f"#{key_line('bob', KEY)}".encode()


def read_key_file(content: bytes) -> None:
    """A key opens by a line of its own alone, and never by one that is commented out."""
    path = _folder() / "any-keys"
    path.write_bytes(content)
    opened = ApiKeys(path).verify(KEY)
    assert opened is None or not str(opened).startswith("#"), "a line that is commented out opens"


def read_secrets_file(content: bytes) -> None:
    """The files of the other doors."""
    path = _folder() / "any-secrets"
    path.write_bytes(content)
    twilio_signature.AuthTokens(path).current()
    audiohook_signature.ClientSecrets(path).of(API_KEY)


_UNREADABLE: tuple[type[Exception], ...] = (SecretFileUnreadable,)

TARGETS = (
    Target(name="audiohook_signature", make=audiohook_request, put=check_audiohook, own=(audiohook_signature.NotAuthentic,)),
    Target(name="twilio_signature", make=twilio_request, put=check_twilio, own=(UpgradeRefused,)),
    Target(name="presented_keys", make=headers, put=check_key),
    Target(name="key_file", make=key_file, put=read_key_file, own=_UNREADABLE, known=(_COMMENTED,)),
    Target(name="secret_files", make=key_file, put=read_secrets_file, own=_UNREADABLE),
)
