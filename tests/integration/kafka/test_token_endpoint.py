"""Access tokens for SASL OAUTHBEARER, from a token endpoint on loopback."""

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from steno.kafka.oauth import TokenEndpoint, TokenUnavailable
from steno.settings import KafkaSettings


class Endpoint:
    """Gives `token-1`, `token-2`, …, or the answer it is set to give."""

    def __init__(self) -> None:
        self.url = ""
        self.answer: dict[str, Any] | str | None = None
        self.status = 200
        self.requests: list[tuple[str, dict[str, str]]] = []

    async def handle(self, request: web.Request) -> web.Response:
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.requests.append((request.headers["Authorization"], form))
        if isinstance(self.answer, str):
            return web.Response(text=self.answer, status=self.status)
        answer = self.answer or {"access_token": f"token-{len(self.requests)}", "expires_in": 100}
        return web.json_response(answer, status=self.status)


@pytest.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    made = Endpoint()
    app = web.Application()
    app.router.add_post("/token", made.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/token"
    yield made
    await runner.cleanup()


def _settings(url: str) -> KafkaSettings:
    return KafkaSettings.model_validate(
        {
            "security_protocol": "SASL_PLAINTEXT",
            "sasl_mechanism": "OAUTHBEARER",
            "sasl_oauth_token_url": url,
            "sasl_oauth_client_id": "in:gest",
            "sasl_oauth_client_secret": "hu sh",
            "sasl_oauth_scope": "kafka",
        }
    )


async def test_a_token_is_kept_for_most_of_its_lifetime(endpoint: Endpoint) -> None:
    """All connections use one token; a new one is fetched after four fifths, with the client's credentials and scope."""
    now = 0.0
    tokens = TokenEndpoint(_settings(endpoint.url), now=lambda: now)
    assert await asyncio.gather(*(tokens.token() for _ in range(5))) == ["token-1"] * 5
    now = 79.0
    assert await tokens.token() == "token-1"
    now = 81.0
    assert await tokens.token() == "token-2"
    authorization, form = endpoint.requests[0]
    assert base64.b64decode(authorization.removeprefix("Basic ")) == b"in%3Agest:hu+sh"
    assert form == {"grant_type": "client_credentials", "scope": "kafka"}


async def test_a_token_that_is_valid_outlasts_a_failing_endpoint(endpoint: Endpoint) -> None:
    """Connections go on until the end of the token, with a line in the log; then the reason is given."""
    now = 0.0
    tokens = TokenEndpoint(_settings(endpoint.url), now=lambda: now)
    await tokens.token()
    endpoint.status = 503
    now = 90.0
    with capture_logs() as logs:
        assert await tokens.token() == "token-1"
    assert [line["event"] for line in logs] == ["kafka.token_not_renewed"]
    now = 101.0
    with pytest.raises(TokenUnavailable, match="status 503"):
        await tokens.token()


@pytest.mark.parametrize(
    ("status", "answer", "reason"),
    [
        (
            401,
            {"error": "invalid_client", "error_description": "no such client"},
            "status 401, 'invalid_client: no such client'",
        ),
        (400, [], "status 400, 'no reason given'"),
        (200, {"expires_in": 100}, "status 200, \"'access_token'\""),
        (200, "<html>", "status 200, 'Expecting value"),
        (200, {"access_token": "a", "expires_in": "soon"}, 'status 200, "could not convert string to float'),
        (200, {"access_token": None}, "status 200, 'the answer has no token"),
        (200, {"access_token": "a", "expires_in": "inf"}, "status 200, 'the answer has no token"),
        (302, "", "status 302"),
    ],
)
async def test_a_refusal_says_where_and_why(endpoint: Endpoint, status: int, answer: Any, reason: str) -> None:
    """The message has the URL, the client and the endpoint's reason, and not the secret."""
    endpoint.status, endpoint.answer = status, answer
    with pytest.raises(TokenUnavailable, match=reason) as refused:
        await TokenEndpoint(_settings(endpoint.url)).token()
    assert endpoint.url in str(refused.value)
    assert "client in:gest" in str(refused.value)
    assert "hu sh" not in str(refused.value)


async def test_an_endpoint_that_does_not_answer_is_named() -> None:
    """It is an error of a connection, which is tried again."""
    with pytest.raises(TokenUnavailable, match=r"_URL: no access token from http://127\.0\.0\.1:1/token") as refused:
        await TokenEndpoint(_settings("http://127.0.0.1:1/token")).token()
    assert refused.value.retriable
