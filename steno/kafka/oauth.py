"""Fetches the access tokens that brokers accept for SASL OAUTHBEARER, from the token endpoint of an identity provider.

Importing this module patches aiokafka, which does not see that a broker refuses a token.

Sources: RFC 6749, 4.4 (client credentials), 2.3.1 (the client's password by HTTP Basic), 5 (answers); RFC 7628 (OAUTHBEARER).
"""

import asyncio
import base64
import json
import math
import ssl
import time
from collections.abc import Callable
from urllib.parse import quote_plus

import aiohttp
import structlog
from aiokafka import conn
from aiokafka.abc import AbstractTokenProvider
from aiokafka.errors import KafkaConnectionError, SaslAuthenticationFailed

from steno.settings import KafkaSettings

log = structlog.get_logger("steno.kafka.oauth")

_SECONDS = aiohttp.ClientTimeout(total=10)
_MOST_BYTES = 65_536
# As Kafka's own clients do (sasl.login.refresh.window.factor).
_FRESH_SHARE = 0.8
_MOST_REASON = 200


class TokenUnavailable(KafkaConnectionError):  # type: ignore[misc]
    """The token endpoint gave no token; aiokafka treats it like a broker that cannot be reached, and tries again."""


class TokenEndpoint(AbstractTokenProvider):  # type: ignore[misc]
    """Gives every connection a token that is valid: one is fetched, kept for most of its lifetime, and then replaced."""

    def __init__(self, kafka: KafkaSettings, *, now: Callable[[], float] = time.monotonic) -> None:
        """
        Args:
            now: Seconds of a clock that only goes forward.
        """
        self._kafka = kafka
        self._now = now
        self._token = ""
        self._fresh_until = self._valid_until = now()
        self._fetching = asyncio.Lock()

    async def token(self) -> str:
        """Returns a token; a new one if the present one is near its end.

        Raises:
            TokenUnavailable: there is none; the message says where it was asked for, and why it was refused.
        """
        async with self._fetching:
            if self._now() >= self._fresh_until:
                try:
                    await self._fetch()
                except TokenUnavailable as error:
                    if self._now() >= self._valid_until:
                        raise
                    log.warning("kafka.token_not_renewed", reason=str(error))
        return self._token

    async def _fetch(self) -> None:
        url = self._kafka.sasl_oauth_token_url
        asked_at = self._now()
        form = {"grant_type": "client_credentials"}
        if self._kafka.sasl_oauth_scope is not None:
            form["scope"] = self._kafka.sasl_oauth_scope
        try:
            async with (
                aiohttp.ClientSession(timeout=_SECONDS) as session,
                session.post(
                    str(url), data=form, headers=self._headers(), ssl=await self._tls(), allow_redirects=False
                ) as answer,
            ):
                body = await answer.content.read(_MOST_BYTES)
                while not answer.content.at_eof() and len(body) < _MOST_BYTES:
                    body += await answer.content.read(_MOST_BYTES - len(body))
                status = answer.status
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise TokenUnavailable(
                f"KAFKA_SASL_OAUTH_TOKEN_URL: no access token from {url}: {str(error) or 'no answer in time'}"
            ) from error
        try:
            document = json.loads(body)
            if status != 200:
                raise ValueError(_refusal(document))
            token, seconds = document["access_token"], float(document.get("expires_in", 0))
            if not (isinstance(token, str) and token and math.isfinite(seconds)):
                raise ValueError("the answer has no token, or one without a time")
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise TokenUnavailable(
                f"KAFKA_SASL_OAUTH_TOKEN_URL: no access token from {url} for client {self._kafka.sasl_oauth_client_id}: "
                f"status {status}, {str(error)[:_MOST_REASON]!r}"
            ) from None
        self._token = token
        self._fresh_until, self._valid_until = asked_at + seconds * _FRESH_SHARE, asked_at + seconds

    def _headers(self) -> dict[str, str]:
        client, secret = self._kafka.sasl_oauth_client_id or "", self._kafka.sasl_oauth_client_secret
        password = secret.get_secret_value() if secret else ""
        basic = base64.b64encode(f"{quote_plus(client)}:{quote_plus(password)}".encode()).decode()
        return {"Authorization": f"Basic {basic}", "Accept": "application/json"}

    async def _tls(self) -> ssl.SSLContext:
        # The endpoint may be public, or have a certificate of the same CA as the brokers.
        context = await asyncio.to_thread(ssl.create_default_context)
        if self._kafka.ssl_cafile is not None:
            context.load_verify_locations(self._kafka.ssl_cafile)
        return context


class _CheckedAuthenticator(conn.OAuthAuthenticator):  # type: ignore[misc]
    """Fails where the broker refuses the token: it answers with the reason then, which aiokafka takes for its consent.

    The client would go on with a connection that is not authenticated, and find a cluster without brokers (RFC 7628, 3.2.2).
    """

    async def step(self, payload: bytes | None) -> tuple[bytes, bool] | None:
        if payload:
            raise SaslAuthenticationFailed(payload.decode("utf-8", "replace")[:_MOST_REASON])
        step: tuple[bytes, bool] | None = await super().step(payload)
        return step


conn.OAuthAuthenticator = _CheckedAuthenticator


def _refusal(document: object) -> str:
    """What an endpoint says of a refusal (RFC 6749, 5.2)."""
    told = document if isinstance(document, dict) else {}
    return ": ".join(str(told[name]) for name in ("error", "error_description") if name in told) or "no reason given"
