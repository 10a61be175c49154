"""Plays a call by AudioHook as Genesys Cloud does, and receives its captions."""

import asyncio
import time
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any

import aiohttp

from steno.cli import trust
from steno.cli.api import ApiError
from steno.cli.clients.audiohook_client import AudioHookClient, Conversation, ServerError, make_offers, new_id
from steno.cli.clients.audiohook_signing import sign
from steno.cli.clients.stream import CallLost, CallRefused

FRAME_MS = 200
"""Length of a frame, as Genesys's reference client sends it."""

_OPEN_SECONDS = 5.0
_CLOSE_SECONDS = 10.0
_FIRST_PING_SECONDS, _PING_SECONDS = 1.0, 5.0

ROLES = {"external": "customer", "internal": "agent"}
"""Who speaks on a channel of AudioHook, by its name."""


def offers_for(roles: Sequence[str]) -> list[dict[str, Any]]:
    """The media that a session offers for channels with these roles; without both roles, the first channel is the customer's.

    Raises:
        ApiError: it has more channels than a session.
    """
    if not 1 <= len(roles) <= 2:
        raise ApiError(f"an AudioHook session has one channel or two, not {len(roles)}")
    names = [name for role in roles for name, spoken_by in ROLES.items() if spoken_by == role]
    return make_offers(names if len(set(names)) == len(roles) else [*ROLES][: len(roles)])


def upgrade_headers(
    url: str, conversation: Conversation, *, api_key: str, secret: str = "", now: float, nonce: str | None = None
) -> dict[str, str]:
    """The headers of the upgrade request; signed where there is a client secret (base64, as Genesys has it).

    Raises:
        ApiError: the secret is not base64.
    """
    headers = {
        "audiohook-organization-id": conversation.organization_id,
        "audiohook-session-id": conversation.session_id,
        "audiohook-correlation-id": new_id(),
        "x-api-key": api_key,
    }
    if not secret:
        return headers
    try:
        key = b64decode(secret, validate=True)
    except Base64Error:
        raise ApiError("the client secret of an AudioHook integration is base64") from None
    return headers | sign(url, headers, secret=key, now=now, nonce=nonce)


def caption_of(entity: Mapping[str, Any]) -> dict[str, Any]:
    """A transcript entity of AudioHook as a caption event of Steno's own protocol."""
    alternative = entity["alternatives"][0]
    return {
        "type": "phrase" if entity["isFinal"] else "hypothesis",
        "phrase_id": entity["id"],
        "channel": entity["channelId"],
        "start_ms": _milliseconds(entity["offset"]),
        "duration_ms": _milliseconds(entity["duration"]),
        "text": alternative["interpretations"][0]["transcript"],
        "confidence": alternative["confidence"],
    }


def _milliseconds(duration: str) -> int:
    return round(float(duration.removeprefix("PT").removesuffix("S")) * 1000)


class AudioHookPlayer:
    """Runs an `AudioHookClient` over a WebSocket, from `open` to `closed`."""

    def __init__(
        self,
        client: AudioHookClient,
        *,
        url: str,
        headers: Mapping[str, str],
        on_caption: Callable[[Mapping[str, Any]], None] = lambda caption: None,
        speed: float = 1,
    ) -> None:
        """
        Args:
            client: The session.
            url: Where to connect, with ws or wss.
            headers: As `upgrade_headers` makes them.
            on_caption: Called with every caption, as `caption_of` gives it.
            speed: How many times faster than real time the call is played; the first ping comes as much sooner.
        """
        self.client = client
        #: Is set once the session is open.
        self.began = asyncio.Event()
        self._url = url
        self._headers = headers
        self._on_caption = on_caption
        self._speed = speed
        self._disconnected = ""

    async def play(self, frames: AsyncIterator[bytes]) -> None:
        """Sends the frames as they come, and returns when the server has closed the session.

        Raises:
            CallRefused: the server refuses the call, or ended it.
            CallLost: the connection was lost; AudioHook cannot resume.
            ServerError: the server broke the protocol.
        """
        try:
            async with (
                aiohttp.ClientSession(connector=trust.connector(), headers=self._headers) as session,
                session.ws_connect(self._url, autoping=True) as socket,
            ):
                await self._run_session(socket, frames)
        except aiohttp.WSServerHandshakeError as error:
            raise CallRefused(f"{self._url} refused the connection: {error.status} {error.message}") from None
        except (aiohttp.ClientError, OSError) as error:
            if not self._disconnected:
                raise CallLost(f"the connection to {self._url} was lost: {error or type(error).__name__}") from None
        if self._disconnected:
            raise CallRefused(f"the door ended the session: {self._disconnected}")

    async def _run_session(self, socket: aiohttp.ClientWebSocketResponse, frames: AsyncIterator[bytes]) -> None:
        await socket.send_str(self.client.open())
        listening = asyncio.create_task(self._receive(socket))
        speaking = asyncio.create_task(self._send_frames(socket, frames))
        pinging = asyncio.create_task(self._ping(socket))
        tasks = pending = {listening, speaking, pinging}
        try:
            while listening in pending:
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _receive(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Receives messages up to `closed`."""
        async for message in socket:
            if message.type is not aiohttp.WSMsgType.TEXT:
                raise ServerError("a binary frame came, and this is no session that plays audio")
            heard = len(self.client.transcripts)
            said = self.client.receive(message.data, now=time.monotonic())
            if said.answer:
                await socket.send_str(said.answer)
            if said.type == "disconnect":
                self._disconnected = str(said.parameters.get("info") or said.parameters["reason"])
            for entity in self.client.transcripts[heard:]:
                self._on_caption(caption_of(entity))
            if self.client.state != "opening":
                self.began.set()
            if self.client.state == "closed":
                return
        raise CallLost("the connection was lost, and with it the call: an AudioHook session cannot be resumed")

    async def _send_frames(self, socket: aiohttp.ClientWebSocketResponse, frames: AsyncIterator[bytes]) -> None:
        """Sends the frames, then `close`, and waits for `closed`."""
        try:
            async with asyncio.timeout(_OPEN_SECONDS):
                await self.began.wait()
        except TimeoutError:
            raise ServerError(f"the session was not opened within {_OPEN_SECONDS:.0f} s") from None
        async for frame in frames:
            if self.client.state != "open":
                break
            audio = self.client.audio(frame)
            if audio is not None:
                await socket.send_bytes(audio)
        if self.client.state == "open":
            await socket.send_str(self.client.close())
        await asyncio.sleep(_CLOSE_SECONDS)
        raise ServerError(f"the session was not closed within {_CLOSE_SECONDS:.0f} s")

    async def _ping(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        await self.began.wait()
        await asyncio.sleep(_FIRST_PING_SECONDS / self._speed)
        while self.client.state == "open":
            await socket.send_str(self.client.ping())
            await asyncio.sleep(_PING_SECONDS)
