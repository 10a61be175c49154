"""A client of Steno's own protocol (`docs/protocols/stream.md`): plays a call, and resumes it after a lost connection.

`StreamClient` is the protocol without I/O; `play` runs it over a WebSocket.
"""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

import aiohttp

from steno.cli import trust
from steno.cli.api import ApiError, short_reason
from steno.cli.clients.audio import CallAudio
from steno.retry import RetryPolicy

_MOST_FRAME_BYTES = 32_768
"""Audio in one frame, when much is sent again; the door takes 65,536 bytes."""

_MOST_TOLD_BYTES = 1 << 20
"""Longest message that is taken of the door."""

_HEARTBEAT_SECONDS = 10
"""A connection on which nothing is received for this long counts as lost."""

_COME_BACK = frozenset({1001, 1006, 1011, 1012, 1013})
"""Close codes after which a client reconnects: the connection or the server was lost, not the call (RFC 6455 §7.4.1)."""

_BACK_OFF = RetryPolicy(first_seconds=0.1, longest_seconds=2.0)

_END = json.dumps({"type": "end"})


class CallRefused(ApiError):
    """The server refuses the call, or ended it; the message says why."""


class CallLost(ApiError):
    """The server could not be reached for as long as the client waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallDescription:
    """What the client says of a call when it starts it."""

    call_id: str
    #: Of each channel: agent, customer, ivr or unknown; empty where nothing is known of any.
    roles: Sequence[str] = ()
    locale: str = "en-US"
    properties: Mapping[str, str] = field(default_factory=dict)


class State(Enum):
    """The state of a client."""

    #: Not connected, or the door has not answered `start` yet.
    STARTING = auto()
    #: Audio flows.
    OPEN = auto()
    #: The door has all audio and knows that it was all; captions may still come.
    ENDED = auto()
    #: Nothing follows.
    DONE = auto()


class StreamClient:
    """One call, over any number of connections. Frames to be sent are appended to `outgoing`."""

    def __init__(self, description: CallDescription, audio: CallAudio) -> None:
        self.state = State.STARTING
        self.outgoing: deque[str | bytes] = deque()
        #: Samples of one channel that are safe.
        self.safe = 0
        #: Whether the door said that it has all of the call.
        self.complete = False
        #: How many phrases came, without a hole.
        self.phrases = 0
        #: Those that came before one of smaller number, as they may where the door has just begun.
        self._phrases_beyond: set[int] = set()
        #: How many phrases the live transcript has, once it is complete.
        self.phrase_count: int | None = None
        self._description = description
        self._audio = audio
        self._sequence = 0
        #: The door may know the call.
        self._begun = False
        self._over = False
        self._error: Mapping[str, Any] = {}
        #: What is not safe yet, from position `safe` on.
        self._kept = bytearray()

    @property
    def unsafe_bytes(self) -> int:
        """How many bytes would be sent again if the connection were lost now."""
        return len(self._kept)

    def open_connection(self) -> None:
        """Starts or resumes the call on a new connection."""
        self._error = {}
        self.outgoing.clear()
        start: dict[str, Any] = {
            "type": "start",
            "call_id": self._description.call_id,
            "codec": self._audio.codec,
            "sample_rate": self._audio.sample_rate,
            "channels": [{"role": role} for role in self._description.roles or ["unknown"] * self._audio.channels],
            "locale": self._description.locale,
            "properties": dict(self._description.properties),
        }
        if self._begun:
            start["resume"] = {"sequence": self._sequence, "position": self.safe, "phrases": self.phrases}
        self._begun = True
        self.outgoing.append(json.dumps(start))

    def close_connection(self, code: int | None) -> None:
        """Notes that the connection is closed, with its close code. What was not acknowledged is sent again on the next one.

        Raises:
            CallRefused: the close code says that the call cannot be resumed.
        """
        if self.state in (State.ENDED, State.DONE):
            self.state = State.DONE
        elif self._error.get("code") == "call_already_ended" and self._over:
            # It was hung up, and the connection lost before the door could tell that all was safe.
            self.state = State.DONE
        elif code is None or code in _COME_BACK:
            self.state = State.STARTING
        elif self._error:
            raise CallRefused(f"{self._error.get('message')} ({self._error.get('code')})")
        else:
            raise CallRefused(f"the door closed the connection (code {code}) before the call was over")

    def send_audio(self, audio: bytes) -> None:
        """Sends the next audio, whole sample frames."""
        if self.state in (State.ENDED, State.DONE):
            return
        self._kept += audio
        if self.state is State.OPEN:
            self.outgoing.append(audio)

    def end_call(self) -> None:
        """Ends the call: no audio follows."""
        self._over = True
        if self.state is State.OPEN:
            self.outgoing.append(_END)

    def receive(self, text: str) -> Mapping[str, Any]:
        """Handles a message of the server, and returns it parsed.

        Raises:
            CallRefused: it is not valid.
        """
        try:
            message: dict[str, Any] = json.loads(text)
            self._handle(message)
        except (ValueError, LookupError, TypeError, RecursionError) as error:
            raise CallRefused(f"what the door said is no message of its protocol: {short_reason(error)}") from None
        return message

    def _handle(self, message: Mapping[str, Any]) -> None:
        match message["type"]:
            case "started":
                self._resume(message["position"])
            case "ack":
                self._forget(message["sequence"], message["position"])
            case "phrase":
                if message["sequence"] >= self.phrases:
                    self._phrases_beyond.add(message["sequence"])
                while self.phrases in self._phrases_beyond:
                    self._phrases_beyond.remove(self.phrases)
                    self.phrases += 1
            case "ended":
                self.state, self.complete = State.ENDED, message["complete"]
                self._kept.clear()
            case "completed":
                self.state, self.phrase_count = State.DONE, message["phrase_count"]
            case "error":
                self._error = message

    def _resume(self, position: int) -> None:
        """Sends again what the server has not received, from the position that it gives."""
        skipped = (position - self.safe) * self._audio.frame_bytes
        if not 0 <= skipped <= len(self._kept):
            raise CallRefused(f"the server resumes at sample {position}, but has acknowledged audio up to {self.safe}")
        self.state = State.OPEN
        rest = bytes(self._kept[skipped:])
        size = _MOST_FRAME_BYTES - _MOST_FRAME_BYTES % self._audio.frame_bytes
        self.outgoing.extend(rest[start : start + size] for start in range(0, len(rest), size))
        if self._over:
            self.outgoing.append(_END)

    def _forget(self, sequence: int, position: int) -> None:
        if position > self.safe:
            del self._kept[: (position - self.safe) * self._audio.frame_bytes]
            self.safe, self._sequence = position, sequence


class StreamPlayer:
    """Runs a `StreamClient` over WebSockets until its call has ended."""

    def __init__(
        self,
        client: StreamClient,
        *,
        url: str,
        key: str,
        on_message: Callable[[Mapping[str, Any]], None] = lambda message: None,
        patience_seconds: float = 60,
    ) -> None:
        """
        Args:
            client: The call.
            url: `http://HOST:PORT/v1/stream`, or with ws.
            key: API key.
            on_message: Called with every message of the server.
            patience_seconds: How long it tries to connect before it gives up.
        """
        self.client = client
        self._url, self._key, self._on_message = url, key, on_message
        self._patience_seconds = patience_seconds
        self._news = asyncio.Event()

    async def play(self, frames: AsyncIterator[bytes]) -> None:
        """Sends the frames as they come, and returns when the server has sent everything.

        Raises:
            CallRefused: the server refuses the call.
            CallLost: the server could not be reached for `patience_seconds`.
        """
        speaking = asyncio.create_task(self._send_frames(frames))
        staying = asyncio.create_task(self._stay_connected())
        try:
            await asyncio.wait({speaking, staying}, return_when=asyncio.FIRST_COMPLETED)
            if speaking.done():
                speaking.result()
            await staying
        finally:
            speaking.cancel()
            staying.cancel()
            await asyncio.gather(speaking, staying, return_exceptions=True)

    async def _send_frames(self, frames: AsyncIterator[bytes]) -> None:
        async for frame in frames:
            self.client.send_audio(frame)
            self._news.set()
        self.client.end_call()
        self._news.set()

    async def _stay_connected(self) -> None:
        loop = asyncio.get_running_loop()
        seen_at, failures = loop.time(), 0
        headers = {"Authorization": f"Bearer {self._key}"}
        async with aiohttp.ClientSession(connector=trust.connector(), headers=headers) as session:
            while True:
                if await self._connect(session):
                    seen_at, failures = loop.time(), 0
                if self.client.state is State.DONE:
                    return
                if loop.time() - seen_at > self._patience_seconds:
                    raise CallLost(f"{self._url} did not take up the call for {self._patience_seconds:.0f} s")
                failures += 1
                await asyncio.sleep(_BACK_OFF.after(failures))

    async def _connect(self, session: aiohttp.ClientSession) -> bool:
        """Runs one connection from its beginning to its end; returns whether the server accepted the call."""
        try:
            connecting = session.ws_connect(self._url, heartbeat=_HEARTBEAT_SECONDS, max_msg_size=_MOST_TOLD_BYTES)
            async with connecting as socket:
                self.client.open_connection()
                taken_up = await self._exchange(socket)
            self.client.close_connection(socket.close_code)
        except aiohttp.WSServerHandshakeError as error:
            if error.status < 500:
                raise CallRefused(f"{self._url} refused the connection: {error.status} {error.message}") from None
            return False
        except (aiohttp.ClientError, OSError, TimeoutError):
            self.client.close_connection(None)
            return False
        return taken_up

    async def _exchange(self, socket: aiohttp.ClientWebSocketResponse) -> bool:
        """Sends and receives until the connection is closed; returns whether the server accepted the call."""
        taken_up = False
        self._news.set()
        sending = asyncio.create_task(self._send(socket))
        try:
            async for message in socket:
                if message.type is aiohttp.WSMsgType.TEXT:
                    heard = self.client.receive(message.data)
                    taken_up |= heard["type"] == "started"
                    self._on_message(heard)
                    self._news.set()
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
        return taken_up

    async def _send(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            while self.client.outgoing:
                frame = self.client.outgoing.popleft()
                try:
                    await (socket.send_bytes(frame) if isinstance(frame, bytes) else socket.send_str(frame))
                except (aiohttp.ClientError, ConnectionError):
                    return  # unacknowledged audio is kept, and the receiving task notices the lost connection
