"""A webhook receiver on the loopback interface that verifies every signature, for the demo and as an example."""

import json
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from aiohttp import web
from standardwebhooks.webhooks import Webhook, WebhookVerificationError


@dataclass(frozen=True, kw_only=True, slots=True)
class ReceivedEvent:
    """A delivered event whose signature is valid. `received_at` is in seconds of the monotonic clock."""

    type: str
    data: dict[str, Any]
    received_at: float

    @property
    def recording_id(self) -> str:
        """The id of the recording that it is about."""
        return str(self.data.get("recording_id", ""))


class WebhookReceiver:
    """Receives deliveries while it is entered; `secret` must be set before the first one."""

    def __init__(self) -> None:
        self.secret = ""
        self.verified = 0
        self.rejected = 0
        self.url = ""
        self._seen: set[str] = set()
        self._events: list[ReceivedEvent] = []
        application = web.Application()
        application.router.add_post("/webhook", self._receive)
        self._runner = web.AppRunner(application, access_log=None)

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}/webhook"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    def pop_events(self) -> list[ReceivedEvent]:
        """Returns the events received since the last call of this method."""
        events, self._events = self._events, []
        return events

    async def _receive(self, request: web.Request) -> web.Response:
        body = await request.read()
        try:
            Webhook(self.secret).verify(body, dict(request.headers))
        except WebhookVerificationError:
            self.rejected += 1
            return web.Response(status=401, text="the signature does not match")
        self.verified += 1
        # Deliveries are at least once: the id is the same over all attempts.
        if (event_id := request.headers["webhook-id"]) not in self._seen:
            self._seen.add(event_id)
            event = json.loads(body)
            self._events.append(ReceivedEvent(type=event["type"], data=event["data"], received_at=time.monotonic()))
        return web.Response(status=204)
