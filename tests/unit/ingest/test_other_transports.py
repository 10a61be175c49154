"""Calls by other transports than a WebSocket: the same host, the same doors, the same records."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from steno_ingest.calls.doors.port import Entered
from steno_ingest.calls.doors.stream import StreamDoor
from steno_ingest.calls.hosting.drivers import Drivers
from support.hosting import Hosting
from support.tcp_transport import TcpTransport, read_frame, write_frame
from support.wire import MemoryPhrases, ScriptedCaptions

from steno.events.records import AudioChunk, Phrase
from steno.tenants import Caller

DESK = Caller("desk", everything=True)


class TcpPeer:
    """A peer at the other end of a TCP connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    def say(self, call: int, **message: object) -> None:
        """Sends a message of a call."""
        write_frame(self.writer, call, b"t", json.dumps(message).encode())

    def start(self, call: int) -> None:
        """Begins a call."""
        self.say(call, type="start", call_id=f"call-{call}", codec="PCMU", sample_rate=8000)

    def speak(self, call: int, audio: bytes) -> None:
        """Sends audio of a call."""
        write_frame(self.writer, call, b"b", audio)

    async def hear(self) -> tuple[int, str]:
        """The next message: of which call, and of what type."""
        frame = await asyncio.wait_for(read_frame(self._reader), 5)
        assert frame is not None
        call, kind, message = frame
        told: dict[str, Any] = json.loads(message) if kind == b"t" else {"type": message.decode()}
        return call, told["type"]


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[Hosting, TcpPeer]]:
    """A peer that is connected by TCP."""
    hosting = Hosting()
    drivers = Drivers(hosting.host, _NoCaptions(), _NoPhrases(), idle_seconds=60, now=lambda: hosting.seconds)
    transport = TcpTransport(drivers, lambda: Entered(door=StreamDoor(), caller=Caller("peer", "acme"), holds=lambda: True))
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
    """Nothing is understood of any call."""

    def follow(self, key: str, *, limit: int = 1000) -> Any:
        return super().follow("call-1", limit=limit)


class _NoPhrases(MemoryPhrases):
    """Nothing was understood of any call."""

    async def live_phrases(self, call_id: str, *, tenant: str, first: int, limit: int) -> tuple[list[Phrase], int | None]:
        return [], None


async def test_a_call_comes_in_by_tcp_as_by_a_websocket() -> None:
    """Accepted, spoken, paused by the API, resumed and ended: the records are those of any call."""
    async with connected() as (hosting, peer):
        peer.start(1)
        assert await peer.hear() == (1, "started")
        peer.speak(1, bytes(1600))
        while hosting.host.calls["call-1"].session.received.position < 1600:
            await asyncio.sleep(0)
        await hosting.host.pause("call-1", by=DESK, reason="card")
        assert await peer.hear() == (1, "paused")
        peer.speak(1, bytes(800))
        while hosting.host.calls["call-1"].session.received.position < 2400:
            await asyncio.sleep(0)
        await hosting.host.resume("call-1", by=DESK)
        assert await peer.hear() == (1, "resumed")
        peer.say(1, type="end")
        while "CallEnded" not in hosting.kinds:
            await asyncio.sleep(0)
        assert hosting.kinds == ["CallStarted", "AudioChunk", "AudioChunk", "CallPaused", "CallResumed", "CallEnded"]


async def test_one_connection_carries_several_calls() -> None:
    """Each has its door and its driver: what one says is of no other, and one that breaks its protocol ends alone."""
    async with connected() as (hosting, peer):
        for call in (1, 2):
            peer.start(call)
            assert await peer.hear() == (call, "started")
        peer.speak(1, b"\1" * 800)
        peer.speak(2, b"\2" * 800)
        peer.say(1, type="start")
        assert [await peer.hear(), await peer.hear()] == [(1, "error"), (1, "refused")]
        assert hosting.host.calls["call-1"].over
        assert not hosting.host.calls["call-2"].over
        await hosting.settle()
        chunks = [record for record in hosting.log.records if isinstance(record, AudioChunk)]
        assert {(chunk.call_id, chunk.audio[:1]) for chunk in chunks} == {("call-1", b"\1"), ("call-2", b"\2")}


async def test_a_call_whose_tcp_connection_is_lost_is_held_for_its_peer() -> None:
    """As one whose WebSocket is lost: the door says whether its protocol can resume, not the transport."""
    async with connected() as (hosting, peer):
        peer.start(1)
        assert await peer.hear() == (1, "started")
        peer.writer.close()
        while hosting.host.calls["call-1"].peer is not None:
            await asyncio.sleep(0)
        assert hosting.host.calls["call-1"].held_until == 30
