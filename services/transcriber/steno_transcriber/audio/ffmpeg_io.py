"""Gives ffmpeg its input files, and translates its errors to errors of a recording."""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import av

from steno_transcriber.audio.errors import UnreadableAudio
from steno_transcriber.audio.files import Readable


class WatchedFile:
    """An open file that remembers errors of reading, to tell them from errors of decoding."""

    def __init__(self, file: Readable) -> None:
        self._file = file
        #: Why it could not be read, if it could not.
        self.failure: OSError | None = None

    def read_at(self, place: int, size: int) -> bytes:
        """Reads up to a number of bytes from an offset; empty at the end."""
        try:
            self._file.seek(place)
            return self._file.read(size) or b""
        except OSError as error:
            self.failure = error
            raise

    def seek(self, offset: int, whence: int) -> int:
        """Like the method of a file."""
        return self._file.seek(offset, whence)

    def check(self) -> None:
        """Raises the error of a failed read: the disk failed, and the recording may be good at the next attempt."""
        if self.failure is not None:
            raise self.failure


class Source:
    """A file for ffmpeg, with its own position: a file with several tracks is read at several positions in turn."""

    def __init__(self, file: WatchedFile, *, suffix: str, base: int = 0) -> None:
        """`base` is the offset at which it begins in the file."""
        self.file = file
        self.base = base
        self._place = base
        #: ffmpeg looks at its extension.
        self.name = f"recording{suffix}"

    def read(self, size: int) -> bytes:
        """Like the method of a file."""
        data = self.file.read_at(self._place, size)
        self._place += len(data)
        return data

    def seek(self, offset: int, whence: int) -> int:
        """Like the method of a file; a position outside it is an error for ffmpeg, not of the file."""
        if whence != os.SEEK_END:
            offset += self.base if whence == os.SEEK_SET else self._place
        try:
            self._place = self.file.seek(offset, os.SEEK_SET if whence == os.SEEK_CUR else whence)
        except (OSError, ValueError, OverflowError):
            return -errno.EINVAL
        return self.tell()

    def tell(self) -> int:
        """Like the method of a file."""
        return self._place - self.base


Opened = tuple[Any, Source]
"""A container and what it is read from."""


@contextmanager
def library_errors(file: WatchedFile, reason: Callable[[], str]) -> Iterator[None]:
    """Translates errors of ffmpeg and its binding, so that none is taken for one of ours or of the disk."""
    try:
        yield
    except UnreadableAudio:
        raise
    except Exception as error:
        if file.failure is not None:
            raise file.failure from None
        if isinstance(error, av.error.FFmpegError):
            raise UnreadableAudio(reason()) from None
        if isinstance(error, MemoryError | ImportError):  # what is left to import cannot be, where decoders are
            raise
        raise UnreadableAudio(f"{reason()} ({type(error).__name__})") from error
