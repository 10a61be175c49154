"""A minimal peer of Steno's own protocol; the test decides what it sends and receives."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp


class StreamPeer:
    """One connection to `/v1/stream`."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        #: All received messages.
        self.heard: list[dict[str, Any]] = []

    async def start(self, call_id: str, **about: Any) -> dict[str, Any]:
        """Starts a call with one channel of PCMU; returns the answer."""
        await self.say("start", **{"call_id": call_id, "codec": "PCMU", "sample_rate": 8000, "channels": [{}], **about})
        return await self.hear("started", "error")

    async def say(self, kind: str, **fields: Any) -> None:
        """Sends a message."""
        await self.socket.send_str(json.dumps({"type": kind, **fields}))

    async def speak(self, audio: bytes, *, frame: int = 160) -> None:
        """Sends audio in frames of some bytes."""
        for start in range(0, len(audio), frame):
            await self.socket.send_bytes(audio[start : start + frame])

    async def hear(self, *kinds: str, **fields: Any) -> dict[str, Any]:
        """Returns the next message of one of the kinds with these fields; skips others."""
        async with asyncio.timeout(30):
            while True:
                message = await self.socket.receive()
                assert message.type is aiohttp.WSMsgType.TEXT, f"{message} came, not {kinds}; before: {self.heard[-5:]}"
                told: dict[str, Any] = json.loads(message.data)
                self.heard.append(told)
                if told["type"] in kinds and fields.items() <= told.items():
                    return told

    async def closed(self) -> int | None:
        """Waits for the close and returns its code; earlier messages are kept in `heard`."""
        async with asyncio.timeout(30):
            while (message := await self.socket.receive()).type is aiohttp.WSMsgType.TEXT:
                self.heard.append(json.loads(message.data))
            return self.socket.close_code


@asynccontextmanager
async def stream_peer(url: str, key: str) -> AsyncIterator[StreamPeer]:
    """Connects a peer."""
    async with (
        aiohttp.ClientSession(headers={"X-Api-Key": key}) as session,
        session.ws_connect(f"{url}/v1/stream") as socket,
    ):
        yield StreamPeer(socket)
