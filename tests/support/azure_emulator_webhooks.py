"""The webhooks of the emulator of Azure: their registration, the challenge, and signed events. All is in memory."""

import asyncio
import base64
import hmac
import json
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import aiohttp
from aiohttp import web
from support import azure_contract


@dataclass(kw_only=True)
class MadeWebhook:
    """A webhook, and how far its challenge is."""

    id: str
    version: str
    created: str
    body: dict[str, Any]
    status: str = "NotStarted"

    @property
    def secret(self) -> str:
        """What signs its events."""
        secret: str = self.body["properties"]["secret"]
        return secret


class EmulatedWebhooks:
    """The webhooks of one resource, and their routes."""

    def __init__(self) -> None:
        #: By id, in the order of their creation.
        self.registered: dict[str, MadeWebhook] = {}
        #: How many were ever created.
        self.created = 0
        #: Status of each answer to an event.
        self.answers: list[int] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def add_to(self, app: web.Application) -> None:
        """Adds the routes of both versions; what is started ends with the application."""
        for base in ("/speechtotext/v3.2/webhooks", "/speechtotext/webhooks"):
            app.router.add_get(base, self._list)
            app.router.add_post(base, self._create)
            app.router.add_patch(f"{base}/{{id}}", self._update)
            app.router.add_delete(f"{base}/{{id}}", self._delete)
        app.cleanup_ctx.append(self._ending)

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Does something besides the answers."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def post_completion(self, link: str) -> None:
        """Posts to each webhook that has answered its challenge that a job has ended."""
        for webhook in list(self.registered.values()):
            if webhook.status == "Succeeded" and webhook.body["events"].get("transcriptionCompletion"):
                content = json.dumps({"self": link, "invocationId": str(uuid4())}).encode()
                self.answers.append((await _post(webhook, "TranscriptionCompletion", signed=content, content=content))[0])

    async def _ending(self, _app: web.Application) -> AsyncIterator[None]:
        yield
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _list(self, request: web.Request) -> web.StreamResponse:
        page = {"values": [_told(webhook, request) for webhook in self.registered.values()]}
        azure_contract.check(_version(request), "PaginatedWebHooks", page)
        return web.json_response(page)

    async def _create(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        azure_contract.check(_version(request), "WebHook", body)
        created = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        webhook = MadeWebhook(id=str(uuid4()), version=_version(request), created=created, body=body)
        self.registered[webhook.id] = webhook
        self.created += 1
        self.start(self._challenge(webhook))
        return web.json_response(_told(webhook, request), status=201)

    async def _update(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        azure_contract.check(_version(request), "WebHookUpdate", body)
        if (webhook := self.registered.get(request.match_info["id"])) is None:
            return web.Response(status=404)
        webhook.body |= body
        self.start(self._challenge(webhook))
        return web.json_response(_told(webhook, request))

    async def _delete(self, request: web.Request) -> web.StreamResponse:
        if self.registered.pop(request.match_info["id"], None) is None:
            return web.Response(status=404)
        return web.Response(status=204)

    async def _challenge(self, webhook: MadeWebhook) -> None:
        token = str(uuid4())
        answer = await _post(webhook, "Challenge", signed=token.encode(), query={"validationToken": token})
        webhook.status = "Succeeded" if answer == (200, token) else "Failed"


async def _post(
    webhook: MadeWebhook, event: str, *, signed: bytes, content: bytes = b"", query: dict[str, str] | None = None
) -> tuple[int, str]:
    signature = base64.b64encode(hmac.digest(webhook.secret.encode(), signed, "sha256")).decode()
    headers = {"X-MicrosoftSpeechServices-Event": event, "X-MicrosoftSpeechServices-Signature": signature}
    try:
        async with (
            aiohttp.ClientSession() as session,
            session.post(webhook.body["webUrl"], params=query, data=content, headers=headers) as response,
        ):
            return response.status, await response.text()
    except aiohttp.ClientError:
        return 0, ""


def _told(webhook: MadeWebhook, request: web.Request) -> dict[str, Any]:
    base = request.path.partition("/webhooks")[0]
    return {
        "self": f"{request.url.origin()}{base}/webhooks/{webhook.id}",
        **{name: value for name, value in webhook.body.items() if name != "properties"},
        "properties": {"apiVersion": webhook.version},
        "createdDateTime": webhook.created,
        "status": webhook.status,
    }


def _version(request: web.Request) -> str:
    return "v3.2" if "/v3.2/" in request.path else "2024-11-15"
