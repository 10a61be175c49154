"""A client of ingest's REST API, for `submit`, `show`, `ledger`, `call` and the demo."""

import asyncio
import json
import os
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
import stamina
from stamina.instrumentation import set_on_retry_hooks

from steno.cli import trust
from steno.cli.address import ApiAddress as ApiAddress
from steno.cli.address import ApiError as ApiError
from steno.cli.address import api_of as api_of
from steno.cli.address import find_api as find_api
from steno.cli.terminal import clean

ENDED = frozenset({"completed", "no_speech", "failed", "cancelled"})
"""States of a recording, and of a call, that do not change any more."""

_PATIENCE_SECONDS = 20
_PAGE = 500
"""Entries of a page of a list, at most."""

_LATER = frozenset({429, 502, 503, 504})
"""Statuses of ingest, or of a proxy before it, after which a request is tried again."""


class IngestUnavailable(ApiError):
    """Ingest did not answer; a supervisor restarts it within seconds."""


class Api:
    """A client of one ingest; made by `connect_api`."""

    def __init__(self, session: aiohttp.ClientSession, address: ApiAddress) -> None:
        self._session = session
        self.address = address
        # Once ingest was waited for in vain, others of a batch do not wait as long each.
        self._attempts: int | None = None

    async def submit(self, audio: Path, metadata: dict[str, Any]) -> dict[str, Any]:
        """Uploads a recording; the answer has its `recording_id`."""
        # With a key of its own the upload may be sent again when ingest was restarted meanwhile.
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        retried = stamina.retry_context(on=IngestUnavailable, attempts=self._attempts, timeout=_PATIENCE_SECONDS, wait_max=1)
        try:
            async for attempt in retried:
                # By number, so that it has no name, which aiohttp would put into a header: a name may be any bytes.
                with attempt, os.fdopen(os.open(audio, os.O_RDONLY), "rb") as stream:
                    form = aiohttp.FormData()
                    form.add_field("file", stream, filename=clean(audio.name), content_type="application/octet-stream")
                    form.add_field("metadata", json.dumps(metadata), content_type="application/json")
                    accepted = await self._json("POST", "/v1/recordings", data=form, headers=headers)
        except IngestUnavailable:
            self._attempts = 1
            raise
        self._attempts = None
        if not {"recording_id", "state"} <= accepted.keys():
            raise ApiError(f"{self.address.url} is no ingest of Steno: it answered without a recording's id")
        return accepted

    async def recording(self, recording_id: str) -> dict[str, Any]:
        """Reads a recording with its state."""
        return await self._get(f"/v1/recordings/{_quoted(recording_id)}")

    async def transcript(self, recording_id: str) -> dict[str, Any]:
        """Reads the result document of a recording."""
        return await self._get(f"/v1/recordings/{_quoted(recording_id)}/transcript")

    async def call(self, call_id: str) -> dict[str, Any]:
        """Reads a live call with its state."""
        return await self._get(f"/v1/calls/{_quoted(call_id)}")

    async def wait_for_call(self, call_id: str, *, every: float = 0.25) -> dict[str, Any]:
        """Waits until a live call has ended and the state of its audio is known, and returns it."""
        while True:
            call = await self.call(call_id)
            if call["state"] in ENDED and (call["ended_at"] is not None or call["state"] == "failed"):
                return call
            await asyncio.sleep(every)

    async def calls(self, parameters: Mapping[str, str]) -> list[dict[str, Any]]:
        """Reads one page of live calls by filter, the newest first."""
        page = await self._get(f"/v1/calls?{urlencode(parameters)}")
        return list(page["items"])

    async def pages(self, path: str, parameters: Mapping[str, str]) -> AsyncIterator[list[dict[str, Any]]]:
        """Reads a list (`calls`, `recordings`) by filter page by page, the newest entries first."""
        cursor: dict[str, str] = {}
        while True:
            page = await self._get(f"/v1/{path}?{urlencode({**parameters, 'limit': _PAGE, **cursor})}")
            yield page["items"]
            if page.get("next") is None:
                return
            cursor = {"cursor": page["next"]}

    async def ledger(self) -> dict[str, Any]:
        """Reads how many recordings and live calls were accepted, and how many are in which state."""
        return await self._get("/v1/ledger")

    async def wait_for_recording(self, recording_id: str, *, every: float = 0.25) -> dict[str, Any]:
        """Waits until a recording has ended, and returns it."""
        while True:
            recording = await self.recording(recording_id)
            if recording["state"] in ENDED:
                return recording
            await asyncio.sleep(every)

    async def register_webhook(self, url: str) -> dict[str, Any]:
        """Registers a webhook for every event; the answer has its `webhook_id` and, only here, its `secret`."""
        return await self._json("POST", "/v1/webhooks", json={"url": url})

    async def delete_webhook(self, webhook_id: str) -> None:
        """Deletes a webhook, which ends its deliveries."""
        await self._json("DELETE", f"/v1/webhooks/{webhook_id}")

    @stamina.retry(on=IngestUnavailable, attempts=None, timeout=_PATIENCE_SECONDS, wait_max=1)
    async def _get(self, path: str) -> dict[str, Any]:
        return await self._json("GET", path)

    async def _json(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        try:
            async with self._session.request(method, self.address.url + path, **request) as response:
                body = await response.read()
        except aiohttp.InvalidURL as error:
            raise ApiError(f"{self.address.url} cannot be asked: {error}") from None
        except (aiohttp.ClientError, TimeoutError) as error:  # before ValueError: a certificate's error is one, too
            raise IngestUnavailable(f"{self.address.url} does not answer: {error or type(error).__name__}") from error
        except ValueError as error:  # a URL that is none
            raise ApiError(f"{self.address.url} cannot be asked: {error}") from None
        document = _parsed(body)
        if response.status in _LATER:
            raise IngestUnavailable(
                f"{self.address.url} is busy: {response.status} {document.get('detail') or response.reason}"
            )
        if response.status >= 400:
            problem = document.get("detail") or document.get("title") or body.decode("utf-8", "replace")
            raise ApiError(f"{method} {path}: {response.status} {problem}")
        return document


@asynccontextmanager
async def connect_api(address: ApiAddress) -> AsyncIterator[Api]:
    """Opens an `Api`, and closes its connections at the end."""
    set_on_retry_hooks([])  # a retry that works is nothing to tell the user
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=60)
    headers = {"Authorization": f"Bearer {address.key}"}
    async with aiohttp.ClientSession(connector=trust.connector(), timeout=timeout, headers=headers) as session:
        yield Api(session, address)


def short_reason(error: Exception) -> str:
    """The message of an error about an answer, cut to one short line, because it may quote the answer."""
    return f"{type(error).__name__} {str(error)[:100]}"


def _quoted(name: str) -> str:
    """A name, percent-encoded as one part of a path."""
    return quote(name, safe="", errors="replace")


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body) if body else {}
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {"items": document}
