"""A call host on TCP, and a peer that is connected to it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from extending.tcp_transport import TcpTransport, read_frame, write_frame
from steno_ingest.calls.doors.port import AcceptedPeer, Door
from steno_ingest.calls.hosting.drivers import Drivers
from support.hosting import Hosting
from support.websocket_connection import MemoryPhrases, ScriptedCaptions

from steno.events.records import Phrase
from steno.tenants import Caller


class TcpPeer:
    """A peer at the other end of a TCP connection; its calls have numbers."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    def send_text(self, call: int, text: str) -> None:
        """Sends a text message of a call."""
        write_frame(self.writer, call, b"t", text.encode())

    def send_bytes(self, call: int, data: bytes) -> None:
        """Sends a binary message of a call."""
        write_frame(self.writer, call, b"b", data)

    async def hear(self) -> tuple[int, str]:
        """Returns the number of the call and the text of the next message, or why the call is closed."""
        frame = await asyncio.wait_for(read_frame(self._reader), 5)
        assert frame is not None
        return frame[0], frame[2].decode()


@asynccontextmanager
async def connected(door: Callable[[], Door]) -> AsyncIterator[tuple[Hosting, TcpPeer]]:
    """Connects a peer to a host by TCP; each of its calls has a door of this kind."""
    hosting = Hosting()
    drivers = Drivers(hosting.host, _NoCaptions(), _NoPhrases(), idle_seconds=60, now=lambda: hosting.seconds)
    transport = TcpTransport(drivers, lambda: AcceptedPeer(door=door(), caller=Caller("peer", "acme"), holds=lambda: True))
    server = await asyncio.start_server(transport.serve, "127.0.0.1", 0)
    ticking = asyncio.create_task(drivers.run())
    peer = TcpPeer(*await asyncio.open_connection(*server.sockets[0].getsockname()[:2]))
    try:
        yield hosting, peer
    finally:
        peer.writer.close()
        await drivers.stop()
        await ticking
        server.close()
        await asyncio.wait_for(server.wait_closed(), 5)


class _NoCaptions(ScriptedCaptions):
    """A source of captions without captions."""

    def follow(self, key: str, *, limit: int = 1000) -> Any:
        return super().follow("call-1", limit=limit)


class _NoPhrases(MemoryPhrases):
    """A source of earlier phrases without phrases."""

    async def live_phrases(self, call_id: str, *, tenant: str, first: int, limit: int) -> tuple[list[Phrase], int | None]:
        return [], None
