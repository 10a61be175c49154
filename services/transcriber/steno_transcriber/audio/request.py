"""The request to the fork server to start a decoder. Pure."""

import json
import struct
from dataclasses import asdict, dataclass

LENGTH = struct.Struct("<I")
"""Of a request, before it."""

STATUS = struct.Struct("<i")
"""How a decoder ended, as `os.waitstatus_to_exitcode` tells it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a decoder is to decode; `headerless` is the coding without a header, or empty."""

    name: str
    headerless: str | None
    memory_bytes: int
    cpu_seconds: int

    def pack(self) -> bytes:
        """Encodes the request."""
        data = json.dumps(asdict(self)).encode()
        return LENGTH.pack(len(data)) + data

    @classmethod
    def unpack(cls, data: bytes) -> "Request":
        """Decodes a request, without its length field."""
        return cls(**json.loads(data))
