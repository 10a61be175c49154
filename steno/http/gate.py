"""ASGI middleware before every route: it checks the API key and rate limits, and reads the body up to a limit.

The body of a request is not read, and `100 Continue` not sent, before its key is checked. A body that is not streamed is then
read completely, up to `MAX_BODY_BYTES`, and checked (`json_bounds`) before it is parsed. WebSocket upgrades pass unchecked:
their routes have their own authentication, which needs only the head (`steno_ingest.calls.doors`).
"""

import asyncio
import re
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from typing import Any
from weakref import WeakValueDictionary

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from steno.http.auth import ApiKeys, presented_key
from steno.http.metrics import REFUSALS
from steno.http.problems import Problem, answer
from steno.http.rates import Rate, address_key
from steno.json_bounds import JsonTooLarge, check_json
from steno.tenants import Caller

OPEN_PATHS = frozenset({"/health/live", "/health/ready", "/metrics", "/openapi.json", "/docs"})
"""Paths that need no key: for probes, for scrapers, and for people who have no key yet."""

OPEN_FOLDER = "/docs/assets/"
"""The files that the page under `/docs` loads."""

_DOCUMENTS = ("/docs", "/openapi.json")

DOCUMENTS_PER_MINUTE = 600
"""Rate limit per address for the API documents, which take milliseconds to generate. Probes and scrapes have no rate limit,
because a refused probe would restart a service; they are cheap instead (`steno.http.health`)."""

KEY_GONE = "the API key is no longer valid: it was revoked, expired or changed while the body was being sent"

MAX_BODY_BYTES = 1 << 20
"""The size limit of a body that is not streamed."""

MAX_TARGET_BYTES = 8192
"""The size limit of path and query together (RFC 9110 §4.1 asks for at least 8,000)."""

MAX_PARAMETERS = 100
"""The number of parameters that a query may have."""


@dataclass(frozen=True, kw_only=True)
class Streamed:
    """A route that accepts uploads and reads them in pieces."""

    method: str
    path: str
    #: The size limit of the body.
    max_bytes: int


@dataclass(frozen=True, kw_only=True)
class Limited:
    """Limits for one kind of expensive requests, per key."""

    #: Name of the kind in `steno_http_refusals_total`, e.g. `submissions`.
    what: str
    method: str
    path: re.Pattern[str]
    rate: Rate
    #: How many requests of one key may be in progress.
    at_once: int = sys.maxsize
    #: How many requests of one key are handled at the same time, if not streamed; others wait. None: no limit.
    in_turn: int | None = None


