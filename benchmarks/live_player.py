"""A process that plays calls at Steno's own door or at that of the Speech SDK, and tells each second how that goes.

It shares the machine with what is measured, so it is lean: a WebSocket client of its own over asyncio's transports, frames of
real speech made beforehand, one clock for all calls. How late it is itself is among what it tells.
"""

import asyncio
import base64
import json
import os
import struct
import time
from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any, cast
from urllib.parse import urlsplit

from measured import SAMPLES, quantile

from steno.chassis import allow_many_files
from steno.cli.clients.audio import open_call_audio

FRAME_SECONDS = 0.1
FRAME_SAMPLES = 800
"""Of one channel: as much as a chunk on the log, or half of one where many calls are open."""

_TICKS = 50
"""Moments within a frame's time; the calls are spread over them."""

_TICK_SECONDS = FRAME_SECONDS / _TICKS
_MOST_STARTING = 20

_TEXT, _BINARY, _CLOSE = 0x1, 0x2, 0x8


@dataclass(frozen=True, slots=True, kw_only=True)
class Second:
    """What the generator saw within a second; lengths of time in seconds."""

    at: float
    #: Calls whose audio flows.
    calls: int
    #: Calls that were refused or cut off, with the reason, since the beginning.
    lost: dict[str, int]
    #: How much later than due frames were sent: the generator's own lag, at the 99th percentile.
    own_lag: float
    #: For how long the oldest audio has been waiting that is not acknowledged: the 99th percentile of the calls. Doors
    #: acknowledge twice a second.
    unacknowledged: float
    #: Audio of all calls that was acknowledged so far.
    acknowledged_seconds: float
    #: How old the newest audio was that a hypothesis had heard when it came, at the median; None where none came.
    heard_after: float | None
    #: Hypotheses and phrases that came.
    captions: int
    #: Share of a core that the generator used.
    cpu: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """All that a generator did, by the monotonic clock, which all processes of a machine share."""

    #: When each frame was sent, by call.
    sent: dict[str, "array[float]"]
    #: When captions came, by call.
    captioned: dict[str, "array[float]"]


def frame_of(position_ms: int) -> int:
    """The frame that brought the audio before a moment of a call."""
    return max(0, position_ms - 1) // int(FRAME_SECONDS * 1000)


DOORS = ("stream", "speech_sdk")


def play(connection: Connection, url: str, key: str, prefix: str, starts_a_second: float, door: str) -> None:
    """Plays as many calls as it is told through the connection, until it is told None; the body of a process."""
    allow_many_files()
    asyncio.run(_Player(connection, url, key, prefix, starts_a_second, _CALLS[door]).run())


@dataclass(slots=True)
class _Seen:
    """What is counted until the second is over."""

    own_lags: list[float] = field(default_factory=list)
    heard_after: list[float] = field(default_factory=list)
    captions: int = 0


