"""What stands between ffmpeg and the rest: the file as ffmpeg reads it, and ffmpeg's errors as those of a recording."""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import av

from steno_transcriber.audio.errors import UnreadableAudio
from steno_transcriber.audio.files import Readable


class WatchedFile:
    """An open file, which knows afterwards whether it was the file that failed."""

    def __init__(self, file: Readable) -> None:
        self._file = file
        #: Why it could not be read, if it could not.
        self.failure: OSError | None = None

    def read_at(self, place: int, size: int) -> bytes:
        """Up to so many bytes from a place; none at the end."""
        try:
            self._file.seek(place)
            return self._file.read(size) or b""
        except OSError as error:
            self.failure = error
            raise

    def seek(self, offset: int, whence: int) -> int:
        """As of a file."""
        return self._file.seek(offset, whence)

    def check(self) -> None:
        """A disk that fails is not a broken recording: it may be whole at the next try. Raises what it failed with."""
        if self.failure is not None:
            raise self.failure


class Source:
    """A file as ffmpeg reads it. Each has its own place in it: a file with several tracks is read at several places in turn."""

    def __init__(self, file: WatchedFile, *, suffix: str, base: int = 0) -> None:
        """`base` is where in the file it begins."""
        self.file = file
        self.base = base
        self._place = base
        #: ffmpeg looks at its extension.
        self.name = f"recording{suffix}"

    def read(self, size: int) -> bytes:
        """As of a file."""
        data = self.file.read_at(self._place, size)
        self._place += len(data)
        return data

    def seek(self, offset: int, whence: int) -> int:
        """As of a file; where the media leads to no place in it, ffmpeg is told, and the file has not failed."""
        if whence != os.SEEK_END:
            offset += self.base if whence == os.SEEK_SET else self._place
        try:
            self._place = self.file.seek(offset, os.SEEK_SET if whence == os.SEEK_CUR else whence)
        except (OSError, ValueError, OverflowError):
            return -errno.EINVAL
        return self.tell()

    def tell(self) -> int:
        """As of a file."""
        return self._place - self.base


Opened = tuple[Any, Source]
"""A container and what it is read from."""


@contextmanager
def library_errors(file: WatchedFile, reason: Callable[[], str]) -> Iterator[None]:
    """No error of ffmpeg and what is around it passes for one of ours, or for one of the disk, which only a read can meet."""
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
