"""A far end for Azure's Speech SDK: answers with what the scripted call engine hears, and fails as a test wants it.

`Turns` is the protocol without a socket: messages in, messages out. `FarEnd` puts it behind a WebSocket.
Source of the protocol: messages of the native SDK 1.53, and the formatter in microsoft/cognitive-services-speech-sdk-js.
"""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
from steno_transcriber.engines.port import Answer, CallAudio, FinalAnswer, PartialAnswer
from steno_transcriber.engines.scripted_call import ScriptedCallEngine, ScriptedCallSession
from steno_transcriber.speech import Samples
from support.recognition_options import ENGLISH
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from steno.events.recognition import RecognitionOptions

TICKS_PER_MS = 10_000
_HEADER = 44
"""Bytes of the WAV header before the audio of a turn."""


@dataclass(frozen=True, kw_only=True)
class Message:
    """A message of either direction: its path, the turn it is of, and its body."""

    path: str
    request_id: str = ""
    body: bytes = field(repr=False, default=b"")

    @classmethod
    def of(cls, raw: str | bytes) -> "Message":
        """Reads what the SDK sends: text, or binary with the length of its headers before them."""
        if isinstance(raw, str):
            head, _, body = raw.partition("\r\n\r\n")
            content = body.encode()
        else:
            end = 2 + int.from_bytes(raw[:2], "big")
            head, content = raw[2:end].decode(), raw[end:]
        headers = dict(line.split(":", 1) for line in head.split("\r\n") if ":" in line)
        named = {name.strip().lower(): value.strip() for name, value in headers.items()}
        return cls(path=named["path"].lower(), request_id=named.get("x-requestid", ""), body=content)

    def text(self) -> str:
        """What is sent to the SDK."""
        lines = (f"X-RequestId:{self.request_id}", "Content-Type:application/json; charset=utf-8", f"Path:{self.path}")
        return "\r\n".join(lines) + "\r\n\r\n" + self.body.decode()


class _Hearing(ScriptedCallSession):
    """What is heard of the audio of one turn."""

    def taken(self) -> list[Answer]:
        """The answers since this was called last."""
        found = []
        while not self._answers.empty():
            if (answer := self._answers.get_nowait()) is not None:
                found.append(answer)
        return found


class _HearingEngine(ScriptedCallEngine):
    def open(self, *, channels: int, options: RecognitionOptions) -> _Hearing:
        return _Hearing(super().open(channels=channels, options=options)._channels)


