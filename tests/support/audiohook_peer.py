"""An AudioHook peer on a WebSocket, with our own client; the test decides what it sends and receives."""

import asyncio
import time
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from steno.cli.clients.audiohook import upgrade_headers
from steno.cli.clients.audiohook_client import AudioHookClient, Conversation, ServerMessage, make_offers

API_KEY, SECRET = "an-integration", b64encode(b"a client secret of 32 characters").decode()


def write_keys(folder: Path) -> str:
    """Writes a file of AudioHook keys; returns its path."""
    path = folder / "audiohook-keys"
    path.write_text(f"{API_KEY} {SECRET}\n", "utf-8")
    return str(path)


class AudioHookPeer:
    """One session."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, conversation: Conversation) -> None:
        self.socket = socket
        self.conversation = conversation
        self.client = AudioHookClient(conversation, offers=make_offers(("external", "internal")))

    @property
    def call_id(self) -> str:
        """The id of its call."""
        return self.conversation.conversation_id

    async def open(self) -> ServerMessage:
        """Opens the session, and pings once as clients do."""
        await self.say(self.client.open())
        said = await self.hear("opened")
        await self.say(self.client.ping())
        await self.hear("pong")
        return said

    async def say(self, text: str) -> None:
        """Sends a text frame."""
        await self.socket.send_str(text)

    async def speak(self, audio: bytes, *, frame: int = 3200) -> None:
        """Sends audio, if the client may."""
        for start in range(0, len(audio), frame):
            sent = self.client.audio(audio[start : start + frame])
            if sent is not None:
                await self.socket.send_bytes(sent)

    async def hear(self, *kinds: str) -> ServerMessage:
        """Returns the next message of one of the types; answers messages as the protocol requires."""
        async with asyncio.timeout(30):
            while True:
                message = await self.socket.receive()
                assert message.type is aiohttp.WSMsgType.TEXT, f"{message} came, not {kinds}"
                said = self.client.receive(message.data, now=time.monotonic())
                if said.answer:
                    await self.say(said.answer)
                if said.type in kinds:
                    return said


@asynccontextmanager
async def audiohook_peer(
    url: str, conversation: Conversation | None = None, headers: dict[str, str] | None = None
) -> AsyncIterator[AudioHookPeer]:
    """Connects a peer, by default signed with the key of `write_keys`."""
    conversation = conversation or Conversation()
    url = f"{url}/v1/audiohook".replace("http", "ws", 1)
    if headers is None:
        headers = upgrade_headers(url, conversation, api_key=API_KEY, secret=SECRET, now=time.time())
    async with aiohttp.ClientSession(headers=headers) as session, session.ws_connect(url) as socket:
        yield AudioHookPeer(socket, conversation)
