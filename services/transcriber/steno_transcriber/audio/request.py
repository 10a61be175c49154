"""What the process that decoders are forked from is asked, and what it answers. Pure."""

import json
import struct
from dataclasses import asdict, dataclass

LENGTH = struct.Struct("<I")
"""Of a request, before it."""

STATUS = struct.Struct("<i")
"""How a decoder ended, as `os.waitstatus_to_exitcode` tells it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a decoder is told; `headerless` is how it is coded without a header, or nothing."""

    name: str
    headerless: str | None
    memory_bytes: int
    cpu_seconds: int

    def packed(self) -> bytes:
        """As it is sent."""
        data = json.dumps(asdict(self)).encode()
        return LENGTH.pack(len(data)) + data

    @classmethod
    def unpacked(cls, data: bytes) -> "Request":
        """As it was sent, without its length."""
        return cls(**json.loads(data))
