"""Which credentials are tried at an endpoint of Azure, and how they are replaced."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest
from steno_transcriber.azure.credentials import Credential, Credentials, NotSetUp
from steno_transcriber.azure.endpoints import parse_endpoint
from steno_transcriber.azure.settings import AzureSettings
from steno_transcriber.engines.port import EngineUnavailable

WEST, NORTH = parse_endpoint("westeurope"), parse_endpoint("https://north.example")


class Entra:
    """A token endpoint: gives `token-1`, `token-2`, … or what it is set to answer."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []
        self.answer: httpx.Response | Exception | None = None
        self.now = 1000.0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer or httpx.Response(200, json={"access_token": f"token-{len(self.requests)}", "expires_in": 3600})


@pytest.fixture
def entra() -> Entra:
    return Entra()


@pytest.fixture
async def make(entra: Entra, tmp_path: Path) -> AsyncIterator[Callable[..., Credentials]]:
    async with httpx.AsyncClient(transport=httpx.MockTransport(entra)) as http:

        def made(**settings: object) -> Credentials:
            given = AzureSettings.model_validate({"endpoints": (WEST, NORTH), **settings})
            return Credentials(given, http, monotonic=lambda: entra.now)

        yield made


def key_file(folder: Path, text: str) -> Path:
    path = folder / "keys"
    path.write_text(text)
    return path


def key(secret: str) -> Credential:
    return Credential(kind="key", secret=secret)


def by_entra(folder: Path) -> dict[str, object]:
    (folder / "secret").write_text("s3cret\n")
    return {"tenant": "contoso", "client_id": "app", "client_secret_file": folder / "secret", "login_url": "https://login.test"}


async def test_each_line_of_keys_is_for_the_endpoint_in_its_place(make: Callable[..., Credentials], tmp_path: Path) -> None:
    """And the last line is for all that follow."""
    credentials = make(keys_file=key_file(tmp_path, "# keys\na1 a2\nb1\n"))
    assert list(await credentials.of(WEST)) == [key("a1"), key("a2")]
    assert list(await credentials.of(NORTH)) == [key("b1")]
    credentials = make(keys_file=key_file(tmp_path, "a1 a2\n"))
    assert list(await credentials.of(NORTH)) == [key("a1"), key("a2")]


async def test_keys_are_read_again_when_the_file_changes(make: Callable[..., Credentials], tmp_path: Path) -> None:
    """A key that is replaced counts at once."""
    path = key_file(tmp_path, "old\n")
    credentials = make(keys_file=path)
    path.write_text("new\n")
    assert list(await credentials.of(WEST)) == [key("new")]


async def test_the_key_that_was_accepted_is_tried_first(make: Callable[..., Credentials], tmp_path: Path) -> None:
    """At the endpoint that accepted it, until it is refused there."""
    credentials = make(keys_file=key_file(tmp_path, "a1 a2\n"))
    credentials.accepted(WEST, key("a2"))
    assert list(await credentials.of(WEST)) == [key("a2"), key("a1")]
    assert list(await credentials.of(NORTH)) == [key("a1"), key("a2")]
    credentials.refused(WEST, key("a2"))
    assert list(await credentials.of(WEST)) == [key("a1"), key("a2")]


async def test_without_any_credentials_the_settings_are_named(make: Callable[..., Credentials]) -> None:
    """It is tried again later: a file may be mounted late."""
    with pytest.raises(NotSetUp, match="STENO_TRANSCRIBER_AZURE_KEYS_FILE"):
        await make().of(WEST)


async def test_a_token_of_a_file_is_a_bearer_token(make: Callable[..., Credentials], tmp_path: Path) -> None:
    """Something else keeps it fresh."""
    (tmp_path / "token").write_text("eyJ0\n")
    (credential,) = await make(token_file=tmp_path / "token").of(WEST)
    assert credential.headers == {"Authorization": "Bearer eyJ0"}


async def test_a_token_of_entra_is_used_until_shortly_before_it_expires(
    make: Callable[..., Credentials], entra: Entra, tmp_path: Path
) -> None:
    """One request for each; the form is that of client credentials."""
    credentials = make(**by_entra(tmp_path))
    tokens = []
    for entra.now in (1000.0, 1000.0 + 3299, 1000.0 + 3301):
        tokens += [credential.secret for credential in await credentials.of(WEST)]
    assert tokens == ["token-1", "token-1", "token-2"]
    assert str(entra.requests[0].url) == "https://login.test/contoso/oauth2/v2.0/token"
    assert b"grant_type=client_credentials&client_id=app&client_secret=s3cret&scope=https" in entra.requests[0].content


async def test_a_refused_token_is_replaced(make: Callable[..., Credentials], entra: Entra, tmp_path: Path) -> None:
    """It may have been revoked."""
    credentials = make(**by_entra(tmp_path))
    (first,) = await credentials.of(WEST)
    credentials.refused(WEST, first)
    (second,) = await credentials.of(WEST)
    assert (first.secret, second.secret) == ("token-1", "token-2")


async def test_all_who_need_a_token_at_once_share_one(make: Callable[..., Credentials], entra: Entra, tmp_path: Path) -> None:
    """Entra limits how often an application may ask; so do all who find that it gives none."""
    credentials = make(**by_entra(tmp_path))
    found = await asyncio.gather(*(credentials.of(WEST) for _ in range(20)))
    assert {credential.secret for (credential,) in found} == {"token-1"}
    entra.answer, entra.now = httpx.ConnectError("refused"), entra.now + 3700
    refused = await asyncio.gather(*(credentials.of(WEST) for _ in range(20)), return_exceptions=True)
    assert {type(error) for error in refused} == {EngineUnavailable}
    assert len(entra.requests) == 2


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (httpx.Response(400, json={"error": "invalid_client", "error_description": "AADSTS7000215: wrong.\nTrace"}), "7000215"),
        (httpx.Response(200, text="<html>"), "no token"),
        (httpx.Response(200, json=[]), "no token"),
        (httpx.ConnectError("refused"), "cannot be reached"),
    ],
)
async def test_entra_that_gives_no_token_is_asked_again_later(
    make: Callable[..., Credentials], entra: Entra, tmp_path: Path, answer: httpx.Response | Exception, told: str
) -> None:
    """Not with every recording: after a pause."""
    credentials = make(**by_entra(tmp_path))
    entra.answer = answer
    for _ in range(3):
        with pytest.raises(EngineUnavailable, match=told) as raised:
            await credentials.of(WEST)
        assert raised.value.again_in_seconds > 0
    assert len(entra.requests) == 1
    entra.answer, entra.now = None, entra.now + 60
    assert [credential.secret for credential in await credentials.of(WEST)] == ["token-2"]


async def test_an_old_token_is_used_while_entra_is_unreachable(
    make: Callable[..., Credentials], entra: Entra, tmp_path: Path
) -> None:
    """As long as it is valid."""
    credentials = make(**by_entra(tmp_path))
    await credentials.of(WEST)
    entra.answer, entra.now = httpx.ConnectError("refused"), entra.now + 3400
    assert [credential.secret for credential in await credentials.of(WEST)] == ["token-1"]
    entra.now += 300
    with pytest.raises(EngineUnavailable):
        await credentials.of(WEST)


def test_secrets_are_not_shown() -> None:
    """In a log or a traceback."""
    assert "s3cret" not in repr(key("s3cret"))
