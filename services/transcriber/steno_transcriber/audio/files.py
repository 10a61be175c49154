"""Files as a decoder reads them. Imports no adapter."""

from typing import Protocol


class Readable(Protocol):
    """What is needed of an open file."""

    def read(self, size: int, /) -> bytes | None:
        """Up to so many bytes; none at the end."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Goes there, and says where that is."""

    def tell(self) -> int:
        """Where it is."""


class WithHeader:
    """A file with the header before it that it lacks."""

    def __init__(self, header: bytes, file: Readable) -> None:
        self._header = header
        self._file = file
        self._place = 0

    def read(self, size: int) -> bytes:
        """As of a file."""
        piece = self._header[self._place : self._place + size]
        if not piece and size:
            self._file.seek(self._place - len(self._header))
            piece = self._file.read(size) or b""
        self._place += len(piece)
        return piece

    def seek(self, offset: int, whence: int = 0) -> int:
        """As of a file."""
        start = (0, self._place, len(self._header) + self._file.seek(0, 2) if whence == 2 else 0)[whence]
        if start + offset < 0:
            raise ValueError("there is no place before the beginning")
        self._place = start + offset
        return self._place

    def tell(self) -> int:
        """As of a file."""
        return self._place


def read_at(file: Readable, offset: int, size: int) -> bytes:
    """So many bytes from an offset on, or as many as there are."""
    file.seek(offset)
    pieces = bytearray()
    while len(pieces) < size and (piece := file.read(size - len(pieces))):
        pieces += piece
    return bytes(pieces)
