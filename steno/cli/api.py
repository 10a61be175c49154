"""Ingest's REST API as a client: what `submit`, `show`, `ledger` and the demo speak."""

import asyncio
import json
import os
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
import stamina
from stamina.instrumentation import set_on_retry_hooks

from steno.cli import run_file, trust
from steno.cli.terminal import clean

ENDED = frozenset({"completed", "no_speech", "failed", "cancelled"})
"""States of a recording, and of a call, that do not change any more."""

_PATIENCE_SECONDS = 20
_LATER = frozenset({429, 502, 503, 504})
"""Answers of ingest, or of a proxy before it, that pass."""


class ApiError(Exception):
    """The API said no, or was not there; the message is for a person."""


class IngestAway(ApiError):
    """Nobody answered; a supervisor brings ingest back within seconds."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a suite's API is, and the key that opens it."""

    url: str
    key: str
    #: Of the notifier, which serves captions; empty where it is not known.
    notifier_url: str = ""
    #: Twilio's Auth Token, and API key and client secret of an AudioHook integration; empty where there is none.
    twilio_token: str = ""
    audiohook_key: str = ""
    audiohook_secret: str = ""


def find(data: Path, *, url: str | None = None, key: str | None = None) -> Place:
    """The suite to talk to: at a URL with a key, by default those of the environment, else the one on a data folder.

    The environment is `STENO_UP_URL`, `STENO_UP_API_KEY` and, for captions, `STENO_UP_NOTIFIER_URL`.

    Raises:
        ApiError: there is none.
    """
    url = url or os.environ.get("STENO_UP_URL")
    if url:
        key = (key or os.environ.get("STENO_UP_API_KEY", "")).strip()
        if not url.startswith(("http://", "https://")):
            raise ApiError(f"{url} is not where an ingest is: write http(s)://HOST:PORT")
        if not key.isascii() or not key.isprintable():
            raise ApiError("the API key is none: it has other characters than keys have")
        return Place(url=url.rstrip("/"), key=key, notifier_url=os.environ.get("STENO_UP_NOTIFIER_URL", "").rstrip("/"))
    try:
        document = run_file.read(data)
        audiohook_key, _, audiohook_secret = _secret(document, "audiohook_keys_file").partition(" ")
        return Place(
            url=document["services"]["ingest"]["url"],
            key=_secret(document, "api_key_file"),
            notifier_url=document["services"]["notifier"]["url"],
            twilio_token=_secret(document, "twilio_auth_tokens_file"),
            audiohook_key=audiohook_key,
            audiohook_secret=audiohook_secret,
        )
    except (FileNotFoundError, NotADirectoryError, KeyError):
        raise ApiError(
            f"nothing runs on {data}: start it with `steno up --data {data}`, name another folder with --data, "
            "or say where with --url and --key (STENO_UP_URL and STENO_UP_API_KEY)"
        ) from None
    except (OSError, ValueError, TypeError) as error:
        raise ApiError(f"what runs on {data} cannot be told: {error}") from None


