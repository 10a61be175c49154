"""Calls by other transports than a WebSocket: the same host, the same doors, the same records."""

import asyncio
import json

from steno_ingest.calls.doors.stream import StreamDoor
from support.tcp_peer import TcpPeer, connected

from steno.events.records import AudioChunk
from steno.tenants import Caller

DESK = Caller("desk", everything=True)


def say(peer: TcpPeer, call: int, **message: object) -> None:
    """Sends a message of Steno's own protocol."""
    peer.send_text(call, json.dumps(message))


def start(peer: TcpPeer, call: int) -> None:
    """Begins a call."""
    say(peer, call, type="start", call_id=f"call-{call}", codec="PCMU", sample_rate=8000)


async def hear(peer: TcpPeer) -> tuple[int, str]:
    """The next message: of which call, and of what type; or why the call is closed."""
    call, text = await peer.hear()
    return call, json.loads(text)["type"] if text.startswith("{") else text


async def test_a_call_comes_in_by_tcp_as_by_a_websocket() -> None:
    """Accepted, spoken, paused by the API, resumed and ended: the records are those of any call."""
    async with connected(StreamDoor) as (hosting, peer):
        start(peer, 1)
        assert await hear(peer) == (1, "started")
        peer.send_bytes(1, bytes(1600))
        while hosting.host.calls["call-1"].session.received.position < 1600:
            await asyncio.sleep(0)
        await hosting.host.pause("call-1", by=DESK, reason="card")
        assert await hear(peer) == (1, "paused")
        peer.send_bytes(1, bytes(800))
        while hosting.host.calls["call-1"].session.received.position < 2400:
            await asyncio.sleep(0)
        await hosting.host.resume("call-1", by=DESK)
        assert await hear(peer) == (1, "resumed")
        say(peer, 1, type="end")
        while "CallEnded" not in hosting.kinds:
            await asyncio.sleep(0)
        assert hosting.kinds == ["CallStarted", "AudioChunk", "AudioChunk", "CallPaused", "CallResumed", "CallEnded"]


async def test_one_connection_carries_several_calls() -> None:
    """Each has its door and its driver: what one says is of no other, and one that breaks its protocol ends alone."""
    async with connected(StreamDoor) as (hosting, peer):
        for call in (1, 2):
            start(peer, call)
            assert await hear(peer) == (call, "started")
        peer.send_bytes(1, b"\1" * 800)
        peer.send_bytes(2, b"\2" * 800)
        say(peer, 1, type="start")
        assert [await hear(peer), await hear(peer)] == [(1, "error"), (1, "refused")]
        assert hosting.host.calls["call-1"].over
        assert not hosting.host.calls["call-2"].over
        await hosting.settle()
        chunks = [record for record in hosting.log.records if isinstance(record, AudioChunk)]
        assert {(chunk.call_id, chunk.audio[:1]) for chunk in chunks} == {("call-1", b"\1"), ("call-2", b"\2")}


async def test_a_call_whose_tcp_connection_is_lost_is_held_for_its_peer() -> None:
    """As one whose WebSocket is lost: the door says whether its protocol can resume, not the transport."""
    async with connected(StreamDoor) as (hosting, peer):
        start(peer, 1)
        assert await hear(peer) == (1, "started")
        peer.writer.close()
        while hosting.host.calls["call-1"].peer is not None:
            await asyncio.sleep(0)
        assert hosting.host.calls["call-1"].held_until == 30
