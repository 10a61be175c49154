"""Plays a WAV file (G.711 or 16 bit, 8 or 16 kHz) as a live call, and prints its captions.

    STENO_URL=http://127.0.0.1:8080 STENO_API_KEY=… python stream_client.py samples/lost-card.wav

It gives up when it loses its connection; `docs/protocols/stream.md` says how to go on instead, and where URL and key come from.
"""

import asyncio
import json
import os
import struct
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp

FRAME_SECONDS = 0.02
CODECS = {(1, 16): "S16LE", (6, 8): "PCMA", (7, 8): "PCMU"}
"""By the format tag of a WAV file and its bits a sample."""


def read_wav(path: str) -> tuple[dict[str, Any], bytes]:
    """What `start` says of the audio, and the audio: Python's own `wave` reads no G.711."""
    with Path(path).open("rb") as file:
        if file.read(12)[::8] != b"RW":
            sys.exit(f"{path} is no WAV file")
        parts = dict(chunks(file.read()))
    tag, channels, rate, _, _, bits = struct.unpack("<HHIIHH", parts[b"fmt "][:16])
    if (tag, bits) not in CODECS:
        sys.exit(f"{path} is neither G.711 nor 16 bit linear")
    return {"codec": CODECS[tag, bits], "sample_rate": rate, "channels": [{}] * channels}, parts[b"data"]


def chunks(riff: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The parts of a RIFF file behind its header."""
    at = 0
    while at + 8 <= len(riff):
        name, size = struct.unpack_from("<4sI", riff, at)
        yield name, riff[at + 8 : at + 8 + size]
        at += 8 + size + size % 2


async def speak(socket: aiohttp.ClientWebSocketResponse, about: dict[str, Any], audio: bytes) -> None:
    """Sends the audio as fast as it was spoken, then hangs up."""
    sample_bytes = 2 if about["codec"] == "S16LE" else 1
    size = int(about["sample_rate"] * FRAME_SECONDS) * sample_bytes * len(about["channels"])
    for begin in range(0, len(audio), size):
        await socket.send_bytes(audio[begin : begin + size])
        await asyncio.sleep(FRAME_SECONDS)
    await socket.send_str(json.dumps({"type": "end"}))


async def main(path: str) -> None:
    """One call, from its start to its last caption."""
    url, headers = f"{os.environ['STENO_URL']}/v1/stream", {"Authorization": f"Bearer {os.environ['STENO_API_KEY']}"}
    about, audio = read_wav(path)
    async with aiohttp.ClientSession(headers=headers) as session, session.ws_connect(url) as socket:
        await socket.send_str(json.dumps({"type": "start", "call_id": str(uuid.uuid4()), **about}))
        speaking: asyncio.Task[None] | None = None
        async for frame in socket:
            message = json.loads(frame.data)
            if message["type"] == "started":
                speaking = asyncio.create_task(speak(socket, about, audio))
            elif message["type"] == "phrase":
                print(f"{message['start_ms'] / 1000:7.1f} s  channel {message['channel']}: {message['text']}", flush=True)
            elif message["type"] == "error":
                sys.exit(f"{message['code']}: {message['message']}")
        if speaking is None or not speaking.done():
            sys.exit(f"the connection was closed with {socket.close_code} before the call was over")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
