"""Signs deliveries and posts them by HTTP.

Source: Standard Webhooks, "Signature scheme", "Webhook headers" and "Webhook delivery".
"""

import asyncio
import os
import ssl
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime

import aiohttp
import structlog
from standardwebhooks.webhooks import EmptyWebhookSecretError, Webhook

from steno.crypto import SecretBox, UndecryptableSecret
from steno.errors import Permanent
from steno.http.client import ForbiddenAddress
from steno_notifier.delivery_queue import Claim
from steno_notifier.delivery_state import Answer
from steno_notifier.schedule import parse_retry_after

# An answer's content means nothing to us; it is read only so that the connection can be used again.
_MAX_ANSWER_BYTES = 65_536
_MAX_ANSWER_SECONDS = 1.0


log = structlog.get_logger("steno.notifier.http_transport")


class UnusableSecret(Permanent):
    """The decrypted secret of a webhook is not in the format of Standard Webhooks."""

    error_class = "unusable_secret"


class HttpTransport:
    """Posts deliveries to webhooks. The session's time limit is the attempt's, and it connects to allowed addresses only."""

    def __init__(self, session: aiohttp.ClientSession, secrets: SecretBox, *, now: Callable[[], datetime]) -> None:
        self._session = session
        self._secrets = secrets
        self._now = now

    async def attempt(self, claim: Claim, *, trace: Mapping[str, str]) -> Answer:
        """Posts a delivery once; any failure is part of the answer.

        Args:
            trace: headers that carry the trace on to the receiver.
        """
        started_at = self._now()
        started = time.monotonic()
        status_code, error, retry_after = None, None, None
        try:
            headers = {**self._headers(claim, started_at), **trace}
            body = claim.body.encode("utf-8")
            async with self._session.post(claim.url, data=body, headers=headers, allow_redirects=False) as response:
                status_code = response.status
                retry_after = parse_retry_after(status_code, response.headers.get("Retry-After"), now=self._now())
                error = _refusal(status_code)
                await _drain(response)
        except Exception as problem:  # noqa: BLE001 - told by the answer: one webhook's oddity must not end the others' deliveries
            if status_code is None:
                error = _explain(problem)
        return Answer(
            started_at=started_at,
            duration_ms=round((time.monotonic() - started) * 1000),
            status_code=status_code,
            error=error,
            retry_after=retry_after,
        )

    def _headers(self, claim: Claim, timestamp: datetime) -> dict[str, str]:
        signatures = [self._signature(claim, claim.encrypted_secret, timestamp)]
        if claim.previous_expires_at is not None and timestamp < claim.previous_expires_at:
            try:
                signatures.append(self._signature(claim, claim.previous_encrypted_secret, timestamp))
            except (UndecryptableSecret, UnusableSecret) as error:
                # Receivers that know the new one are to be reached all the same.
                log.warning("attempt.previous_secret_unusable", webhook_id=claim.webhook_id, reason=str(error))
        return {
            "content-type": "application/json",
            # Nobody reads the answer, so nobody should compress it.
            "accept-encoding": "identity",
            "user-agent": "steno-notifier",
            "webhook-id": claim.event_id,
            "webhook-timestamp": str(int(timestamp.timestamp())),
            # Several, by spaces: a receiver takes any (Standard Webhooks, "Zero downtime secret rotation").
            "webhook-signature": " ".join(signatures),
        }

    def _signature(self, claim: Claim, encrypted_secret: bytes, timestamp: datetime) -> str:
        secret = self._secrets.decrypt(encrypted_secret)
        try:
            return Webhook(secret.decode("ascii")).sign(claim.event_id, timestamp, claim.body)
        except (ValueError, EmptyWebhookSecretError):
            raise UnusableSecret("the webhook's secret cannot sign: give the webhook a new one, whsec_ and base64") from None


def _refusal(status_code: int) -> str | None:
    if 200 <= status_code < 300:
        return None
    if 300 <= status_code < 400:
        return f"answered {status_code}: redirects are not followed; register the webhook with the address it leads to"
    return f"answered {status_code}"


def _explain(problem: Exception) -> str:
    """Why no answer came, for a person, without secret or body."""
    match problem:
        case ForbiddenAddress() | UndecryptableSecret() | UnusableSecret():
            return str(problem)
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientSSLError() | ssl.SSLError():
            return f"the receiver's certificate was not accepted: {problem}"
        case TimeoutError():
            return "no answer in time"
        case aiohttp.ClientConnectorDNSError():
            return f"the host name was not found: {problem.host}"
        case aiohttp.ClientConnectorError():
            # By its number: what the error says itself has the addresses that the name was resolved to.
            why = os.strerror(problem.os_error.errno) if problem.os_error.errno else "it failed at each of its addresses"
            return f"no connection to {problem.host}:{problem.port}: {why}"
        case aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError() | ValueError():
            return "the webhook's URL cannot be called; it must be http:// or https:// with a host name or address"
        case aiohttp.ClientError() | OSError():
            return f"the connection broke: {type(problem).__name__}"
        case _:
            log.error("attempt.unexpected", exc_info=problem)
            return f"a fault in the notifier ({type(problem).__name__}); its log says more"


async def _drain(response: aiohttp.ClientResponse) -> None:
    """Reads a small answer to its end, so that the connection can be reused; closes it for a large or slow one."""
    left = _MAX_ANSWER_BYTES
    with suppress(TimeoutError, aiohttp.ClientError):
        async with asyncio.timeout(_MAX_ANSWER_SECONDS):
            while left > 0 and (chunk := await response.content.readany()):
                left -= len(chunk)
