"""Serves doors over WebSockets: an endpoint for each protocol authenticates its peers and runs a driver for each."""

import asyncio
import sys
from collections import Counter
from collections.abc import Mapping
from typing import Any

import structlog
from starlette.requests import HTTPConnection
from starlette.routing import WebSocketRoute
from starlette.types import Receive, Scope, Send

from steno.http.connections import Connection as Link
from steno.http.gate import address_of
from steno.http.rates import Rate
from steno_ingest.calls.doors.actions import Close, CloseReason
from steno_ingest.calls.doors.http_entrance import DoorFactory, Upgrade, UpgradeRefused
from steno_ingest.calls.hosting.drivers import Drivers
from steno_ingest.calls.transports.websocket_connection import WebSocketConnection, close_message

log = structlog.get_logger("steno.ingest.calls")

_MOST_LOGGED = 256
"""The length to which log values from unauthenticated clients are shortened."""


class WebSocketServer:
    """Accepts WebSockets at the paths of the doors, and runs a driver for each."""

    def __init__(
        self,
        doors: Mapping[str, DoorFactory],
        drivers: Drivers,
        *,
        openings: Rate | None = None,
        wrong_keys: Rate | None = None,
        most_of_a_key: int = sys.maxsize,
    ) -> None:
        """
        Args:
            doors: The door factories by path in lower case: `{"/v1/stream": …, "/v1/audiohook": …, "/v1/twilio": …}`.
            openings: The rate limit of new connections per key; None: no limit.
            wrong_keys: The rate limit of wrong keys per address.
            most_of_a_key: The maximum number of open connections of a key.
        """
        self._doors = doors
        self._drivers = drivers
        self._openings = openings or Rate(0)
        self._wrong_keys = wrong_keys or Rate(0)
        self._most_of_a_key = most_of_a_key
        #: Open connections by digest of the key, since names of keys are not unique.
        self._of_key: Counter[str] = Counter()

    def route(self) -> WebSocketRoute:
        """The route for the application: every path, so that an unknown one is refused with a reason."""
        return WebSocketRoute("/{path:path}", _Endpoint(self))

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Runs one connection from its upgrade to its end (ASGI)."""
        await receive()
        try:
            if self._drivers.draining:
                raise UpgradeRefused(503, "the service is stopping; try again soon")
            entered = self._door_at(scope["path"])(upgrade_of(scope))
            if self._of_key[entered.caller.key] >= self._most_of_a_key:
                raise UpgradeRefused(429, "the limit of open calls of this key is reached; try again soon", retry_seconds=5)
            if (seconds := self._openings.acquire(entered.caller.key)) > 0:
                raise UpgradeRefused(429, "too many calls were opened within a minute; try again soon", retry_seconds=seconds)
        except UpgradeRefused as refused:
            if refused.status == 401 and (seconds := self._wrong_keys.acquire(address_of(scope))) > 0:
                refused = UpgradeRefused(429, "too many wrong keys came from this address", retry_seconds=seconds)
            _log(refused)
            await asyncio.sleep(refused.delay_seconds)
            await _refuse(refused, send)
            return
        link: Link | None = scope.get("state", {}).get("connection")
        if link is not None:
            # From now on it is never closed for a new connection.
            link.mark_authenticated()
        try:
            await send({"type": "websocket.accept"})
        except OSError:
            # The peer has already disconnected.
            return
        self._of_key[entered.caller.key] += 1
        try:
            with self._drivers.open(entered, heartbeats=lambda: 0 if link is None else link.heartbeats) as driver:
                await WebSocketConnection(driver, receive=receive, send=send).run()
        finally:
            self._of_key[entered.caller.key] -= 1

    def _door_at(self, path: str) -> DoorFactory:
        """Returns the factory of a path, whose case does not matter. Raises `UpgradeRefused`."""
        factory = self._doors.get(path.rstrip("/").lower())
        if factory is None:
            raise UpgradeRefused(404, "no protocol of live calls is served at this path; see docs/protocols")
        return factory


class _Endpoint:
    """The ASGI application of the server; it is a class because Starlette would wrap a function."""

    def __init__(self, server: WebSocketServer) -> None:
        self._server = server

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._server.serve(scope, receive, send)


def upgrade_of(scope: Scope) -> Upgrade:
    """Converts an ASGI scope to the upgrade request for a door."""
    connection: HTTPConnection[Any] = HTTPConnection(scope)
    headers = {name: ", ".join(connection.headers.getlist(name)) for name in connection.headers}
    return Upgrade(
        method="GET",
        path=scope.get("raw_path", scope["path"].encode()).decode("latin-1"),
        query=scope["query_string"].decode("latin-1"),
        headers=headers,
        host=headers.get("host", ""),
        client=connection.client.host if connection.client is not None else "",
    )


def _log(refused: UpgradeRefused) -> None:
    if refused.event:
        log.warning(refused.event, **{name: text[:_MOST_LOGGED] for name, text in refused.details.items()})


async def _refuse(refused: UpgradeRefused, send: Send) -> None:
    """Answers the upgrade with an HTTP status (ASGI: WebSocket denial response), or by a connection that is closed at once."""
    body = f"{refused.reason}\n".encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    if refused.retry_seconds:
        headers.append((b"retry-after", str(refused.retry_seconds).encode()))
    try:
        if refused.by_close:
            await send({"type": "websocket.accept"})
            await send(close_message(Close(why=CloseReason.NOT_VALID, detail=refused.reason)))
            return
        await send({"type": "websocket.http.response.start", "status": refused.status, "headers": headers})
        await send({"type": "websocket.http.response.body", "body": body})
    except OSError:
        # The peer has already disconnected.
        return
