"""Live calls of a client with a key: too fast, too long, with too many updates, and other clients' calls."""

import asyncio
import json
from typing import Any

import aiohttp
from support.attacks.attack import EXPECTED_ERRORS, Attack, AttackRun
from support.stream_peer import StreamPeer

_FRAME = bytes(range(256)) * 12
_PATIENCE_SECONDS = 15
_KEYS = 150
"""The number of key presses and pauses of one call: at half a second for each pause, a minute of work."""


async def _with_peer(run: AttackRun, talk: Any, *, key: bool = True) -> None:
    """Opens a connection to the stream door; counts refusals and disconnections."""
    try:
        async with (
            asyncio.timeout(_PATIENCE_SECONDS),
            run.session(key=key) as session,
            session.ws_connect(f"{run.target.ingest}/v1/stream") as socket,
        ):
            await talk(StreamPeer(socket))
            run.tally["done"] += 1
    except (*EXPECTED_ERRORS, AssertionError) as error:
        run.tally[type(error).__name__] += 1


async def gaps(run: AttackRun) -> None:
    """Little audio, with gaps and pauses of a day in between."""

    async def talk(peer: StreamPeer) -> None:
        await peer.start(run.name("gaps"))
        for _ in range(50):
            await peer.speak(_FRAME[:160])
            await peer.say("gap", length_ms=run.chance.choice((86_400_000, 3_600_000)), reason="lost")
            await peer.say("pause")
            await peer.say("resume", skipped_ms=86_400_000)
        await peer.say("end")
        await peer.hear("ended", "completed", "error")

    await _with_peer(run, talk)


async def updates(run: AttackRun) -> None:
    """Forty updates with sixty kilobytes of properties each."""

    async def talk(peer: StreamPeer) -> None:
        await peer.start(run.name("updates"))
        for number in range(40):
            await peer.say("update", properties={f"p{number}-{place}": "x" * 1000 for place in range(56)})
        await peer.say("end")
        await peer.hear("ended", "completed", "error")

    await _with_peer(run, talk)


async def too_fast(run: AttackRun) -> None:
    """Ten minutes of audio at 120 times real time."""

    async def talk(peer: StreamPeer) -> None:
        await peer.start(run.name("fast"), channels=[{}, {}])
        for _ in range(600):
            # A fifth of a second of two channels in each: what 120 times real time is at the pace of this loop.
            await peer.socket.send_bytes(_FRAME + _FRAME[:128])
            await asyncio.sleep(0.0016)
        await peer.say("end")
        await peer.hear("ended", "completed", "error")

    await _with_peer(run, talk)


async def others_calls(run: AttackRun) -> None:
    """Tries to start, resume, read, pause and end other clients' calls."""
    call_id = run.chance.choice(run.target.others)

    async def take_over(peer: StreamPeer) -> None:
        about = {"channels": [{}, {}], "resume": {"sequence": run.chance.choice((0, 3)), "position": 0}}
        answer = await peer.start(call_id, **(about if run.chance.random() < 0.7 else {}))
        run.tally[f"{answer['type']} {answer.get('code', '')}".strip()] += 1
        await peer.say("end")

    await _with_peer(run, take_over)
    async with run.session() as session:
        url = f"{run.target.ingest}/v1/calls/{call_id}"
        for method, path in (("GET", ""), ("GET", "/transcript"), ("POST", "/pause"), ("POST", "/resume"), ("POST", "/end")):
            await run.ask(session, method, url + path, json={} if method == "POST" else None)
        await run.ask(session, "PUT", f"{url}/roles", json={"channels": [{"channel": 0, "role": "ivr"}]})
        await run.ask(
            session, "GET", f"{run.target.notifier}/v1/calls/{call_id}/captions", timeout=aiohttp.ClientTimeout(total=3)
        )


async def bad_messages(run: AttackRun) -> None:
    """Invalid messages: deep, huge, wrong, binary."""
    start = {"type": "start", "call_id": "a", "codec": "PCMU", "sample_rate": 8000}
    far = start | {"resume": {"sequence": 2**31 - 1, "position": 2**63 - 1}}
    bad = (
        "[" * 60_000, '{"type":"start","call_id":' * 2000, "{}", '{"type":"start"}', "9" * 60_000, json.dumps(far),
        json.dumps({"type": "x" * 60_000}), json.dumps(start | {"call_id": "\x1b[2J[/x]" * 20}),
    )  # fmt: skip

    async def talk(peer: StreamPeer) -> None:
        await peer.socket.send_str(run.chance.choice(bad))
        await peer.socket.send_bytes(_FRAME)
        await peer.closed()

    await _with_peer(run, talk)


async def keys_pressed(run: AttackRun) -> None:
    """A call with only key presses and pauses, as fast as possible; they are handled at the call's pace, also after its end."""

    async def talk(peer: StreamPeer) -> None:
        await peer.start(run.name("keys"))
        for number in range(_KEYS):
            await peer.say("dtmf", digit="0123456789"[number % 10])
            await peer.say("pause" if number % 2 else "resume")
        await peer.say("end")
        await peer.hear("ended", "completed", "error")

    await _with_peer(run, talk)


ATTACKS = (
    Attack(name="absurd gaps", by="key", attempt=gaps, pause_seconds=2.0),
    Attack(name="60 kB updates", by="key", attempt=updates, pause_seconds=3.0),
    Attack(name="120 times real time", by="key", attempt=too_fast, pause_seconds=2.0),
    # An id is anybody's until a call begins by it.
    Attack(name="others' calls", by="key", attempt=others_calls, pause_seconds=1.0, from_second=10.0),
    Attack(name="bad messages", by="key", attempt=bad_messages, pause_seconds=1.0),
    Attack(name="keys pressed", by="key", attempt=keys_pressed, pause_seconds=3.0),
)
