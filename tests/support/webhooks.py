"""Receivers of webhooks on loopback, which verify signatures, and records that cause deliveries."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ssl import SSLContext
from typing import Any

from aiohttp import web
from standardwebhooks import Webhook

from steno.crypto import SecretBox
from steno.events.records import TranscriptCompleted, WebhookState

SECRET = "whsec_" + "c2VjcmV0IG9mIHRoZSB0ZXN0cywgMzIgYnl0ZXMgbG9uZw=="
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, kw_only=True)
class Received:
    """One request with a valid signature."""

    webhook_id: str
    timestamp: int
    traceparent: str | None
    body: Any


@dataclass
class Receiver:
    """An HTTP server that keeps verified requests; an invalid signature fails the test."""

    url: str = ""
    answers: list[Answer] = field(default_factory=list)
    _received: list[Received] = field(default_factory=list)
    _unverified: list[Exception] = field(default_factory=list)
    _arrived: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def received(self) -> list[Received]:
        """All requests received so far; fails if a signature was invalid."""
        assert not self._unverified, self._unverified
        return self._received

    async def has(self, count: int, *, seconds: float = 60) -> list[Received]:
        """Waits for a number of requests."""
        async with asyncio.timeout(seconds), self._arrived:
            await self._arrived.wait_for(lambda: len(self.received) >= count)
        return self.received

    async def has_ids(self, wanted: set[str], *, seconds: float = 60) -> None:
        """Waits until each of the events was received at least once."""
        async with asyncio.timeout(seconds), self._arrived:
            await self._arrived.wait_for(lambda: wanted <= {request.webhook_id for request in self.received})

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Verifies and keeps a request; answers as the test says, by default with 204."""
        body = await request.read()
        async with self._arrived:
            try:
                Webhook(SECRET).verify(body, dict(request.headers), json_parse=False)
                self._received.append(
                    Received(
                        webhook_id=request.headers["webhook-id"],
                        timestamp=int(request.headers["webhook-timestamp"]),
                        traceparent=request.headers.get("traceparent"),
                        body=json.loads(body),
                    )
                )
            except Exception as error:  # noqa: BLE001 - told by `received`
                self._unverified.append(error)
            self._arrived.notify_all()
        return await self.answers.pop(0)(request) if self.answers else web.Response(status=204)


@asynccontextmanager
async def receiving(
    *answers: Answer, tls: SSLContext | None = None, host: str = "127.0.0.1", bind: str = "127.0.0.1"
) -> AsyncIterator[Receiver]:
    """Runs a receiver on a free port of the address `bind`; it gives the answers in order, then 204."""
    receiver = Receiver(answers=list(answers))
    application = web.Application(client_max_size=1 << 20)
    application.router.add_post("/hook", receiver.handle)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, bind, 0, ssl_context=tls)
        await site.start()
        port = runner.addresses[0][1]
        receiver.url = f"{'http' if tls is None else 'https'}://{host}:{port}/hook"
        yield receiver
    finally:
        await runner.cleanup()


def status(code: int, **headers: str) -> Answer:
    """Makes an answer with a status and headers, e.g. `Retry_After="1"`."""

    async def answer(_request: web.Request) -> web.StreamResponse:
        return web.Response(status=code, headers={name.replace("_", "-"): value for name, value in headers.items()})

    return answer


def webhook(webhook_id: str, url: str, box: SecretBox, **changes: Any) -> WebhookState:
    """Makes a webhook that was registered in 2026 for all events, with changes."""
    registered = datetime(2026, 1, 1, tzinfo=UTC)
    fields = {"created_at": registered, "updated_at": registered, "encrypted_secret": box.encrypt(SECRET.encode())}
    return WebhookState(webhook_id=webhook_id, url=url, **(fields | changes))


def completed(number: int, *, at: datetime | None = None) -> TranscriptCompleted:
    """Makes the completed transcript of a recording with a number."""
    return TranscriptCompleted(
        call_id=f"call-{number}",
        recording_id=f"recording-{number}",
        result_url=f"file:///objects/transcripts/recording-{number}.json",
        phrase_count=3,
        channel_count=2,
        duration_ms=20_000,
        completed_at=at or datetime.now(UTC),
    )
