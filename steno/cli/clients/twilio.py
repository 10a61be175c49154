"""Plays a call as a Twilio media stream, signed as Twilio signs.

`TwilioClient` makes the messages without I/O; `play` sends them over a WebSocket.
"""

import asyncio
import hmac
import json
import secrets
from base64 import b64encode
from collections.abc import AsyncIterator
from typing import Any

import aiohttp

from steno.cli import trust
from steno.cli.api import ApiError
from steno.cli.clients.audio import CallAudio
from steno.cli.clients.stream import CallDescription, CallLost, CallRefused

FRAME_MS = 20
"""Length of a frame of one track."""

TRACKS = ("inbound", "outbound")
"""The track of each channel of the recording."""

_PATIENCE_SECONDS = 60


class TwilioClient:
    """The messages of one stream, in order."""

    def __init__(self, description: CallDescription, audio: CallAudio) -> None:
        """
        Args:
            description: The call; its id, roles and locale go as custom parameters, as its properties do.
            audio: µ-law at 8 kHz, in one channel or two.

        Raises:
            ApiError: a Twilio stream cannot carry this call.
        """
        if audio.channels > len(TRACKS):
            raise ApiError(f"{audio.path} has {audio.channels} channels; a Twilio stream has {' and '.join(TRACKS)}")
        self.stream_sid = _sid("MZ")
        self.call_sid = _sid("CA")
        self._account_sid = _sid("AC")
        self._description = description
        self._tracks = TRACKS[: audio.channels]
        self._sequence = 0
        self._chunk = 0

    def connected(self) -> list[str]:
        """Makes the first messages, `connected` and `start`."""
        description = self._description
        parameters = {**description.properties, "call_id": description.call_id, "locale": description.locale}
        if description.roles:
            parameters["roles"] = ",".join(description.roles)
        start = {
            "streamSid": self.stream_sid,
            "accountSid": self._account_sid,
            "callSid": self.call_sid,
            "tracks": list(self._tracks),
            "customParameters": parameters,
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        }
        connected = json.dumps({"event": "connected", "protocol": "Call", "version": "1.0.0"})
        return [connected, self._message("start", start)]

    def media(self, frame: bytes) -> list[str]:
        """Makes a `media` message for each track of a frame of interleaved channels."""
        self._chunk += 1
        return [
            self._message(
                "media",
                {
                    "track": track,
                    "chunk": str(self._chunk),
                    "timestamp": str((self._chunk - 1) * FRAME_MS),
                    "payload": b64encode(frame[channel :: len(self._tracks)]).decode("ascii"),
                },
            )
            for channel, track in enumerate(self._tracks)
        ]

    def dtmf(self, digit: str, *, track: str = "inbound") -> str:
        """Makes `dtmf`, for a pressed key."""
        return self._message("dtmf", {"track": f"{track}_track", "digit": digit})

    def stop(self) -> str:
        """Makes `stop`, for the end of the call."""
        return self._message("stop", {"accountSid": self._account_sid, "callSid": self.call_sid})

    def _message(self, event: str, content: dict[str, Any]) -> str:
        self._sequence += 1
        return json.dumps({"event": event, "sequenceNumber": str(self._sequence), event: content, "streamSid": self.stream_sid})


def _sid(kind: str) -> str:
    return kind + secrets.token_hex(16)


def signature(token: str, url: str) -> str:
    """The header `X-Twilio-Signature` for a WebSocket URL (twilio.com/docs/usage/security)."""
    return b64encode(hmac.digest(token.encode("utf-8"), url.encode("utf-8"), "sha1")).decode("ascii")


async def play(client: TwilioClient, frames: AsyncIterator[bytes], *, url: str, token: str = "", key: str = "") -> None:
    """Sends a call in frames of `FRAME_MS`, and returns once the server has received all of it.

    Args:
        client: The call.
        frames: Its audio, at the times at which it is to be sent.
        url: Where to connect, with ws or wss.
        token: Auth Token to sign with.
        key: API key, where there is no token.

    Raises:
        CallRefused: the server refuses the call, or ended it.
        CallLost: the connection was lost; Twilio streams cannot resume.
    """
    headers = {"X-Twilio-Signature": signature(token, url)} if token else {"Authorization": f"Bearer {key}"}
    try:
        async with (
            aiohttp.ClientSession(connector=trust.connector(), headers=headers) as session,
            session.ws_connect(url) as socket,
        ):
            sending = asyncio.create_task(_send(client, frames, socket))
            try:
                await _until_closed(socket, sending)
            finally:
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)
    except aiohttp.WSServerHandshakeError as error:
        raise CallRefused(f"{url} refused the connection: {error.status} {error.message}") from None
    except (aiohttp.ClientError, OSError) as error:
        raise CallLost(f"the connection to {url} was lost: {error or type(error).__name__}") from None


async def _send(client: TwilioClient, frames: AsyncIterator[bytes], socket: aiohttp.ClientWebSocketResponse) -> None:
    for message in client.connected():
        await socket.send_str(message)
    async for frame in frames:
        for message in client.media(frame):
            await socket.send_str(message)
    await socket.send_str(client.stop())


async def _until_closed(socket: aiohttp.ClientWebSocketResponse, sending: asyncio.Task[None]) -> None:
    """Waits until the server closes the connection, which it does once all of the call is stored."""
    receiving = asyncio.create_task(_closing(socket))
    try:
        await asyncio.wait({receiving, sending}, return_when=asyncio.FIRST_COMPLETED)
        if not receiving.done() and sending.exception() is not None:
            sending.result()
        async with asyncio.timeout(_PATIENCE_SECONDS):
            code, reason = await receiving
    except TimeoutError:
        raise CallLost(f"the door did not confirm the end of the call within {_PATIENCE_SECONDS} s") from None
    finally:
        receiving.cancel()
        await asyncio.gather(receiving, return_exceptions=True)
    if code == aiohttp.WSCloseCode.ABNORMAL_CLOSURE:
        raise CallLost("the connection was lost, and with it the call: these streams cannot be resumed")
    if code != aiohttp.WSCloseCode.OK or not sending.done():
        raise CallRefused(f"the door closed the stream: {reason or 'no reason was given'} (code {code})")


async def _closing(socket: aiohttp.ClientWebSocketResponse) -> tuple[int, str]:
    while True:
        message = await socket.receive()
        if message.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.CLOSING):
            return socket.close_code or aiohttp.WSCloseCode.ABNORMAL_CLOSURE, str(message.extra or "")
        if message.type is aiohttp.WSMsgType.ERROR:
            return aiohttp.WSCloseCode.ABNORMAL_CLOSURE, ""
