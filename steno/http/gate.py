"""The gate is ASGI middleware before every route: it checks the API key and rate limits, and reads the body within bounds.

Nothing of a body is read before its request has shown a key, not even by `100 Continue`. What is not streamed is then read
whole, up to `MAX_BODY_BYTES`, and looked through (`json_bounds`) before it becomes objects. Upgrades to WebSockets pass: their
doors know other signs than keys, and decide by the head alone (`steno_ingest.calls.doors`).
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
"""What is answered without a key: what probes, scrapers and people who have no key yet ask for."""

OPEN_FOLDER = "/docs/assets/"
"""What the page under `/docs` loads."""

_DOCUMENTS = ("/docs", "/openapi.json")

DOCUMENTS_PER_MINUTE = 600
"""What an address may ask of what describes the API: it takes milliseconds to write. Probes and scrapes are made cheap instead
(`steno.http.health`): one that is told to wait ends a service."""

KEY_GONE = "the API key opens nothing any more: it was revoked, has expired or was changed while the body came"

MAX_BODY_BYTES = 1 << 20
"""Of a body that is not streamed."""

MAX_TARGET_BYTES = 8192
"""Of path and query (RFC 9110 §4.1 asks for 8,000)."""

MAX_PARAMETERS = 100
"""Of a query."""


@dataclass(frozen=True, kw_only=True)
class Streamed:
    """A route that takes uploads, and reads them piece by piece."""

    method: str
    path: str
    #: Of the whole body.
    max_bytes: int


@dataclass(frozen=True, kw_only=True)
class Limited:
    """Requests that cost more than others, counted by key."""

    #: As it is told in `steno_http_refusals_total`, e.g. `submissions`.
    what: str
    method: str
    path: re.Pattern[str]
    rate: Rate
    #: How many of one key may be under way.
    at_once: int = sys.maxsize
    #: How many of one key are worked on at once, where they are not streamed; further ones wait for their turn.
    in_turn: int | None = None


class Gate:
    """The middleware. A request that passes has what its key is of in `scope["state"]["caller"]`."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        keys: ApiKeys,
        wrong_keys: Rate,
        streamed: Sequence[Streamed] = (),
        limited: Sequence[Limited] = (),
        at_once: int = sys.maxsize,
    ) -> None:
        """
        Args:
            at_once: Requests of one key that may be under way.
            wrong_keys: By address. Beyond it a wrong key is answered with 429 instead; a right one always opens.
        """
        self._app = app
        self._keys = keys
        self._wrong_keys = wrong_keys
        self._streamed = {(route.method, route.path): route.max_bytes for route in streamed}
        self._limited = tuple(limited)
        self._at_once = at_once
        #: By digest of the key, as one name may have several, of all (``""``) and of those that are limited.
        self._under_way: Counter[tuple[str, str]] = Counter()
        #: By digest of the key and what is limited, while any of it is under way.
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
        if problem is None and (path in OPEN_PATHS or path.startswith(OPEN_FOLDER)):
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
        """Hands on a request of a key, its body read where it is not streamed."""
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
        return _no_key("the API key is not one of this service; ask its operator for one")

    def _shown(self, scope: Scope, path: str) -> Problem | None:
        """What is wrong with asking for what is open."""
        if not path.startswith(_DOCUMENTS) or (seconds := self._documents.acquire(address_of(scope))) == 0:
            return None
        return too_often("documents", "this address asks for documents more often than it may", seconds)

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
            return too_often("requests", f"{self._at_once} requests of this API key are under way, as many as may be", 1)
        if limited is None:
            return None
        if self._under_way[key, limited.what] >= limited.at_once:
            detail = f"{limited.at_once} {limited.what} of this API key are under way, as many as may be"
            return too_often(limited.what, detail, 1)
        if (seconds := limited.rate.acquire(key)) > 0:
            return too_often(limited.what, f"this API key asks for {limited.what} more often than it may", seconds)
        return None


def address_of(scope: Mapping[str, Any]) -> str:
    """Who a request counts for by its address."""
    client = scope.get("client")
    return address_key(client[0]) if client else ""


def too_often(what: str, detail: str, seconds: int) -> Problem:
    """A rate is used up."""
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
    """The client went away while its body was read."""


class _Body:
    """The body of one request."""

    def __init__(self, headers: Headers, receive: Receive, *, most: int | None) -> None:
        self._receive = receive
        self._length = headers.get("content-length")
        #: Whether one comes (RFC 9112 §6.3).
        self.expected = "transfer-encoding" in headers or self._length not in (None, "0")
        self.streamed = most is not None
        self._most = MAX_BODY_BYTES if most is None else most
        #: Whether all of it has come.
        self.complete = not self.expected
        self._read = 0
        self._content: bytes | None = b""

    def stated_too_large(self) -> Problem | None:
        """Whether it says itself that it is."""
        return self._too_large() if self._length is not None and int(self._length) > self._most else None

    async def read(self, *, is_json: bool) -> Problem | None:
        """Reads it whole; what is wrong with it. Raises `_Gone`."""
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
            return Problem(status=400, kind="json", detail=f"{error}; nothing that is asked for here needs that")
        return None

    async def replayed(self) -> Message:
        """What was read, once (ASGI)."""
        if self._content is None:
            return await self._receive()
        content, self._content = self._content, None
        return {"type": "http.request", "body": content, "more_body": False}

    async def counted(self) -> Message:
        """What comes of it, up to its bound (ASGI)."""
        message = await self._next()
        if self._read > self._most:
            raise HTTPException(413, self._too_large().detail)
        return message

    def closing(self, send: Send) -> Send:
        """Has an answer that does not wait for all of it say that the rest is not read."""

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
        return Problem(
            status=413, kind="too_large", detail=f"the body is larger than {self._most} bytes, the most that is taken"
        )
