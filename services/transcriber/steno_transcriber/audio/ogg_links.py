"""Finds where one Ogg file was appended to another in the same file."""

from steno_transcriber.audio.ffmpeg_io import WatchedFile

_FIRST_PAGE = b"OggS\0\x02"
"""How the first page of a stream begins: RFC 3533, 6."""

_NEAR_BYTES = 1 << 17
"""Two pages of the longest: the last packet of the one before is in its last page, or nearly."""


def next_link(file: WatchedFile, place: int) -> int | None:
    """The offset of an Ogg stream that begins right after the page at an offset; None where none does."""
    found = file.read_at(place + 1, _NEAR_BYTES).find(_FIRST_PAGE)
    return place + 1 + found if found >= 0 else None
