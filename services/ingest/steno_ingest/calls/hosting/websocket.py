"""The one server around the doors: a WebSocket endpoint for each protocol."""

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import structlog
from starlette.requests import HTTPConnection
from starlette.routing import WebSocketRoute
from starlette.types import Receive, Scope, Send

from steno.http.connections import Connection as Link
from steno.http.gate import address_of
from steno.http.rates import Rate
from steno.tenants import Caller
from steno_ingest.calls.doors.port import DoorFactory, Upgrade, UpgradeRefused
from steno_ingest.calls.hosting.connection import Connection
from steno_ingest.calls.hosting.host import CallHost
from steno_ingest.calls.hosting.listening import Captions, SaidBefore

log = structlog.get_logger("steno.ingest.calls")

_TICK_SECONDS = 0.1
_LOOK_AT_KEYS_TICKS = 5
_MOST_LOGGED = 256
"""Characters of each thing that a stranger told of itself."""
_DRAIN_SECONDS = 6.0
"""How long connections may take to end once their peers were asked to leave."""


class CallServer:
    """Takes connections at the paths of its table, and runs a door for each; a component of the service."""

    def __init__(
        self,
        doors: Mapping[str, DoorFactory],
        host: CallHost,
        captions: Captions,
        said_before: SaidBefore,
        *,
        idle_seconds: float,
        openings: Rate | None = None,
        wrong_keys: Rate | None = None,
        most_of_a_key: int = sys.maxsize,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            doors: The table of the doors, by path: `{"/v1/stream": …, "/v1/audiohook": …, "/v1/twilio": …}`.
            idle_seconds: After so long without a message, ping or pong a connection counts as lost.
            openings: How often a key, or what else lets in, may open a connection; None for any number.
            wrong_keys: How often an address may be refused for its key before it is told to wait.
            most_of_a_key: Connections at once of one key, or what else lets in.
            now: Seconds of a monotonic clock.
        """
        self._doors = doors
        self._most_of_a_key = most_of_a_key
        #: By digest: keys of different tenants may have one name, and those of platforms all have.
        self._of_key: Counter[str] = Counter()
        self._openings = openings or Rate(0)
        self._wrong_keys = wrong_keys or Rate(0)
        self._host = host
        self._captions = captions
        self._said_before = said_before
        self._idle_seconds = idle_seconds
        self._now = now
        self._connections: set[Connection] = set()
        self._none_left = asyncio.Event()
        self._stopping = asyncio.Event()

    def routes(self) -> list[WebSocketRoute]:
        """The endpoints, for the application."""
        return [WebSocketRoute(path, _Endpoint(self, factory)) for path, factory in self._doors.items()]

    async def run(self) -> None:
        """Gives the doors their time until `stop`."""
        ticks = 0
        while not self._stopping.is_set():
            ticks += 1
            for connection in list(self._connections):
                connection.tick()
            if ticks % _LOOK_AT_KEYS_TICKS == 0:
                self._check_keys()
            await asyncio.sleep(_TICK_SECONDS)

    def _check_keys(self) -> None:
        """Has every connection know whether what it came in with is still good; a key of many is looked at once."""
        good: dict[Caller, bool] = {}
        for connection in list(self._connections):
            if connection.caller not in good:
                good[connection.caller] = connection.holds()
            connection.check_key(holds=good[connection.caller])

    async def stop(self) -> None:
        """Takes no more calls, asks all peers to leave, and waits a few seconds until they have."""
        self._host.draining = True
        for connection in list(self._connections):
            connection.ask_to_leave("service_stopping")
        try:
            if self._connections:
                self._none_left.clear()
                await asyncio.wait_for(self._none_left.wait(), _DRAIN_SECONDS)
        except TimeoutError:
            log.warning("calls.peers_stay", connections=len(self._connections))
        self._stopping.set()

    async def serve(self, factory: DoorFactory, scope: Scope, receive: Receive, send: Send) -> None:
        """Runs one connection from its upgrade to its end (ASGI)."""
        await receive()
        try:
            if self._host.draining:
                raise UpgradeRefused(503, "the service is stopping; try again soon")
            entered = factory(upgrade_of(scope))
            if self._of_key[entered.caller.key] >= self._most_of_a_key:
                raise UpgradeRefused(429, "as many calls of this key are open as may be; try again soon", retry_seconds=5)
            if (seconds := self._openings.take(entered.caller.key)) > 0:
                raise UpgradeRefused(429, "too many calls are opened in a minute; try again soon", retry_seconds=seconds)
        except UpgradeRefused as refused:
            if refused.status == 401 and (seconds := self._wrong_keys.take(address_of(scope))) > 0:
                refused = UpgradeRefused(429, "too many wrong keys came from this address", retry_seconds=seconds)
            _log(refused)
            await asyncio.sleep(refused.delay_seconds)
            await _refuse(refused, send)
            return
        link: Link | None = scope.get("state", {}).get("connection")
        if link is not None:
            # From here on no stranger puts it out.
            link.known()
        try:
            await send({"type": "websocket.accept"})
        except OSError:
            # The peer is gone already.
            return
        connection = Connection(
            entered,
            self._host,
            self._captions,
            self._said_before,
            receive=receive,
            send=send,
            idle_seconds=self._idle_seconds,
            now=self._now,
            heartbeats=(lambda: link.heartbeats) if link is not None else lambda: 0,
        )
        self._connections.add(connection)
        self._of_key[entered.caller.key] += 1
        try:
            await connection.run()
        finally:
            self._connections.discard(connection)
            self._of_key[entered.caller.key] -= 1
            if not self._connections:
                self._none_left.set()


class _Endpoint:
    """A door's own ASGI application: Starlette would wrap a function."""

    def __init__(self, server: CallServer, factory: DoorFactory) -> None:
        self._server = server
        self._factory = factory

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._server.serve(self._factory, scope, receive, send)


def upgrade_of(scope: Scope) -> Upgrade:
    """The request that asked for a WebSocket, as doors see it."""
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
    """Answers the upgrade with a status instead (ASGI, WebSocket denial response)."""
    body = f"{refused.reason}\n".encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    if refused.retry_seconds:
        headers.append((b"retry-after", str(refused.retry_seconds).encode()))
    try:
        await send({"type": "websocket.http.response.start", "status": refused.status, "headers": headers})
        await send({"type": "websocket.http.response.body", "body": body})
    except OSError:
        # The peer is gone already.
        return
