"""Clients of Azure's Speech SDK with a key: what they say is not true, too much, or about other clients' calls."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import aiohttp
from support.attacks.attack import EXPECTED_ERRORS, Attack, AttackRun
from support.speech_sdk_peer import NATIVE_CONFIG, RELIABLE, audio_message, riff, text_message

_PATH = "/speech/universal/v2"
_PATIENCE_SECONDS = 15
_TURNS = 1000
_AUDIO = bytes(3200)

Socket = aiohttp.ClientWebSocketResponse


async def _with_socket(run: AttackRun, talk: Callable[[Socket], Awaitable[None]], *, query: str = "") -> None:
    """Opens a connection to the door; counts refusals, and the codes with which connections are closed."""
    headers = {"Ocp-Apim-Subscription-Key": run.target.key}
    try:
        async with (
            asyncio.timeout(_PATIENCE_SECONDS),
            run.session(key=False) as session,
            session.ws_connect(f"{run.target.ingest}{_PATH}?{query}", headers=headers) as socket,
        ):
            await socket.send_str(text_message("speech.config", NATIVE_CONFIG))
            await talk(socket)
            run.tally["done"] += 1
    except EXPECTED_ERRORS as error:
        run.tally[type(error).__name__] += 1


async def _turn(socket: Socket, context: Mapping[str, Any], *, header: bytes | None = None) -> None:
    """A whole turn of a tenth of a second."""
    request_id = uuid.uuid4().hex
    await socket.send_str(text_message("speech.context", context, request_id))
    for payload in (header or riff(), _AUDIO, b""):
        await socket.send_bytes(audio_message(payload, request_id))


async def _closed(run: AttackRun, socket: Socket) -> None:
    """Reads until the server closes the connection, or ends a turn."""
    while (message := await socket.receive()).type is aiohttp.WSMsgType.TEXT:
        if "Path:turn.end" in message.data:
            run.tally["turn.end"] += 1
            return
    run.tally[str(socket.close_code)] += 1


async def bad_messages(run: AttackRun) -> None:
    """Invalid messages and contexts, headers that lie, and frames that are too large."""
    many = [{"text": f"{number}"} for number in range(900)]
    messages: tuple[str | bytes, ...] = (
        "x", b"", b"\xff\xff", "[" * 60_000, "x" * (1 << 20), text_message("speech.context", "[" * 9000, "a" * 32),
        text_message("speech.context", {"dgi": {"groups": [{"items": [{"text": "a\ud800"}, *many]}]}}, "a" * 32),
        text_message("speech.context", {**RELIABLE, "steno": {"callId": "a\r\nPath:turn.end"}}, "a" * 32),
        audio_message(b"RIFF\xff\xff\xff\xffWAVEfmt \xff\xff\xff\xff" + bytes(60_000), "a" * 32),
        audio_message(b"RIFF\0\0\0\0WAVE" + b"JUNK\0\0\0\0" * 500, "a" * 32),
        audio_message(riff(channels=8, rate=192_000) + bytes(60_000), "a" * 32),
        audio_message(riff(tag=0x55), "a" * 32), audio_message(b"", "a" * 32),
    )  # fmt: skip

    async def talk(socket: Socket) -> None:
        message = run.chance.choice(messages)
        await (socket.send_str(message) if isinstance(message, str) else socket.send_bytes(message))
        await socket.send_bytes(audio_message(b"", "a" * 32))
        await _closed(run, socket)

    await _with_socket(run, talk)


async def turns(run: AttackRun) -> None:
    """A thousand turns at once, whose answers nobody reads."""

    async def talk(socket: Socket) -> None:
        for _ in range(_TURNS):
            await _turn(socket, RELIABLE)

    await _with_socket(run, talk)


async def others_calls(run: AttackRun) -> None:
    """Tokens and ids of other clients' calls, from anywhere within them and far behind their end."""
    call_id = run.chance.choice(run.target.others)
    ticks = run.chance.choice((0, 10_000_000, 10**14))
    continued = {"token": f"{run.chance.choice((0, 5))}.{ticks}.{call_id}", "audio": {"streams": {"1": {"offset": str(ticks)}}}}
    context = {**RELIABLE, "continuation": continued} if run.chance.random() < 0.7 else RELIABLE

    async def talk(socket: Socket) -> None:
        await _turn(socket, context, header=riff(tag=7, channels=2, rate=8000, bits=8))
        await _closed(run, socket)

    await _with_socket(run, talk, query=f"X-Steno-Call-Id={call_id}")


ATTACKS = (
    Attack(name="bad messages of a Speech SDK", by="key", attempt=bad_messages, pause_seconds=1.0),
    Attack(name="a thousand turns", by="key", attempt=turns, pause_seconds=3.0),
    # As in `live_calls`.
    Attack(name="others' calls by a Speech SDK", by="key", attempt=others_calls, pause_seconds=1.0, from_second=10.0),
)
