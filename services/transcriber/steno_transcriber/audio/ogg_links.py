"""Where in an Ogg file another one was joined to it."""

from steno_transcriber.audio.library import WatchedFile

_FIRST_PAGE = b"OggS\0\x02"
"""How the first page of a stream begins: RFC 3533, 6."""

_NEAR_BYTES = 1 << 17
"""Two pages of the longest: the last packet of the one before is in its last page, or nearly."""


def next_link(file: WatchedFile, place: int) -> int | None:
    """Where the next one begins, right behind the page at a place."""
    found = file.read_at(place + 1, _NEAR_BYTES).find(_FIRST_PAGE)
    return place + 1 + found if found >= 0 else None
