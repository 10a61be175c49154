"""What servers tell the command line, and what of it reaches a terminal."""

import io
import json
from pathlib import Path
from random import Random
from typing import Any

from fuzz.inputs import TEXTS, changed, json_bytes, json_text, mutated, sometimes, text
from fuzz.target import Target
from rich.console import Console

from steno.cli import api
from steno.cli.clients.audio import CallAudio
from steno.cli.clients.audiohook_client import AudioHookClient, Conversation, ServerError
from steno.cli.clients.captions import CaptionView, ServerSentEvents
from steno.cli.clients.stream import CallDescription, CallRefused, StreamClient
from steno.events.records import AudioCodec

PHRASE: dict[str, Any] = {
    "type": "phrase",
    "call_id": "call-1",
    "phrase_id": "p-1",
    "sequence": 0,
    "channel": 1,
    "role": "customer",
    "start_ms": 5000,
    "duration_ms": 700,
    "text": "I lost my card.",
    "stable_text": "I lost",
}
_ESCAPES = (
    "\x1b[2J",
    "\x9b2J",
    "\x1b]0;x\x07",
    "[/x]",
    "[bold]",
    "[link=file:///x]y[/link]",
    "\r\n",
    "\u202e",
    "\x08" * 20,
    "\0",
)


def answer(chance: Random) -> bytes:
    """The body of an answer of REST."""
    return json_bytes(chance, sometimes(chance, 0.8, changed, {"detail": "no such call", "items": [PHRASE], "title": "x"}))


def read_answer(body: bytes) -> None:
    """Whatever a server answers, there is a document."""
    assert isinstance(api._parsed(body), dict)


def told(chance: Random) -> list[str]:
    """What a door tells its client."""
    said: list[dict[str, Any]] = [
        {"type": "started", "call_id": "call-1", "sequence": 0, "position": 0},
        {"type": "ack", "sequence": 1, "position": 160},
        PHRASE,
        {"type": "ended", "complete": True},
        {"type": "completed", "phrase_count": 1},
        {"type": "error", "code": "x", "message": "y"},
    ]
    return [json_text(chance, sometimes(chance, 0.5, changed, message)) for message in said]


def hear(messages: list[str]) -> None:
    """A client of the stream door hears what it is told, and ends with an error of its own where that cannot be."""
    audio = CallAudio(path=_PATH, codec=AudioCodec.PCMU, sample_rate=8000, channels=1)
    client = StreamClient(CallDescription(call_id="call-1"), audio)
    client.open_connection()
    client.send_audio(bytes(1600))
    for message in messages:
        client.receive(message)
    assert client.unsafe_bytes <= 1600


def told_by_audiohook(chance: Random) -> list[str]:
    """What an AudioHook server says."""
    base = {"version": "2", "id": _SESSION, "clientseq": 1}
    media = [{"type": "audio", "format": "PCMU", "channels": ["external", "internal"], "rate": 8000}]
    said: list[dict[str, Any]] = [
        base | {"type": "opened", "seq": 1, "parameters": {"media": media}},
        base | {"type": "event", "seq": 2, "parameters": {"entities": [{"type": "transcript", "data": {}}]}},
        base | {"type": "pause", "seq": 3, "parameters": {}},
        base | {"type": "disconnect", "seq": 4, "parameters": {"reason": "error"}},
    ]
    return [json_text(chance, sometimes(chance, 0.4, changed, message)) for message in said]


def hear_audiohook(messages: list[str]) -> None:
    """A client of AudioHook hears what it is told."""
    client = AudioHookClient(Conversation(session_id=_SESSION))
    client.open()
    for number, message in enumerate(messages):
        client.receive(message, now=float(number))


def events(chance: Random) -> bytes:
    """A stream of server-sent events."""
    lines = [
        "retry: 1000",
        "",
        "id: 1-2-3",
        "event: phrase",
        f"data: {json.dumps(PHRASE)}",
        "",
        ": comment",
        "data",
        "data:x",
        "",
        "id",
        "",
    ]
    body = "\n".join(chance.choices(lines, k=12)).encode()
    return mutated(chance, body) if chance.random() < 0.5 else body


def read_events(body: bytes) -> None:
    """Events have a name and data, whatever the lines."""
    reader = ServerSentEvents()
    for line in body.split(b"\n"):
        for event, data, _ in reader.add_line(line.decode("utf-8", "replace")):
            assert event
            assert "\n\n" not in event
            assert data is not None


def caption(chance: Random) -> dict[str, Any]:
    """A caption whose texts want more than to be read."""
    made = dict(PHRASE)
    for name in ("text", "call_id", "role", "stable_text", "phrase_id"):
        if chance.random() < 0.4:
            made[name] = chance.choice((*_ESCAPES, text(chance), chance.choice(TEXTS)[:200]))
    made["type"] = chance.choice(("phrase", "hypothesis"))
    return made


_ALLOWED = frozenset(range(0x20, 0x7F)) | {0x0A}


def show(caption: dict[str, Any]) -> None:
    """No control character of a foreign text reaches the terminal, and no markup of one is followed."""
    written = io.StringIO()
    console = Console(file=written, force_terminal=False, width=10_000)
    with CaptionView(console, named=True) as view:
        view.show(caption)
    shown = written.getvalue()
    wrong = sorted({hex(ord(character)) for character in shown if ord(character) < 0xA0 and ord(character) not in _ALLOWED})
    assert not wrong, f"control characters on the terminal: {wrong[:3]}"


_SESSION = "30b0e395-84d3-4570-ac13-9a62d8f514c0"
_PATH = Path("a.wav")

TARGETS = (
    Target(name="answers", make=answer, put=read_answer, known=(b"[" * 100_000,)),
    Target(name="stream_client", make=told, put=hear, own=(CallRefused,)),
    Target(name="audiohook_client", make=told_by_audiohook, put=hear_audiohook, own=(ServerError,)),
    Target(name="server_sent_events", make=events, put=read_events),
    Target(name="captions_on_a_terminal", make=caption, put=show),
)
