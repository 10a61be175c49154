"""Live calls of somebody with a key: too fast, too long, too much told, and others' calls."""

import asyncio
import json
from typing import Any

import aiohttp
from support.attacks.field import TURNED_AWAY, Attack, Field
from support.stream_peer import StreamPeer

_FRAME = bytes(range(256)) * 12
_PATIENCE_SECONDS = 15
_KEYS = 150
"""Pressed in one call, with a pause each: at half a second for a pause a minute's work, and over within the test."""


async def _with_peer(field: Field, talk: Any, *, key: bool = True) -> None:
    """A connection to the stream door; being turned away or cut off is tallied."""
    try:
        async with (
            asyncio.timeout(_PATIENCE_SECONDS),
            field.session(key=key) as session,
            session.ws_connect(f"{field.place.ingest}/v1/stream") as socket,
        ):
            await talk(StreamPeer(socket))
            field.tally["done"] += 1
    except (*TURNED_AWAY, AssertionError) as error:
        field.tally[type(error).__name__] += 1


async def gaps(field: Field) -> None:
    """Little audio, and gaps and pauses of a day between."""

    async def talk(peer: StreamPeer) -> None:
        await peer.start(field.name("gaps"))
        for _ in range(50):
            await peer.speak(_FRAME[:160])
            await peer.say("gap", length_ms=field.chance.choice((86_400_000, 3_600_000)), reason="lost")
            await peer.say("pause")
            await peer.say("resume", skipped_ms=86_400_000)
        await peer.say("end")
        await peer.hear("ended", "completed", "error")

    await _with_peer(field, talk)


async def updates(field: Field) -> None:
    """Sixty kilobytes of new properties, forty times."""

    async def talk(peer: StreamPeer) -> None:
        await peer.start(field.name("updates"))
        for number in range(40):
            await peer.say("update", properties={f"p{number}-{place}": "x" * 1000 for place in range(56)})
        await peer.say("end")
        await peer.hear("ended", "completed", "error")

    await _with_peer(field, talk)


async def too_fast(field: Field) -> None:
    """Audio at 120 times real time, for ten minutes of it."""

    async def talk(peer: StreamPeer) -> None:
        await peer.start(field.name("fast"), channels=[{}, {}])
        for _ in range(600):
            # A fifth of a second of two channels in each: what 120 times real time is at the pace of this loop.
            await peer.socket.send_bytes(_FRAME + _FRAME[:128])
            await asyncio.sleep(0.0016)
        await peer.say("end")
        await peer.hear("ended", "completed", "error")

    await _with_peer(field, talk)


async def others_calls(field: Field) -> None:
    """Starts, takes over, reads, pauses and ends calls that are others'."""
    call_id = field.chance.choice(field.place.others)

    async def take_over(peer: StreamPeer) -> None:
        about = {"channels": [{}, {}], "resume": {"sequence": field.chance.choice((0, 3)), "position": 0}}
        answer = await peer.start(call_id, **(about if field.chance.random() < 0.7 else {}))
        field.tally[f"{answer['type']} {answer.get('code', '')}".strip()] += 1
        await peer.say("end")

    await _with_peer(field, take_over)
    async with field.session() as session:
        url = f"{field.place.ingest}/v1/calls/{call_id}"
        for method, path in (("GET", ""), ("GET", "/transcript"), ("POST", "/pause"), ("POST", "/resume"), ("POST", "/end")):
            await field.ask(session, method, url + path, json={} if method == "POST" else None)
        await field.ask(session, "PUT", f"{url}/roles", json={"channels": [{"channel": 0, "role": "ivr"}]})
        await field.ask(
            session, "GET", f"{field.place.notifier}/v1/calls/{call_id}/captions", timeout=aiohttp.ClientTimeout(total=3)
        )


async def bad_messages(field: Field) -> None:
    """Messages that are none: deep, huge, wrong, binary."""
    start = {"type": "start", "call_id": "a", "codec": "PCMU", "sample_rate": 8000}
    far = start | {"resume": {"sequence": 2**31 - 1, "position": 2**63 - 1}}
    bad = (
        "[" * 60_000, '{"type":"start","call_id":' * 2000, "{}", '{"type":"start"}', "9" * 60_000, json.dumps(far),
        json.dumps({"type": "x" * 60_000}), json.dumps(start | {"call_id": "\x1b[2J[/x]" * 20}),
    )  # fmt: skip

    async def talk(peer: StreamPeer) -> None:
        await peer.socket.send_str(field.chance.choice(bad))
        await peer.socket.send_bytes(_FRAME)
        await peer.closed()

    await _with_peer(field, talk)


async def keys_pressed(field: Field) -> None:
    """A call of nothing but keys and pauses, as fast as they go: what came is done at its pace, also once the peer is gone."""

    async def talk(peer: StreamPeer) -> None:
        await peer.start(field.name("keys"))
        for number in range(_KEYS):
            await peer.say("dtmf", digit="0123456789"[number % 10])
            await peer.say("pause" if number % 2 else "resume")
        await peer.say("end")
        await peer.hear("ended", "completed", "error")

    await _with_peer(field, talk)


ATTACKS = (
    Attack(name="absurd gaps", by="key", strike=gaps, pause_seconds=2.0),
    Attack(name="60 kB updates", by="key", strike=updates, pause_seconds=3.0),
    Attack(name="120 times real time", by="key", strike=too_fast, pause_seconds=2.0),
    # An id is anybody's until a call begins by it.
    Attack(name="others' calls", by="key", strike=others_calls, pause_seconds=1.0, from_second=10.0),
    Attack(name="bad messages", by="key", strike=bad_messages, pause_seconds=1.0),
    Attack(name="keys pressed", by="key", strike=keys_pressed, pause_seconds=3.0),
)
