"""The file interface that decoders read from, and files with a header put before them. Imports no adapter."""

from typing import Protocol


class Readable(Protocol):
    """The methods of an open file that are needed."""

    def read(self, size: int, /) -> bytes | None:
        """Reads up to a number of bytes; empty at the end."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Moves the position, and returns it."""

    def tell(self) -> int:
        """Returns the position."""


class WithHeader:
    """A file with the header that it lacks put before it."""

    def __init__(self, header: bytes, file: Readable) -> None:
        self._header = header
        self._file = file
        self._place = 0

    def read(self, size: int) -> bytes:
        """Like the method of a file."""
        piece = self._header[self._place : self._place + size]
        if not piece and size:
            self._file.seek(self._place - len(self._header))
            piece = self._file.read(size) or b""
        self._place += len(piece)
        return piece

    def seek(self, offset: int, whence: int = 0) -> int:
        """Like the method of a file."""
        start = (0, self._place, len(self._header) + self._file.seek(0, 2) if whence == 2 else 0)[whence]
        if start + offset < 0:
            raise ValueError("there is no place before the beginning")
        self._place = start + offset
        return self._place

    def tell(self) -> int:
        """Like the method of a file."""
        return self._place


def read_at(file: Readable, offset: int, size: int) -> bytes:
    """Reads a number of bytes from an offset, or as many as there are."""
    file.seek(offset)
    pieces = bytearray()
    while len(pieces) < size and (piece := file.read(size - len(pieces))):
        pieces += piece
    return bytes(pieces)
