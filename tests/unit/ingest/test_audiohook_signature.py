"""Who may open an AudioHook session."""

from base64 import b64decode, b64encode
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from steno_ingest.calls.doors.audiohook_signature import (
    Authenticator,
    ClientSecrets,
    NotAuthentic,
)
from steno_ingest.calls.doors.http_entrance import Upgrade
from structlog.testing import capture_logs

from steno.cli.clients.audiohook_signing import sign
from steno.secret_file import SecretFileUnreadable

# The example of Genesys's documentation, as published in the test of its reference implementation.
SECRET = "TXlTdXBlclNlY3JldEtleVRlbGxOby0xITJAMyM0JDU="
API_KEY = "SGVsbG8sIEkgYW0gdGhlIEFQSSBrZXkh"
URL = "wss://audiohook.example.com/api/v1/voicebiometrics/ws"
NONCE = "VGhpc0lzQVVuaXF1ZU5vbmNl"
CREATED = 1641013200
IDS = {
    "audiohook-organization-id": "d7934305-0972-4844-938e-9060eef73d05",
    "audiohook-session-id": "30b0e395-84d3-4570-ac13-9a62d8f514c0",
    "audiohook-correlation-id": "e160e428-53e2-487c-977d-96989bf5c99d",
}
HEADERS = IDS | {"x-api-key": API_KEY}
VECTOR = HEADERS | {
    "signature": "sig1=:NZBwyBHRRyRoeLqy1IzOa9VYBuI8TgMFt2GRDkDuJh4=:",
    "signature-input": (
        'sig1=("@request-target" "@authority" "audiohook-organization-id" "audiohook-session-id" "audiohook-correlation-id" '
        f'"x-api-key");keyid="{API_KEY}";nonce="{NONCE}";alg="hmac-sha256";created=1641013200;expires=3282026430'
    ),
}


def upgrade(headers: dict[str, str], *, path: str = "/api/v1/voicebiometrics/ws", query: str = "", host: str = "") -> Upgrade:
    """An upgrade request."""
    return Upgrade(method="GET", path=path, query=query, headers=headers, host=host or "audiohook.example.com")


def signed(*, url: str = URL, now: float = CREATED, nonce: str | None = None, secret: str = SECRET) -> dict[str, str]:
    """The headers of a request signed as our client does."""
    return HEADERS | sign(url, HEADERS, secret=b64decode(secret), now=now, nonce=nonce)


@pytest.fixture
def keys_file(tmp_path: Path) -> Path:
    """A key file with a signed key and one that has no secret."""
    path = tmp_path / "audiohook-keys"
    path.write_text(f"{API_KEY} {SECRET}\nunsigned-key\n")
    return path


@pytest.fixture
def authenticator(keys_file: Path) -> Authenticator:
    """A authenticator at the moment at which the vector was signed."""
    return Authenticator(ClientSecrets(keys_file), clock=lambda: CREATED)


def test_the_published_vector_is_let_in(authenticator: Authenticator) -> None:
    """The example of Genesys's documentation passes."""
    authenticator.check(upgrade(VECTOR))


def test_the_client_signs_as_genesys_does() -> None:
    """Our client makes the published signature from the published values."""
    made = sign(URL, HEADERS, secret=b64decode(SECRET), now=CREATED, nonce=NONCE, lifetime_seconds=3282026430 - CREATED)
    assert made == {name: VECTOR[name] for name in ("signature-input", "signature")}


def test_a_query_is_part_of_what_is_signed(authenticator: Authenticator) -> None:
    """A request whose target has a query passes with it, and not with another one."""
    headers = signed(url=f"{URL}?tenant=7")
    with pytest.raises(NotAuthentic, match="signature is wrong"):
        authenticator.check(upgrade(headers, query="tenant=8"))
    authenticator.check(upgrade(headers, query="tenant=7"))


@pytest.mark.parametrize("host", ["AudioHook.Example.com", "audiohook.example.com:443"])
def test_the_authority_is_compared_as_it_is_signed(authenticator: Authenticator, host: str) -> None:
    """A host in other case, or with the port that goes without saying, is the same authority."""
    authenticator.check(upgrade(signed(), host=host))


