"""Detects a WAV header with a length that is too small, from a recorder that died or wrote more than 4 GiB."""

import struct
from collections.abc import Callable

_MOST_CHUNKS = 100
_CHUNK = struct.Struct("<4sI")

Read = Callable[[int, int], bytes]
"""Reads from an offset so many bytes, or as many as there are."""


def understates_length(read: Read, size: int) -> bool:
    """Whether audio goes on after the end given in the header: there are bytes that are not another chunk.

    Sizes of 0 and 0xFFFFFFFF give no end; ffmpeg knows them.
    """
    head = read(0, 12)
    if head[:4] != b"RIFF" or head[8:] != b"WAVE":
        return False
    place = 12
    for _ in range(_MOST_CHUNKS):
        name, length = _chunk_at(read, place)
        behind = place + _CHUNK.size + length
        if name == b"data" and length != 0xFFFF_FFFF and length > 0:
            # A chunk of an odd length has a byte behind it, which some leave out.
            return behind + 1 < size and not any(_is_chunk(read, behind + pad, size) for pad in {0, length % 2})
        if not name or name == b"data" or behind >= size:
            return False
        place = behind + length % 2
    return False


def _chunk_at(read: Read, place: int) -> tuple[bytes, int]:
    head = read(place, _CHUNK.size)
    if len(head) < _CHUNK.size:
        return b"", 0
    name, length = _CHUNK.unpack(head)
    return name, length


def _is_chunk(read: Read, place: int, size: int) -> bool:
    name, length = _chunk_at(read, place)
    return len(name) == 4 and all(32 <= byte < 127 for byte in name) and place + _CHUNK.size + length <= size + 1