class Turns:
    """The protocol of one connection: its present turn, and what was asked for in it."""

    def __init__(self) -> None:
        self.contexts: list[dict[str, Any]] = []
        self.config: dict[str, Any] = {}
        #: Milliseconds of audio that came, those that came again included.
        self.heard_ms = 0.0
        #: Whether a turn has begun and not ended.
        self.open = False
        self._request_id = ""
        self._session: _Hearing | None = None
        self._channels = 1
        self._position = 0
        self._begun = False

    async def receive(self, raw: str | bytes) -> list[str]:
        """Takes a message; gives the answers to it."""
        message = Message.of(raw)
        match message.path:
            case "speech.config":
                self.config = json.loads(message.body)
            case "speech.context":
                self._request_id, self.open = message.request_id, True
                self._session, self._begun, self._position = None, False, 0
                self.contexts.append(json.loads(message.body))
                return [self._say("turn.start", {"context": {"serviceTag": "far-end"}})]
            case "audio" if message.request_id == self._request_id:
                return await self._hear(message.body)
        return []

    async def _hear(self, body: bytes) -> list[str]:
        if not self._begun and body:
            self._begun, self._channels = True, int.from_bytes(body[22:24], "little")
            assert int.from_bytes(body[24:28], "little") == 16_000
            self._session = _HearingEngine().open(channels=self._channels, options=ENGLISH)
            body = body[_HEADER:]
            if not body:
                return []
        if not body:
            return await self._end()
        assert self._session is not None
        pcm = np.frombuffer(body, dtype="<i2").reshape(-1, self._channels)
        samples: Samples = (pcm.T / 32768).astype(np.float32)
        audio = CallAudio(position=self._position, samples=samples)
        self._position = audio.end
        self.heard_ms += samples.shape[1] / 16
        await self._session.send(audio)
        return [self._answer(answer) for answer in self._session.taken()]

    async def _end(self) -> list[str]:
        self.open = False
        answers: list[str] = []
        if self._session is not None:
            await self._session.finish()
            answers = [self._answer(answer) for answer in self._session.taken()]
        end = self._say("speech.endDetected", {"Offset": self._position // 16 * TICKS_PER_MS})
        return [*answers, end, self._say("turn.end", {})]

    def _answer(self, answer: Answer) -> str:
        channel = {"Channel": answer.channel} if self._channels > 1 else {}
        if isinstance(answer, PartialAnswer):
            span = {"Offset": answer.start_ms * TICKS_PER_MS, "Duration": answer.duration_ms * TICKS_PER_MS}
            return self._say("speech.hypothesis", {"Text": answer.recognition.text, **span, **channel})
        if isinstance(answer, FinalAnswer):
            return self._say("speech.phrase", phrase_of(answer) | channel)
        span = {"Offset": self._silent_from() * TICKS_PER_MS, "Duration": 0}
        return self._say("speech.phrase", {"RecognitionStatus": "InitialSilenceTimeout", **span, **channel})

    def _silent_from(self) -> int:
        return self._position // 16

    def _say(self, path: str, body: Mapping[str, Any]) -> str:
        return Message(path=path, request_id=self._request_id, body=json.dumps(body).encode()).text()


def phrase_of(answer: FinalAnswer) -> dict[str, Any]:
    """A phrase in the detailed form, with its words."""
    recognition = answer.recognition
    words = [
        {
            "Word": word.text,
            "Offset": word.start_ms * TICKS_PER_MS,
            "Duration": word.duration_ms * TICKS_PER_MS,
            "Confidence": word.confidence,
        }
        for word in recognition.words
    ]
    best = {"Confidence": recognition.confidence, "Lexical": recognition.text, "ITN": recognition.text}
    best |= {"MaskedITN": recognition.text, "Display": recognition.text, "Words": words}
    span = {"Offset": answer.start_ms * TICKS_PER_MS, "Duration": answer.duration_ms * TICKS_PER_MS}
    return {
        "RecognitionStatus": "Success" if recognition else "NoMatch",
        "DisplayText": recognition.text,
        **span,
        "NBest": [best],
    }


@dataclass(kw_only=True)
class Faults:
    """How the far end fails; a test changes it while it runs."""

    #: The keys it accepts; none: any.
    keys: tuple[str, ...] = ()
    #: The status it refuses connections with.
    refuse: HTTPStatus | None = None
    #: The code it closes a connection with, and after how much audio of it (milliseconds).
    close: tuple[int, float] | None = None
    #: After how much audio the connection is cut, each time this many more.
    cut_after_ms: float = 0
    #: It answers nonsense where it should answer a phrase.
    nonsense: bool = False
    #: It takes audio and never answers.
    mute: bool = False


@dataclass(frozen=True, kw_only=True)
class Connected:
    """A connection that was accepted: what was asked for by its request, and in its turns."""

    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    turns: Turns


class FarEnd:
    """The protocol behind a WebSocket on the loopback interface."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.connections: list[Connected] = []
        #: How many turns were open at once.
        self.most_open = 0
        #: Keys of the requests, refused ones included.
        self.keys: list[str] = []
        self.port = 0
        self._open: list[Turns] = []
        self._server: Server | None = None

    @property
    def host(self) -> str:
        """Its address, as a setting names it."""
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Listens, on the port it had before if it was stopped."""
        self._server = await serve(self._serve, "127.0.0.1", self.port, process_request=self._admit, max_size=None)
        self.port = next(iter(self._server.sockets)).getsockname()[1]

    async def stop(self) -> None:
        """Refuses connections, and cuts those that are open."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        key = request.headers.get("Ocp-Apim-Subscription-Key") or request.headers.get("Authorization", "")
        self.keys.append(key)
        if self.faults.keys and key not in self.faults.keys:
            return connection.respond(HTTPStatus.UNAUTHORIZED, "wrong key\n")
        if self.faults.refuse is not None:
            return connection.respond(self.faults.refuse, "not now\n")
        return None

    async def _serve(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        url, turns = urlsplit(connection.request.path), Turns()
        headers = dict(connection.request.headers.raw_items())
        self.connections.append(Connected(path=url.path, query=parse_qs(url.query), headers=headers, turns=turns))
        self._open.append(turns)
        try:
            async for message in connection:
                answers = await turns.receive(message)
                self.most_open = max(self.most_open, sum(each.open for each in self._open))
                for answer in answers:
                    await self._say(connection, answer)
                faults = self.faults
                if faults.close is not None and turns.heard_ms >= faults.close[1]:
                    await connection.close(faults.close[0], "as the test wants it")
                if faults.cut_after_ms and turns.heard_ms >= faults.cut_after_ms:
                    connection.transport.abort()
        except ConnectionClosed:
            pass
        finally:
            self._open.remove(turns)

    async def _say(self, connection: ServerConnection, answer: str) -> None:
        if self.faults.mute:
            return
        if self.faults.nonsense and "Path:speech.phrase" in answer:
            answer = answer.partition("\r\n\r\n")[0] + "\r\n\r\n{nonsense"
        await connection.send(answer)


@asynccontextmanager
async def far_end() -> AsyncIterator[FarEnd]:
    """One that listens, and is stopped afterwards."""
    made = FarEnd()
    await made.start()
    try:
        yield made
    finally:
        await made.stop()