def test_behind_a_proxy_the_public_url_counts(keys_file: Path) -> None:
    """Where a proxy changes host and path, the public URL is what must have been signed."""
    authenticator = Authenticator(ClientSecrets(keys_file), clock=lambda: CREATED, public_url=URL)
    authenticator.check(upgrade(VECTOR, path="/v1/audiohook", host="ingest:8080"))
    with pytest.raises(NotAuthentic, match="signature is wrong"):
        authenticator.check(upgrade(signed(url="wss://ingest:8080/v1/audiohook"), path="/v1/audiohook", host="ingest:8080"))


def test_a_nonce_opens_one_session(authenticator: Authenticator) -> None:
    """The same request sent again is refused, and a new one is not."""
    headers = signed()
    authenticator.check(upgrade(headers))
    with pytest.raises(NotAuthentic, match="used before"):
        authenticator.check(upgrade(headers))
    authenticator.check(upgrade(signed()))


def test_a_nonce_of_a_wrong_signature_is_not_used_up(authenticator: Authenticator) -> None:
    """Nobody without the secret can use up the nonce of another."""
    wrong = signed(nonce=NONCE, secret=b64encode(b"guessed").decode())
    with pytest.raises(NotAuthentic, match="signature is wrong"):
        authenticator.check(upgrade(wrong))
    authenticator.check(upgrade(signed(nonce=NONCE)))


def test_nonces_are_forgotten_once_their_signatures_are_too_old(keys_file: Path) -> None:
    """What is kept of nonces is bounded in time, and outlasts every signature they could come with."""
    now = [float(CREATED - 3)]
    authenticator = Authenticator(ClientSecrets(keys_file), clock=lambda: now[0])
    replayed = signed()
    authenticator.check(upgrade(replayed))
    for second in range(14):
        now[0] = CREATED - 3 + second
        with pytest.raises(NotAuthentic, match="used before"):
            authenticator.check(upgrade(replayed))
    now[0] = CREATED + 100
    authenticator.check(upgrade(signed(now=now[0])))
    with pytest.raises(NotAuthentic, match="older than"):
        authenticator.check(upgrade(replayed))
    assert len(authenticator._nonces) == 1


Change = Callable[[dict[str, str]], dict[str, str]]


def replaced(name: str, old: str, new: str) -> Change:
    """Changes a header."""

    def change(headers: dict[str, str]) -> dict[str, str]:
        assert old in headers[name]
        return headers | {name: headers[name].replace(old, new)}

    return change


def appended(name: str, more: str) -> Change:
    """Adds to a header."""
    return lambda headers: headers | {name: headers[name] + more}


def dropped(name: str) -> Change:
    """Leaves a header out."""
    return lambda headers: {key: value for key, value in headers.items() if key != name}