class Gate:
    """The middleware. It puts the caller of the key into `scope["state"]["caller"]`."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        keys: ApiKeys,
        wrong_keys: Rate,
        streamed: Sequence[Streamed] = (),
        limited: Sequence[Limited] = (),
        at_once: int = sys.maxsize,
        open_folders: Sequence[str] = (),
    ) -> None:
        """
        Args:
            open_folders: Further paths, up to their last slash, whose routes take no key and check requests themselves.
            at_once: How many requests of one key may be in progress.
            wrong_keys: Rate limit for wrong keys, per address. Above it a wrong key is answered with 429; a valid key is
                always accepted.
        """
        self._app = app
        self._keys = keys
        self._wrong_keys = wrong_keys
        self._streamed = {(route.method, route.path): route.max_bytes for route in streamed}
        self._limited = tuple(limited)
        self._at_once = at_once
        self._open_folders = (OPEN_FOLDER, *open_folders)
        #: Requests in progress, by the digest of the key (a name may have several keys) and the kind; `""` counts all kinds.
        self._under_way: Counter[tuple[str, str]] = Counter()
        #: Semaphores by the digest of the key and the kind, as long as a request of that kind is in progress.
        self._turns: WeakValueDictionary[tuple[str, str], asyncio.Semaphore] = WeakValueDictionary()
        self._documents = Rate(DOCUMENTS_PER_MINUTE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        problem = _unreadable(scope)
        limited = None
        if problem is None and (path in OPEN_PATHS or path.startswith(self._open_folders)):
            problem = self._shown(scope, path)
        elif problem is None:
            limited = self._limit_of(scope, path)
            problem = self._let_in(scope, headers) or self._paced(scope, limited)
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        most = self._streamed.get((scope["method"], path)) if kind == "multipart/form-data" else None
        body = _Body(headers, receive, most=most)
        problem = problem or body.stated_too_large()
        if problem is not None:
            await _refuse(problem, send, body)
        elif (caller := scope.get("state", {}).get("caller")) is None:
            await self._app(scope, body.counted, body.closing(send))
        else:
            counted = [(caller.key, "")] if limited is None else [(caller.key, ""), (caller.key, limited.what)]
            self._under_way.update(counted)
            try:
                await self._pass(scope, body, send, is_json=not kind or "json" in kind, caller=caller, limited=limited)
            finally:
                self._under_way.subtract(counted)

    async def _pass(
        self, scope: Scope, body: "_Body", send: Send, *, is_json: bool, caller: Caller, limited: Limited | None
    ) -> None:
        """Passes on an authenticated request, after reading its body if it is not streamed."""
        problem = None
        if body.expected and not body.streamed:
            try:
                problem = await body.read(is_json=is_json)
            except _Gone:
                return
            if not self._keys.holds(caller):
                problem = _no_key(KEY_GONE)
        if problem is not None:
            await _refuse(problem, send, body)
        elif body.complete:
            async with self._turn_of(caller, limited):
                await self._app(scope, body.replayed, send)
        else:
            await self._app(scope, body.counted, body.closing(send))

    def _let_in(self, scope: Scope, headers: Headers) -> Problem | None:
        key = presented_key(headers)
        caller = None if key is None else self._keys.verify(key)
        state = scope.setdefault("state", {})
        if caller is not None:
            state["caller"] = caller
            if (connection := state.get("connection")) is not None:
                connection.mark_authenticated()
            return None
        if key is None:
            return _no_key("no API key was sent; send one as `Authorization: Bearer KEY` or `X-Api-Key: KEY`")
        if (seconds := self._wrong_keys.acquire(address_of(scope))) > 0:
            return too_often("wrong_keys", "too many wrong API keys came from this address", seconds)
        return _no_key("the API key is not valid for this service; ask its operator for one")

    def _shown(self, scope: Scope, path: str) -> Problem | None:
        """Applies the rate limit of the API documents to a path that needs no key."""
        if not path.startswith(_DOCUMENTS) or (seconds := self._documents.acquire(address_of(scope))) == 0:
            return None
        return too_often("documents", "too many requests for documents from this address", seconds)

    def _turn_of(self, caller: Caller, limited: Limited | None) -> AbstractAsyncContextManager[None]:
        if limited is None or limited.in_turn is None:
            return nullcontext()
        return self._turns.setdefault((caller.key, limited.what), asyncio.Semaphore(limited.in_turn))

    def _limit_of(self, scope: Scope, path: str) -> Limited | None:
        found = (limited for limited in self._limited if limited.method == scope["method"] and limited.path.fullmatch(path))
        return next(found, None)

    def _paced(self, scope: Scope, limited: Limited | None) -> Problem | None:
        key = scope["state"]["caller"].key
        if self._under_way[key, ""] >= self._at_once:
            return too_often("requests", f"{self._at_once} requests of this API key are in progress, which is the limit", 1)
        if limited is None:
            return None
        if self._under_way[key, limited.what] >= limited.at_once:
            detail = f"{limited.at_once} {limited.what} of this API key are in progress, which is the limit"
            return too_often(limited.what, detail, 1)
        if (seconds := limited.rate.acquire(key)) > 0:
            return too_often(limited.what, f"too many {limited.what} with this API key", seconds)
        return None


def address_of(scope: Mapping[str, Any]) -> str:
    """Returns the key under which a request is counted by its address."""
    client = scope.get("client")
    return address_key(client[0]) if client else ""


def too_often(what: str, detail: str, seconds: int) -> Problem:
    """Makes the problem of a request above a rate limit."""
    return Problem(
        status=429,
        kind=f"rate_{what}",
        detail=f"{detail}; try again in {seconds} s",
        headers=((b"retry-after", str(seconds).encode()),),
    )


def _no_key(detail: str) -> Problem:
    return Problem(status=401, kind="api_key", detail=detail, headers=((b"www-authenticate", b'Bearer realm="steno"'),))


def _unreadable(scope: Scope) -> Problem | None:
    query = scope["query_string"]
    if len(scope.get("raw_path") or b"") + len(query) > MAX_TARGET_BYTES:
        return Problem(status=414, kind="url", detail=f"the URL is longer than {MAX_TARGET_BYTES} bytes")
    if query.count(b"&") >= MAX_PARAMETERS:
        return Problem(status=414, kind="url", detail=f"the query has more than {MAX_PARAMETERS} parameters")
    return None


async def _refuse(problem: Problem, send: Send, body: "_Body") -> None:
    REFUSALS.labels(problem.kind).inc()
    await answer(problem, send, close=not body.complete)


class _Gone(Exception):
    """The client disconnected while its body was read."""


class _Body:
    """The body of one request."""

    def __init__(self, headers: Headers, receive: Receive, *, most: int | None) -> None:
        self._receive = receive
        self._length = headers.get("content-length")
        #: Whether the request has a body (RFC 9112 §6.3).
        self.expected = "transfer-encoding" in headers or self._length not in (None, "0")
        self.streamed = most is not None
        self._most = MAX_BODY_BYTES if most is None else most
        #: Whether all of it has arrived.
        self.complete = not self.expected
        self._read = 0
        self._content: bytes | None = b""

    def stated_too_large(self) -> Problem | None:
        """Returns a problem if its `Content-Length` is above the limit."""
        return self._too_large() if self._length is not None and int(self._length) > self._most else None

    async def read(self, *, is_json: bool) -> Problem | None:
        """Reads all of it; returns what is wrong with it, or None. Raises `_Gone`."""
        content = bytearray()
        while not self.complete:
            message = await self._next()
            if message["type"] == "http.disconnect":
                raise _Gone
            if self._read > self._most:
                return self._too_large()
            content += message.get("body", b"")
        self._content = bytes(content)
        try:
            if is_json:
                check_json(self._content)
        except JsonTooLarge as error:
            return Problem(status=400, kind="json", detail=f"{error}; no request of this API needs that")
        return None

    async def replayed(self) -> Message:
        """An ASGI `receive` that gives the body that was read, once."""
        if self._content is None:
            return await self._receive()
        content, self._content = self._content, None
        return {"type": "http.request", "body": content, "more_body": False}

    async def counted(self) -> Message:
        """An ASGI `receive` that gives the body as it arrives, up to the size limit."""
        message = await self._next()
        if self._read > self._most:
            raise HTTPException(413, self._too_large().detail)
        return message

    def closing(self, send: Send) -> Send:
        """Wraps an ASGI `send`: a response sent before all of the body has arrived gets `Connection: close`."""

        async def closing(message: Message) -> None:
            if message["type"] == "http.response.start" and not self.complete:
                message = {**message, "headers": [*message.get("headers", ()), (b"connection", b"close")]}
            await send(message)

        return closing

    async def _next(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._read += len(message.get("body", b""))
            self.complete = not message.get("more_body", False)
        return message

    def _too_large(self) -> Problem:
        return Problem(status=413, kind="too_large", detail=f"the body is larger than {self._most} bytes, which is the limit")