class Api:
    """Calls on one ingest; made by `connected`."""

    def __init__(self, session: aiohttp.ClientSession, place: Place) -> None:
        self._session = session
        self.place = place
        # Once ingest was waited for in vain, others of a batch do not wait as long each.
        self._attempts: int | None = None

    async def submit(self, audio: Path, metadata: dict[str, Any]) -> dict[str, Any]:
        """Uploads one recording; the answer has its `recording_id`."""
        # With a key of its own the upload may be sent again when ingest was restarted meanwhile.
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        retried = stamina.retry_context(on=IngestAway, attempts=self._attempts, timeout=_PATIENCE_SECONDS, wait_max=1)
        try:
            async for attempt in retried:
                # By number, so that it has no name, which aiohttp would put into a header: a name may be any bytes.
                with attempt, os.fdopen(os.open(audio, os.O_RDONLY), "rb") as stream:
                    form = aiohttp.FormData()
                    form.add_field("file", stream, filename=clean(audio.name), content_type="application/octet-stream")
                    form.add_field("metadata", json.dumps(metadata), content_type="application/json")
                    accepted = await self._json("POST", "/v1/recordings", data=form, headers=headers)
        except IngestAway:
            self._attempts = 1
            raise
        self._attempts = None
        if not {"recording_id", "state"} <= accepted.keys():
            raise ApiError(f"{self.place.url} is no ingest of Steno: it answered without a recording's id")
        return accepted

    async def recording(self, recording_id: str) -> dict[str, Any]:
        """One recording with its state."""
        return await self._get(f"/v1/recordings/{_quoted(recording_id)}")

    async def transcript(self, recording_id: str) -> dict[str, Any]:
        """The result document of a recording."""
        return await self._get(f"/v1/recordings/{_quoted(recording_id)}/transcript")

    async def call(self, call_id: str) -> dict[str, Any]:
        """One live call with its state."""
        return await self._get(f"/v1/calls/{_quoted(call_id)}")

    async def wait_for_call(self, call_id: str, *, every: float = 0.25) -> dict[str, Any]:
        """The live call once it has ended, and it is known how its audio did."""
        while True:
            call = await self.call(call_id)
            if call["state"] in ENDED and (call["ended_at"] is not None or call["state"] == "failed"):
                return call
            await asyncio.sleep(every)

    async def calls(self, parameters: Mapping[str, str]) -> list[dict[str, Any]]:
        """Live calls by filter, the newest first; one page."""
        page = await self._get(f"/v1/calls?{urlencode(parameters)}")
        return list(page["items"])

    async def ledger(self) -> dict[str, Any]:
        """How many recordings and live calls were accepted, and what became of them."""
        return await self._get("/v1/ledger")

    async def wait(self, recording_id: str, *, every: float = 0.25) -> dict[str, Any]:
        """The recording once it has ended."""
        while True:
            recording = await self.recording(recording_id)
            if recording["state"] in ENDED:
                return recording
            await asyncio.sleep(every)

    async def register_webhook(self, url: str) -> dict[str, Any]:
        """A webhook for every event; the answer has its `webhook_id` and, this once, its `secret`."""
        return await self._json("POST", "/v1/webhooks", json={"url": url})

    async def delete_webhook(self, webhook_id: str) -> None:
        """Ends the deliveries to a webhook."""
        await self._json("DELETE", f"/v1/webhooks/{webhook_id}")

    @stamina.retry(on=IngestAway, attempts=None, timeout=_PATIENCE_SECONDS, wait_max=1)
    async def _get(self, path: str) -> dict[str, Any]:
        return await self._json("GET", path)

    async def _json(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        try:
            async with self._session.request(method, self.place.url + path, **request) as response:
                body = await response.read()
        except aiohttp.InvalidURL as error:
            raise ApiError(f"{self.place.url} cannot be asked: {error}") from None
        except (aiohttp.ClientError, TimeoutError) as error:  # before ValueError: a certificate's error is one, too
            raise IngestAway(f"{self.place.url} does not answer: {error or type(error).__name__}") from error
        except ValueError as error:  # a URL that is none
            raise ApiError(f"{self.place.url} cannot be asked: {error}") from None
        document = _parsed(body)
        if response.status in _LATER:
            raise IngestAway(f"{self.place.url} is busy: {response.status} {document.get('detail') or response.reason}")
        if response.status >= 400:
            problem = document.get("detail") or document.get("title") or body.decode("utf-8", "replace")
            raise ApiError(f"{method} {path}: {response.status} {problem}")
        return document


@asynccontextmanager
async def connected(place: Place) -> AsyncIterator[Api]:
    """An `Api` on a place, its connections closed afterwards."""
    set_on_retry_hooks([])  # a retry that works is nothing to tell the user
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=60)
    headers = {"Authorization": f"Bearer {place.key}"}
    async with aiohttp.ClientSession(connector=trust.connector(), timeout=timeout, headers=headers) as session:
        yield Api(session, place)


def shortened(error: Exception) -> str:
    """What is wrong with an answer, on one short line: it may quote the answer."""
    return f"{type(error).__name__} {str(error)[:100]}"


def _quoted(name: str) -> str:
    """A part of a path, whatever a name is made of."""
    return quote(name, safe="", errors="replace")


def _secret(document: dict[str, Any], name: str) -> str:
    """The first line of a file that the run file names; the lines after it are good, too."""
    return Path(document[name]).read_text("utf-8").partition("\n")[0].strip()


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body) if body else {}
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {"items": document}