MUTATIONS: dict[str, tuple[Change, str]] = {
    "no key": (dropped("x-api-key"), "no X-API-KEY"),
    "another key": (lambda headers: headers | {"x-api-key": "another"}, "keyid is not"),
    "no organization": (dropped("audiohook-organization-id"), "organization-id is missing"),
    "no session": (dropped("audiohook-session-id"), "session-id is missing"),
    "a session id that is none": (lambda headers: headers | {"audiohook-session-id": "../x"}, "session-id is missing"),
    "a session id twice": (
        lambda headers: headers | {"audiohook-session-id": ", ".join([IDS["audiohook-session-id"]] * 2)},
        "session-id is missing",
    ),
    "another session": (
        lambda headers: headers | {"audiohook-session-id": IDS["audiohook-organization-id"]},
        "signature is wrong",
    ),
    "no signature": (dropped("signature"), "must have one signature"),
    "no signature input": (dropped("signature-input"), "must have one signature"),
    "not signed at all": (lambda headers: dict(HEADERS), "not signed"),
    "a short nonce": (replaced("signature-input", NONCE, NONCE[:21]), "shorter than 22"),
    "no nonce": (replaced("signature-input", f';nonce="{NONCE}"', ""), "has no nonce"),
    "no created": (replaced("signature-input", ";created=1641013200", ""), "has no created"),
    "no keyid": (replaced("signature-input", f';keyid="{API_KEY}"', ""), "has no keyid"),
    "older": (replaced("signature-input", "created=1641013200", "created=1641013189"), "older than 10 s"),
    "in the future": (replaced("signature-input", "created=1641013200", "created=1641013204"), "in the future"),
    "created a second before": (replaced("signature-input", "created=1641013200", "created=1641013199"), "signature is wrong"),
    "expired": (replaced("signature-input", "expires=3282026430", "expires=1641013199"), "has expired"),
    "another algorithm": (replaced("signature-input", "hmac-sha256", "hmac-sha512"), "not hmac-sha256"),
    "an unknown parameter": (appended("signature-input", ";tag=1"), "tag is unknown"),
    "a parameter of the wrong type": (replaced("signature-input", "created=1641013200", 'created="1641013200"'), "wrong type"),
    "a boolean as time": (replaced("signature-input", "created=1641013200", "created"), "created is unknown, or of the wrong"),
    "a parameter twice": (replaced("signature-input", ";created=", f';keyid="{API_KEY}";created='), "'keyid' twice"),
    "the target not covered": (replaced("signature-input", '"@request-target" ', ""), "does not cover @request-target"),
    "the key not covered": (replaced("signature-input", ' "x-api-key"', ""), "does not cover x-api-key"),
    "a component twice": (replaced("signature-input", '("@request', '("@authority" "@request'), "covered twice"),
    "a component with parameters": (replaced("signature-input", '"x-api-key"', '"x-api-key";sf'), "has parameters"),
    "a component that is no string": (replaced("signature-input", '"x-api-key"', '"x-api-key" 7'), "is not a string"),
    "a header that is not there": (replaced("signature-input", '"x-api-key"', '"x-api-key" "date"'), "missing or unknown"),
    "a part we do not know": (replaced("signature-input", '"x-api-key"', '"x-api-key" "@method"'), "missing or unknown"),
    "the order changed": (
        replaced("signature-input", '"@request-target" "@authority"', '"@authority" "@request-target"'),
        "signature is wrong",
    ),
    "two signatures": (appended("signature", ", sig2=:AAAA:"), "must have one"),
    "different labels": (replaced("signature", "sig1", "sig2"), "different labels"),
    "no inner list": (lambda headers: headers | {"signature-input": 'sig1="x"'}, "not an inner list"),
    "no byte sequence": (lambda headers: headers | {"signature": 'sig1="x"'}, "not a byte sequence"),
    "a signature with parameters": (appended("signature", ";a"), "not a byte sequence"),
    "no structured field": (lambda headers: headers | {"signature-input": "sig1=("}, "not a structured field"),
    "another signature": (replaced("signature", "NZBw", "NZBx"), "signature is wrong"),
    "a shorter signature": (lambda headers: headers | {"signature": "sig1=:AAAA:"}, "signature is wrong"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "reason"), MUTATIONS.values(), ids=MUTATIONS.keys())
def test_a_request_that_is_wrong_in_one_way_is_refused(authenticator: Authenticator, change: Change, reason: str) -> None:
    """Whatever is changed in the published vector, it is refused, for that reason; unchanged it then still passes."""
    with pytest.raises(NotAuthentic, match=reason):
        authenticator.check(upgrade(change(VECTOR)))
    authenticator.check(upgrade(VECTOR))


def test_another_spelling_of_the_same_input_is_signed_as_we_spell_it(authenticator: Authenticator) -> None:
    """The signature is computed over the parsed input: padding in the header changes nothing."""
    padded = VECTOR["signature-input"].replace('("@request-target" ', '(  "@request-target"   ').replace(";nonce", "; nonce")
    authenticator.check(upgrade(VECTOR | {"signature-input": padded}))


@pytest.mark.parametrize("age", [-3, 0, 10])
def test_clocks_may_differ_a_little(keys_file: Path, age: int) -> None:
    """A signature is good from 3 s before it was made to 10 s after."""
    Authenticator(ClientSecrets(keys_file), clock=lambda: CREATED + age).check(upgrade(signed()))