class _Call(asyncio.Protocol):
    """One call on one WebSocket, at Steno's own door."""

    path = "/v1/stream"
    #: What stands before the audio of each message.
    before_audio = b""

    def __init__(self, call_id: str, upgrade: bytes, frames: list[bytes], first: int, seen: _Seen, lost: Counter[str]) -> None:
        self.call_id = call_id
        self.sent = array("d")
        self.captioned = array("d")
        #: Frames that are safe.
        self.acknowledged = 0
        self.flows = False
        #: It flows, or never will.
        self.begun = asyncio.Event()
        self._upgrade = upgrade
        self._upgraded = self._fallen = False
        self._frames = frames
        self._next = first
        self._seen = seen
        self._lost = lost
        self._received = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket stands."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._upgrade)

    def connection_lost(self, exc: Exception | None) -> None:
        """The door has let go of it."""
        self._fall("connection lost")

    def speak(self, due: float) -> None:
        """The next frame."""
        if not self.flows:
            return
        now = time.monotonic()
        self._seen.own_lags.append(now - due)
        self.sent.append(now)
        self._transport.write(self._frames[self._next])
        self._next = (self._next + 1) % len(self._frames)

    def unacknowledged(self, now: float) -> float:
        """For how long the oldest audio has been waiting that is not acknowledged."""
        return now - self.sent[self.acknowledged] if self.acknowledged < len(self.sent) else 0.0

    def data_received(self, data: bytes) -> None:
        """What the door says."""
        received = self._received
        received += data
        if not self._upgraded:
            head, found, rest = bytes(received).partition(b"\r\n\r\n")
            if not found:
                return
            if b" 101 " not in head[:20]:
                self._fall(head.split(b"\r\n")[0].decode())
                return
            self._upgraded = True
            self._received = received = bytearray(rest)
            for frame in self._start():
                self._transport.write(frame)
        while (message := _message(received)) is not None:
            opcode, payload = message
            if opcode == _TEXT:
                self._hear_text(payload)
            elif opcode == _CLOSE:
                self._fall(f"closed: {int.from_bytes(payload[:2])}")

    def _start(self) -> list[bytes]:
        channels = [{"role": "agent"}, {"role": "customer"}]
        start = {"type": "start", "call_id": self.call_id, "codec": "PCMU", "sample_rate": 8000, "channels": channels}
        return [_frame(_TEXT, json.dumps(start).encode())]

    def _hear_text(self, payload: bytes) -> None:
        self._hear(json.loads(payload))

    def _hear(self, told: dict[str, Any]) -> None:
        match told["type"]:
            case "ack":
                self.acknowledged = told["position"] // FRAME_SAMPLES
            case "hypothesis":
                now = time.monotonic()
                self.captioned.append(now)
                self._seen.captions += 1
                last = frame_of(told["start_ms"] + told["duration_ms"])
                if last < len(self.sent):
                    self._seen.heard_after.append(now - self.sent[last])
            case "phrase":
                self.captioned.append(time.monotonic())
                self._seen.captions += 1
            case "started":
                self.flows = True
                self.begun.set()
            case "error":
                self._fall(told["code"])

    def _fall(self, reason: str) -> None:
        if not self._fallen:
            self._fallen, self.flows = True, False
            self._lost[reason] += 1
            self.begun.set()
            self._transport.abort()


class _SdkCall(_Call):
    """One call at the door of the Speech SDK, which acknowledges nothing as long as there are phrases."""

    path = "/speech/recognition/conversation/cognitiveservices/v1?language=en-us&X-Steno-Call-Id={call_id}"
    _turn = "0123456789abcdef0123456789abcdef"
    _head = f"Path:audio\r\nX-RequestId:{_turn}\r\nX-StreamId:1\r\n".encode()
    before_audio = len(_head).to_bytes(2, "big") + _head

    def unacknowledged(self, now: float) -> float:
        """Nothing is known of it."""
        return 0.0

    def _start(self) -> list[bytes]:
        context = f'X-RequestId:{self._turn}\r\nPath:speech.context\r\n\r\n{{"audio": {{"streams": {{"1": null}}}}}}'
        # Mu-law, two channels at 8 kHz.
        form = struct.pack("<HHIIHHH", 7, 2, 8000, 16_000, 2, 8, 0)
        header = b"RIFF\0\0\0\0WAVEfmt " + len(form).to_bytes(4, "little") + form + b"data\0\0\0\0"
        return [_frame(_TEXT, context.encode()), _frame(_BINARY, self.before_audio + header)]

    def _hear_text(self, payload: bytes) -> None:
        head, _, body = payload.partition(b"\r\n\r\n")
        path = head.partition(b"Path:")[2].partition(b"\r\n")[0]
        if path == b"turn.start":
            self._hear({"type": "started"})
        elif path in (b"speech.hypothesis", b"speech.phrase"):
            told = json.loads(body)
            if told.get("RecognitionStatus", "Success") == "Success":
                begin, length = told["Offset"] // 10_000, told["Duration"] // 10_000
                self._hear({"type": path.decode().removeprefix("speech."), "start_ms": begin, "duration_ms": length})


_CALLS: dict[str, type[_Call]] = {"stream": _Call, "speech_sdk": _SdkCall}


