"""Streams are opened by Twilio's signature, as Twilio's own library makes and checks it, or by an API key."""

import os
from pathlib import Path

import pytest
from steno_ingest.calls.doors.http_entrance import Upgrade, UpgradeRefused
from steno_ingest.calls.doors.twilio import TwilioDoor
from steno_ingest.calls.doors.twilio_signature import (
    Authenticator,
    AuthTokens,
    door_factory,
    signature_of,
)
from twilio.request_validator import RequestValidator

from steno.http.auth import ApiKeys, key_line, make_key
from steno.secret_file import SecretFileUnreadable

TOKEN = "12345678901234567890123456789012"
URL = "wss://calls.example.com/v1/twilio"


def written(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def authenticator(folder: Path, *tokens: str, public_url: str = "", keys: ApiKeys | None = None) -> Authenticator:
    return Authenticator(AuthTokens(written(folder / "tokens", *tokens)), keys or ApiKeys(None), public_url=public_url)


def upgrade(*, host: str = "calls.example.com", path: str = "/v1/twilio", query: str = "", **headers: str) -> Upgrade:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Upgrade(method="GET", path=path, query=query, headers=named, host=host)


@pytest.mark.parametrize("signed", [URL, "wss://calls.example.com:443/v1/twilio", URL + "/"])
def test_what_twilio_signs_is_let_in(tmp_path: Path, signed: str) -> None:
    """The signature Twilio's library makes opens the door, however its URL spells the port and the slash at the end."""
    signature = RequestValidator(TOKEN).compute_signature(signed, {})
    authenticator(tmp_path, TOKEN).check(upgrade(x_twilio_signature=signature))


@pytest.mark.parametrize("url", [URL, "wss://calls.example.com:8443/v1/twilio", "ws://127.0.0.1:4711/v1/twilio"])
def test_twilio_takes_our_signature(url: str) -> None:
    """What our client signs is right in the eyes of Twilio's library."""
    assert RequestValidator(TOKEN).validate(url, {}, signature_of(TOKEN, url))


def test_sha256_is_taken_where_the_request_says_so(tmp_path: Path) -> None:
    """A shared key signs with SHA-256; the header that says so counts."""
    door = authenticator(tmp_path, TOKEN)
    signature = RequestValidator(TOKEN).compute_signature(URL, {}, "HMAC_SHA256")
    told = {"x_twilio_webhooks_signature_settings": "key=webhooks_sharedkey_1,algorithm=HMAC_SHA256"}
    door.check(upgrade(x_twilio_signature=signature, **told))
    with pytest.raises(UpgradeRefused):
        door.check(upgrade(x_twilio_signature=signature))
    with pytest.raises(UpgradeRefused):
        door.check(upgrade(x_twilio_signature=signature, x_twilio_webhooks_signature_settings="algorithm=HMAC_MD5"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"x_twilio_signature": signature_of("another token", URL)},
        {"x_twilio_signature": signature_of(TOKEN, "wss://elsewhere.example.com/v1/twilio")},
        {"x_twilio_signature": signature_of(TOKEN, "wss://calls.example.com/v1/other")},
        {"x_twilio_signature": ""},
        {"x_twilio_signature": "\u00e9"},
        {},
    ],
)
def test_everything_else_is_refused(tmp_path: Path, wrong: dict[str, str]) -> None:
    """Another token, another URL, no signature and no key: 401."""
    with pytest.raises(UpgradeRefused) as refused:
        door_factory(authenticator(tmp_path, TOKEN))(upgrade(**wrong))
    assert refused.value.status == 401


def test_a_refusal_says_which_url_was_not_signed(tmp_path: Path) -> None:
    """For the server to log, in one spelling and without the query, where a key may stand."""
    with pytest.raises(UpgradeRefused) as refused:
        authenticator(tmp_path, TOKEN).check(upgrade(query="api_key=hidden", x_twilio_signature="wrong"))
    assert (refused.value.event, refused.value.details["url"]) == ("twilio.refused", URL)
    with pytest.raises(UpgradeRefused) as refused:
        authenticator(tmp_path, TOKEN).check(upgrade(query="api_key=hidden"))
    assert (refused.value.event, refused.value.details["reason"]) == ("twilio.refused", "api_key")
    assert "hidden" not in str(refused.value.details)


def test_a_wrong_signature_is_not_saved_by_a_key(tmp_path: Path) -> None:
    """A request that is signed must be signed right."""
    key = make_key()
    keys = ApiKeys(written(tmp_path / "keys", key_line("them", key)))
    with pytest.raises(UpgradeRefused):
        authenticator(tmp_path, TOKEN, keys=keys).check(upgrade(x_twilio_signature="wrong", x_api_key=key))


@pytest.mark.parametrize("way", ["bearer", "header", "query"])
def test_a_platform_that_does_not_sign_brings_a_key(tmp_path: Path, way: str) -> None:
    """SignalWire sends a bearer token, Telnyx the query of the URL it was given."""
    key = make_key()
    keys = ApiKeys(written(tmp_path / "keys", key_line("them", key)))
    request = {
        "bearer": upgrade(authorization=f"Bearer {key}"),
        "header": upgrade(x_api_key=key),
        "query": upgrade(query=f"api_key={key}"),
    }[way]
    assert isinstance(door_factory(authenticator(tmp_path, keys=keys))(request).door, TwilioDoor)


def test_behind_a_proxy_the_public_url_counts(tmp_path: Path) -> None:
    """The platform signs the URL it was given, not the one the proxy makes of it."""
    door = authenticator(tmp_path, TOKEN, public_url=URL)
    request = {"host": "10.0.0.7:8080", "path": "/inner"}
    door.check(upgrade(**request, x_twilio_signature=signature_of(TOKEN, URL)))
    with pytest.raises(UpgradeRefused):
        door.check(upgrade(**request, x_twilio_signature=signature_of(TOKEN, "wss://10.0.0.7:8080/inner")))


def test_two_tokens_are_good_while_one_replaces_the_other(tmp_path: Path) -> None:
    """The file is read again when it changes: a new token is good at once, an old one until it is taken out."""
    path = written(tmp_path / "tokens", "old", "new")
    door = Authenticator(AuthTokens(path), ApiKeys(None))
    for token in ("old", "new"):
        door.check(upgrade(x_twilio_signature=signature_of(token, URL)))
    written(path, "new")
    os.utime(path, ns=(1, 1))
    door.check(upgrade(x_twilio_signature=signature_of("new", URL)))
    with pytest.raises(UpgradeRefused):
        door.check(upgrade(x_twilio_signature=signature_of("old", URL)))


@pytest.mark.parametrize("host", ["", "[", "a:b:c", "h:99999999"])
def test_a_host_that_is_none_is_refused_like_any_other(tmp_path: Path, host: str) -> None:
    """Whatever the Host header says, the answer is 401."""
    with pytest.raises(UpgradeRefused):
        authenticator(tmp_path, TOKEN).check(upgrade(host=host, x_twilio_signature="x"))


def test_a_token_file_that_cannot_be_read_stops_the_start(tmp_path: Path) -> None:
    """A service that could not check any signature says so when it starts."""
    (tmp_path / "tokens").write_bytes(b"\xff\xfe")
    with pytest.raises(SecretFileUnreadable, match="tokens"):
        AuthTokens(tmp_path / "tokens")
