"""A connection reads a little ahead of the application, and no further."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvicorn
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.server import ServerState

from steno.http.connections import Bounds, Connection, Connections
from steno.http.websockets import MAX_FRAME_BYTES, SERVER_OPTIONS, WebSocketProtocol

_UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
_FRAME = b"\x82\x81\0\0\0\0a"


class _Transport(asyncio.Transport):
    """Says whether it is read from, and how often that has changed."""

    def __init__(self) -> None:
        super().__init__()
        self.reading = True
        self.changes = 0

    def write(self, data: Any) -> None: ...
    def close(self) -> None: ...
    def abort(self) -> None: ...
    def is_closing(self) -> bool:
        return False

    def pause_reading(self) -> None:
        self.reading, self.changes = False, self.changes + 1

    def resume_reading(self) -> None:
        self.reading, self.changes = True, self.changes + 1


class _Application:
    """Takes a message whenever a test says so."""

    def __init__(self) -> None:
        self._turn = asyncio.Semaphore(0)
        self.taken = 0

    async def __call__(self, scope: Any, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while True:
            await self._turn.acquire()
            await receive()
            self.taken += 1

    async def take(self, messages: int) -> None:
        """Takes so many messages."""
        wanted = self.taken + messages
        for _ in range(messages):
            self._turn.release()
        while self.taken < wanted:
            await asyncio.sleep(0)


async def _connected(application: Any, link: Connection | None = None) -> tuple[WebSocketProtocol, _Transport]:
    protocol = WebSocketProtocol(
        uvicorn.Config(application, log_config=None, **SERVER_OPTIONS), ServerState(), {"connection": link}
    )
    transport = _Transport()
    protocol.connection_made(transport)
    protocol.data_received(_UPGRADE)
    while not protocol.handshake_complete:
        await asyncio.sleep(0)
    return protocol, transport


async def test_messages_that_are_taken_as_they_come_pause_nothing() -> None:
    """Reading goes on as long as the application keeps up: pausing and resuming are system calls."""
    application = _Application()
    protocol, transport = await _connected(application)
    for _ in range(20):
        protocol.data_received(_FRAME)
        await application.take(1)
    assert transport.changes == 0


async def test_an_application_that_does_not_keep_up_is_waited_for() -> None:
    """Behind a few messages nothing more is read, until all of them are taken."""
    application = _Application()
    protocol, transport = await _connected(application)
    protocol.data_received(_FRAME * 4)
    assert transport.reading
    protocol.data_received(_FRAME)
    assert not transport.reading
    await application.take(4)
    assert not transport.reading
    await application.take(1)
    assert transport.reading


async def test_pings_and_pongs_are_heartbeats() -> None:
    """The application is told of neither, and may ask how many came."""
    link = Connections(Bounds(most=1, most_of_an_address=1, head_seconds=1, min_bytes_per_second=1)).admit("192.0.2.1")
    assert link is not None
    protocol, _ = await _connected(_Application(), link)
    for frame in (b"\x89\x80\0\0\0\0", _FRAME, b"\x8a\x81\0\0\0\0a"):
        protocol.data_received(frame)
    assert link.heartbeats == 2


async def test_a_peer_that_sent_too_large_a_frame_counts_as_gone() -> None:
    """The server has closed with 1009; what the application sends then is no fault of it."""
    found: list[Any] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        found.append(await receive())
        for message in ({"type": "websocket.send", "text": "a"}, {"type": "websocket.close", "code": 1007}):
            with pytest.raises(ClientDisconnected):
                await send(message)
            found.append(message)

    protocol, _ = await _connected(application)
    protocol.data_received(b"\x82\xff" + (MAX_FRAME_BYTES + 1).to_bytes(8, "big") + bytes(4))
    while len(found) < 3:
        await asyncio.sleep(0)
    assert (found[0]["type"], found[0]["code"]) == ("websocket.disconnect", 1009)


async def test_an_upgrade_that_is_refused_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    """However often a stranger comes, the log has nothing of it but what the application writes."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.http.response.start", "status": 401, "headers": []})
        await send({"type": "websocket.http.response.body", "body": b"no key"})

    async with asyncio.timeout(5):
        await _connected(application)
    await asyncio.sleep(0.01)
    assert caplog.records == []