class _Player:
    """All calls of a generator."""

    def __init__(
        self, connection: Connection, url: str, key: str, prefix: str, starts_a_second: float, made: type[_Call]
    ) -> None:
        self._connection = connection
        where = urlsplit(url)
        self._host, self._port = where.hostname or "", where.port or 80
        self._key = key
        self._prefix = prefix
        self._starts_a_second = starts_a_second
        self._made = made
        self._recordings = [
            [_frame(_BINARY, made.before_audio + audio) for audio in _audio(sample)] for sample in range(len(SAMPLES))
        ]
        self._slots: list[list[_Call]] = [[] for _ in range(_TICKS)]
        self._calls: list[_Call] = []
        self._seen = _Seen()
        self._lost: Counter[str] = Counter()
        self._wanted = 0
        self._stopped = False
        self._starting: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Plays until told to stop."""
        asyncio.get_running_loop().add_reader(self._connection.fileno(), self._obey)
        telling = asyncio.create_task(self._tell())
        starting = asyncio.create_task(self._start())
        await self._speak()
        for task in (telling, starting):
            task.cancel()
        sent = {call.call_id: call.sent for call in self._calls}
        self._connection.send(Played(sent=sent, captioned={call.call_id: call.captioned for call in self._calls}))

    def _obey(self) -> None:
        wanted: int | None = self._connection.recv()
        if wanted is None:
            self._stopped = True
        else:
            self._wanted = wanted

    async def _speak(self) -> None:
        due, tick = time.monotonic(), 0
        while not self._stopped:
            tick, due = (tick + 1) % _TICKS, due + _TICK_SECONDS
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            for call in self._slots[tick]:
                call.speak(due)

    async def _start(self) -> None:
        while True:
            await asyncio.sleep(1 / self._starts_a_second)
            open_calls = len(self._calls) - self._lost.total()
            if open_calls < self._wanted and len(self._starting) < _MOST_STARTING:
                task = asyncio.create_task(self._begin(len(self._calls)))
                self._starting.add(task)
                task.add_done_callback(self._starting.discard)

    async def _begin(self, number: int) -> None:
        frames = self._recordings[number % len(self._recordings)]
        call_id = f"{self._prefix}-{number}"
        first = number * 37 % len(frames)
        call = self._made(call_id, self._upgrade(call_id), frames, first, self._seen, self._lost)
        self._calls.append(call)
        # 21 has no divisor in common with the ticks: calls in a row are far apart.
        self._slots[number * 21 % _TICKS].append(call)
        await asyncio.get_running_loop().create_connection(lambda: call, self._host, self._port)
        await call.begun.wait()

    async def _tell(self) -> None:
        cpu, told_at = time.process_time(), time.monotonic()
        while True:
            await asyncio.sleep(1)
            now, spent, seen = time.monotonic(), time.process_time(), self._seen
            waiting = [call.unacknowledged(now) for call in self._calls if call.flows]
            second = Second(
                at=now,
                calls=len(waiting),
                lost=dict(self._lost),
                own_lag=quantile(seen.own_lags or [0.0], 0.99),
                unacknowledged=quantile(waiting or [0.0], 0.99),
                acknowledged_seconds=FRAME_SECONDS * sum(call.acknowledged for call in self._calls),
                heard_after=quantile(seen.heard_after, 0.5) if seen.heard_after else None,
                captions=seen.captions,
                cpu=(spent - cpu) / (now - told_at),
            )
            seen.own_lags.clear()
            seen.heard_after.clear()
            seen.captions = 0
            cpu, told_at = spent, now
            self._connection.send(second)

    def _upgrade(self, call_id: str) -> bytes:
        nonce = base64.b64encode(os.urandom(16)).decode()
        return (
            f"GET {self._made.path.format(call_id=call_id)} HTTP/1.1\r\nHost: {self._host}:{self._port}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {nonce}\r\nOcp-Apim-Subscription-Key: {self._key}\r\n\r\n"
        ).encode()


def _audio(sample: int) -> Iterator[bytes]:
    audio = open_call_audio(SAMPLES[sample])
    assert audio.channels == 2, f"{audio.path} has {audio.channels} channels"
    whole = audio.bytes_of(FRAME_SECONDS * 1000)
    return (frame for frame in audio.frames(int(FRAME_SECONDS * 1000)) if len(frame) == whole)


def _frame(opcode: int, payload: bytes) -> bytes:
    """A client's frame; its mask is of zeros, so that one frame serves all calls (RFC 6455 §5.2)."""
    length = len(payload)
    head = bytes([0x80 | length]) if length < 126 else bytes([0x80 | 126]) + length.to_bytes(2, "big")
    return bytes([0x80 | opcode]) + head + bytes(4) + payload


def _message(received: bytearray) -> tuple[int, bytes] | None:
    """Takes the first frame of a server out of what was received, if all of it is there."""
    if len(received) < 2:
        return None
    begin, length = 2, received[1] & 0x7F
    if length == 126:
        begin, length = 4, int.from_bytes(received[2:4], "big")
    elif length == 127:
        begin, length = 10, int.from_bytes(received[2:10], "big")
    if len(received) < begin + length:
        return None
    message = received[0] & 0x0F, bytes(received[begin : begin + length])
    del received[: begin + length]
    return message