def test_an_unsigned_request_needs_a_key_without_a_secret(authenticator: Authenticator) -> None:
    """Only a key that has no secret lets unsigned requests in, and it lets no signed ones in."""
    authenticator.check(upgrade(IDS | {"x-api-key": "unsigned-key"}))
    headers = IDS | {"x-api-key": "unsigned-key"}
    with pytest.raises(NotAuthentic, match="signature is wrong, or its key is unknown"):
        authenticator.check(upgrade(headers | sign(URL, headers, secret=b"", now=CREATED)))


def test_an_unknown_key_is_refused_signed_and_unsigned(authenticator: Authenticator) -> None:
    """A key that is not in the file opens nothing, and the reason does not say which it was."""
    headers = IDS | {"x-api-key": "stranger"}
    with pytest.raises(NotAuthentic, match="its key is unknown or has a secret"):
        authenticator.check(upgrade(headers))
    with pytest.raises(NotAuthentic, match="signature is wrong, or its key is unknown"):
        authenticator.check(upgrade(headers | sign(URL, headers, secret=b"guessed", now=CREATED)))


def test_without_a_key_file_nobody_is_let_in(tmp_path: Path) -> None:
    """No file set, or none there: no request passes."""
    for secrets in (ClientSecrets(None), ClientSecrets(tmp_path / "none")):
        with pytest.raises(NotAuthentic):
            Authenticator(secrets, clock=lambda: CREATED).check(upgrade(VECTOR))


def test_the_key_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    """A key added is known at once, and one removed is not any more."""
    path = tmp_path / "keys"
    path.write_text("\n")
    secrets = ClientSecrets(path)
    assert secrets.of(API_KEY) is None
    path.write_text(f"{API_KEY} {SECRET}\nanother {SECRET}\n")
    assert [key.secret for key in (secrets.of(API_KEY), secrets.of("another")) if key] == [b64decode(SECRET)] * 2
    path.unlink()
    assert secrets.of(API_KEY) is None


@pytest.mark.parametrize(
    "content",
    [
        "key no-base64!",
        f"key {SECRET} more",
        f"#key {SECRET}",
        f"key {SECRET} tenant=",
        f"key tenant=a {SECRET}",
        "key ====",
        "#key",
    ],
)
def test_a_line_that_is_no_key_opens_nothing_and_costs_no_other(tmp_path: Path, content: str) -> None:
    """What is commented out or malformed opens nothing, not even unsigned; its line is told without what it holds."""
    path = tmp_path / "keys"
    path.write_text(f"good {SECRET}\n{content}\n")
    with capture_logs() as logs:
        secrets = ClientSecrets(path)
    assert [secrets.of("key"), secrets.of("#key")] == [None, None]
    assert secrets.of("good") is not None
    assert [entry["line"] for entry in logs] == ([] if content.startswith("#") else [2])
    assert SECRET not in str(logs)
    assert "no-base64" not in str(logs)


def test_a_line_says_whose_calls_its_key_brings(tmp_path: Path) -> None:
    """With a tenant, calls are that tenant's; without, of none. An expired key opens nothing."""
    path = tmp_path / "keys"
    path.write_text(f"a {SECRET} tenant=acme\nb {SECRET}\nc {SECRET} expires=2020-01-01T00:00:00Z\n")
    secrets = ClientSecrets(path)
    assert [key.caller.tenant for name in "ab" if (key := secrets.of(name))] == ["acme", ""]
    assert secrets.of("c") is None


def test_a_key_file_that_is_no_text_is_an_error(tmp_path: Path) -> None:
    """A file of other bytes stops the service at its start."""
    path = tmp_path / "keys"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SecretFileUnreadable, match="cannot be read"):
        ClientSecrets(path)


@given(field=st.text(max_size=200), signature=st.text(max_size=60))
def test_no_header_makes_anything_but_a_refusal(field: str, signature: str) -> None:
    """Whatever stands in the two headers, the answer is a refusal, never a failure of ours."""
    with pytest.raises(NotAuthentic):
        Authenticator(ClientSecrets(None), clock=lambda: CREATED).check(
            upgrade(HEADERS | {"signature-input": field, "signature": signature})
        )
