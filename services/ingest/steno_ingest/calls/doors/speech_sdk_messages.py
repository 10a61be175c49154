"""Reads and writes the messages of Azure's Speech SDK: headers and a body, in text and binary messages. Pure.

A text message is `Name: value` lines that each end with CR LF, an empty line, and a body. A binary message is the length of
its headers in two bytes, most significant first, such headers, and a payload. The format is that of the Speech SDK for
JavaScript (`WebsocketMessageFormatter.ts` in microsoft/cognitive-services-speech-sdk-js).
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_MOST_HEADERS = 32
_REQUEST_ID = re.compile(r"[0-9A-Za-z-]{1,64}")
_END = "\r\n"


class BadMessage(Exception):
    """A message is not in the format of the protocol; the text says what is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SdkMessage:
    """A message of a client."""

    #: What it is, in lower case: `speech.config`, `speech.context`, `audio`, `telemetry`, …
    path: str
    #: The turn that it belongs to; empty in `speech.config` of some clients.
    request_id: str
    body: str = field(default="", repr=False)
    payload: bytes = field(default=b"", repr=False)


def read_text(text: str) -> SdkMessage:
    """Reads a text message. Raises `BadMessage`."""
    head, found, body = text.partition(_END + _END)
    if not found:
        raise BadMessage("a text message has no empty line between its headers and its body")
    return _message(head, body=body)


def read_binary(data: bytes) -> SdkMessage:
    """Reads a binary message. Raises `BadMessage`."""
    length = int.from_bytes(data[:2], "big")
    head = data[2 : 2 + length]
    if len(data) < 2 or len(head) < length:
        raise BadMessage(f"a binary message of {len(data)} bytes says that its headers have {length}")
    try:
        return _message(head.decode("utf-8"), payload=data[2 + length :])
    except UnicodeDecodeError as error:
        raise BadMessage("the headers of a binary message are not UTF-8") from error


def write(path: str, request_id: str, body: Mapping[str, Any], *, headers: Mapping[str, str] | None = None) -> str:
    """Writes a text message for a client. `headers` are further ones."""
    lines = {
        "X-RequestId": request_id,
        "Content-Type": "application/json; charset=utf-8",
        "Path": path,
        **(headers or {}),
    }
    head = "".join(f"{name}:{value}{_END}" for name, value in lines.items())
    return head + _END + json.dumps(body, ensure_ascii=False)


def same_turn(request_id: str, other: str) -> bool:
    """Whether two request ids are the same; clients write them in upper or lower case, with dashes or without."""
    return _plain(request_id) == _plain(other)


def _plain(request_id: str) -> str:
    return request_id.replace("-", "").lower()


def _message(head: str, *, body: str = "", payload: bytes = b"") -> SdkMessage:
    lines = [line for line in head.split(_END) if line]
    if len(lines) > _MOST_HEADERS:
        raise BadMessage(f"a message has {len(lines)} headers; at most {_MOST_HEADERS} are read")
    headers: dict[str, str] = {}
    for line in lines:
        name, found, value = line.partition(":")
        if not found:
            raise BadMessage("a header of a message is no `Name: value`")
        headers[name.strip().lower()] = value.strip()
    request_id = headers.get("x-requestid", "")
    if request_id and not _REQUEST_ID.fullmatch(request_id):
        raise BadMessage("X-RequestId is not an identifier of letters and digits")
    path = headers.get("path", "").lower()
    if not path:
        raise BadMessage("a message has no header `Path`")
    return SdkMessage(path=path, request_id=request_id, body=body, payload=payload)
