"""The HTTP server of the services in this process, with a small application behind the gate."""

import asyncio
import re
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from steno.http.addresses import Network
from steno.http.auth import ApiKeys, key_line
from steno.http.connections import Bounds
from steno.http.gate import Gate, Limited, Streamed
from steno.http.rates import Rate
from steno.http.server import Server
from steno.http.websockets import SERVER_OPTIONS

KEY = "steno_test"
BOUNDS = Bounds(most=4000, most_of_an_address=500, head_seconds=10, min_bytes_per_second=1000)


@dataclass(frozen=True, kw_only=True)
class Served:
    """A running server."""

    server: Server
    port: int

    async def open(self, host: str = "127.0.0.1") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Opens a connection from an address."""
        return await asyncio.open_connection("127.0.0.1", self.port, local_addr=(host, 0))

    async def ask(self, *pieces: bytes, host: str = "127.0.0.1") -> bytes:
        """Sends bytes and returns everything received until the connection is closed, or for two seconds."""
        reader, writer = await self.open(host)
        answered = b""
        try:
            async with asyncio.timeout(2):
                for piece in pieces:
                    writer.write(piece)
                    await writer.drain()
                while data := await reader.read(65536):
                    answered += data
        except (TimeoutError, ConnectionError):
            pass
        finally:
            writer.close()
        return answered


async def _upload(request: Request) -> Response:
    count = 0
    try:
        async for piece in request.stream():
            count += len(piece)
    except ClientDisconnect:
        return PlainTextResponse("gone", status_code=400)
    return PlainTextResponse(str(count))


async def _large(_request: Request) -> Response:
    return PlainTextResponse("x" * (32 << 20))


async def _client(request: Request) -> Response:
    assert request.client is not None
    return PlainTextResponse(request.client.host)


async def _echo(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    headers = dict(scope["headers"])
    if headers.get(b"x-api-key") != KEY.encode():
        await send({"type": "websocket.close"})
        return
    scope["state"]["connection"].mark_authenticated()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message.get("text")})


class _Endpoint:
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await _echo(scope, receive, send)


@asynccontextmanager
async def served(
    folder: Path,
    *,
    bounds: Bounds = BOUNDS,
    keep_alive_seconds: float = 20,
    tls: Callable[[], ssl.SSLContext] | None = None,
    trusted_proxies: Sequence[Network] = (),
    wrong_keys: Rate | None = None,
    limited: Sequence[Limited] = (),
) -> AsyncIterator[Served]:
    """Serves `/upload`, `/large`, `/client` and the WebSocket `/echo`, which need `KEY`, inside the block."""
    (folder / "keys").write_text(key_line("tester", KEY))
    app = Starlette(
        routes=[
            Route("/upload", _upload, methods=["POST"]),
            Route("/large", _large),
            Route("/client", _client),
            Route("/health/live", _client),
            WebSocketRoute("/echo", _Endpoint()),
        ],
        middleware=[
            Middleware(
                Gate,
                keys=ApiKeys(folder / "keys"),
                wrong_keys=wrong_keys or Rate(0),
                streamed=[Streamed(method="POST", path="/upload", max_bytes=64 << 20)],
                limited=limited,
            )
        ],
    )
    async with serving(
        app, bounds=bounds, keep_alive_seconds=keep_alive_seconds, tls=tls, trusted_proxies=trusted_proxies
    ) as server:
        yield server


@asynccontextmanager
async def serving(
    app: ASGIApp,
    *,
    bounds: Bounds = BOUNDS,
    keep_alive_seconds: float = 20,
    tls: Callable[[], ssl.SSLContext] | None = None,
    trusted_proxies: Sequence[Network] = (),
) -> AsyncIterator[Served]:
    """Serves an application without lifespan like the services, on loopback, inside the block."""
    server = Server(
        app,
        bounds,
        keep_alive_seconds=keep_alive_seconds,
        drain_seconds=1,
        trusted_proxies=trusted_proxies,
        tls=tls,
        options={**SERVER_OPTIONS, "lifespan": "off"},
    )
    listening = socket.create_server(("127.0.0.1", 0))
    task = asyncio.create_task(server.serve(sockets=[listening]))
    while not server.started:
        await asyncio.sleep(0)
    try:
        yield Served(server=server, port=listening.getsockname()[1])
    finally:
        server.should_exit = True
        await task


def head(method: str, path: str, *headers: str, key: str | None = KEY) -> bytes:
    """Makes the head of a request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: steno", *([f"X-Api-Key: {key}"] if key else []), *headers, "", ""]
    return "\r\n".join(lines).encode()


def status_of(answered: bytes) -> int:
    """Returns the first status in a response; 0 if there is none."""
    match = re.match(rb"HTTP/1.1 (\d{3})", answered)
    return int(match[1]) if match else 0
