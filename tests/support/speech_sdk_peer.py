"""A Speech SDK client without a socket: its messages, as the native SDK sends them, and what it reads of the answers."""

import json
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from steno_ingest.calls.doors.actions import Action, SendText

NATIVE_CONFIG = {
    "context": {
        "system": {"version": "1.53.0", "name": "SpeechSDK", "build": "Linux-x64", "lang": "Python"},
        "audio": {"source": {"type": "Stream", "samplerate": "16000", "bitspersample": "16", "channelcount": "1"}},
    }
}
RELIABLE = {"phraseDetection": {"language": "en-us"}, "audio": {"streams": {"1": None}}}
"""The context of clients that say where they continue."""


def text_message(path: str, body: Any, request_id: str = "") -> str:
    """A text message of the SDK."""
    lines = [f"X-Timestamp:2026-12-01T04:21:06.831Z\r\nPath:{path}\r\nContent-Type:application/json\r\n"]
    if request_id:
        lines.append(f"X-RequestId:{request_id}\r\n")
    return "".join(lines) + "\r\n" + (body if isinstance(body, str) else json.dumps(body))


def audio_message(payload: bytes, request_id: str) -> bytes:
    """A binary message of the SDK."""
    head = f"X-Timestamp:2026-12-01T04:21:06.831Z\r\nPath:audio\r\nX-RequestId:{request_id}\r\nX-StreamId:1\r\n".encode(
        "utf-8", "replace"
    )
    return struct.pack(">H", len(head)) + head + payload


def riff(tag: int = 1, channels: int = 1, rate: int = 16_000, bits: int = 16) -> bytes:
    """The header of the SDK, which has no sizes."""
    frame = channels * bits // 8
    fmt = struct.pack("<HHIIHHH", tag, channels, rate, rate * frame % 2**32, frame, bits, 0)
    return b"RIFF\0\0\0\0WAVEfmt " + struct.pack("<I", len(fmt)) + fmt + b"data\0\0\0\0"


@dataclass(frozen=True, slots=True)
class Told:
    """A message that a client got."""

    path: str
    body: dict[str, Any]
    request_id: str
    headers: dict[str, str] = field(default_factory=dict)


def told(actions: Iterable[Action]) -> list[Told]:
    """What a client gets."""
    found = []
    for action in actions:
        if isinstance(action, SendText):
            head, _, body = action.text.partition("\r\n\r\n")
            headers = dict(line.split(":", 1) for line in head.split("\r\n"))
            found.append(Told(headers["Path"], json.loads(body), headers["X-RequestId"], headers))
    return found


def paths(actions: Iterable[Action]) -> list[str]:
    """The paths of what a client gets."""
    return [message.path for message in told(actions)]
