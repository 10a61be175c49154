"""Reads and moves the files of the watched folder, safe from links and from files that are replaced meanwhile.

Others may write there, so no name is taken twice for the same thing: what was looked at is what is opened, nothing is reached
through a link, and nothing that is there is written over. The folder itself is where it was at the start: what becomes a link
on the way to it stops the watching, not what the operator had made one before.
"""

import errno
import fcntl
import os
import signal
import stat
import sys
from io import BufferedReader
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self

from steno.storage.files_below import NoRegularFile, open_folder, open_in
from steno_ingest.errors import HardLinked
from steno_ingest.recordings.folder_contents import MARKER, SIDECAR, FoundRecording, Stamp

ACCEPTED = "accepted"
REJECTED = "rejected"
_REASON = ".reason.txt"
_LONGEST_SUFFIX = 16
_MOST_NAME_BYTES = 255


class FileChanged(OSError):
    """A file is no longer the one that was found; the next look finds it anew."""


class StillOpen(OSError):
    """A program has the file open, and may write more."""


class OpenFolder:
    """An open folder that recordings are put into; a context that closes it. Every method may raise `OSError`."""

    def __init__(self, path: Path) -> None:
        """Opens the folder at a resolved path, made when missing."""
        path.mkdir(parents=True, exist_ok=True)
        self._descriptor = open_folder(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        os.close(self._descriptor)

    def present(self) -> tuple[dict[str, Stamp], dict[str, str]]:
        """The files in it; and what is no file, with what it is. Links are not followed: they lead elsewhere."""
        found, others = {}, {}
        # The descriptor may be one to pass through only, which cannot be listed.
        listing = os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=self._descriptor)
        try:
            with os.scandir(listing) as entries:
                for entry in entries:
                    try:
                        status = entry.stat(follow_symlinks=False)
                    except FileNotFoundError:  # gone since it was listed
                        continue
                    if stat.S_ISREG(status.st_mode):
                        found[entry.name] = _stamp(status)
                    elif entry.name not in (ACCEPTED, REJECTED):
                        others[entry.name] = _kind(status.st_mode)
        finally:
            os.close(listing)
        return found, others

    def open(self, name: str, stamp: Stamp, *, marked: bool = False) -> BufferedReader:
        """Opens a file that was looked at.

        Args:
            marked: whoever wrote it says that it is whole.

        Raises:
            FileChanged: it is another by now, or no file at all.
            StillOpen: it may not be whole.
            HardLinked: it has another name elsewhere.
        """
        try:
            file = open_in(self._descriptor, name)
        except NoRegularFile:
            raise FileChanged(f"{name} is not the file any more that it was") from None
        try:
            self.check(file, name, stamp)
            if not marked and _is_being_written(file.fileno()):
                raise StillOpen(f"{name} is open in a program that may write more of it")
        except BaseException:
            file.close()
            raise
        return file

    def check(self, file: BufferedReader, name: str, stamp: Stamp) -> None:
        """Sees to it that an open file is still what was looked at. Raises `FileChanged` and `HardLinked`."""
        status = os.fstat(file.fileno())
        if status.st_nlink > 1:
            raise HardLinked(f"{name} has another name elsewhere (a hard link), so it may be somebody else's: drop a copy")
        if _stamp(status) != stamp:
            raise FileChanged(f"{name} has changed")

    def open_target(self, where: str) -> "TargetFolder":
        """Opens the folder in it that files are moved to, made when missing with the permissions of the folder itself."""
        mode = stat.S_IMODE(os.fstat(self._descriptor).st_mode) & 0o777
        made = True
        try:
            os.mkdir(where, dir_fd=self._descriptor)
        except FileExistsError:
            made = False
        target = TargetFolder(self._descriptor, where, mode & 0o666)
        if made:
            target.set_mode(mode)
        return target


class TargetFolder:
    """`accepted/` or `rejected/`, a context that closes it: files are moved here, and none replaces another file or a link."""

    def __init__(self, source: int, where: str, mode: int) -> None:
        self._source = source
        self._target = os.open(where, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=source)
        self._mode = mode

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Closes the folder."""
        os.close(self._target)

    def move_in(self, found: FoundRecording) -> str:
        """Moves a recording, its metadata and its marker here, and returns the name that the recording has now.

        The recording goes first: until it is moved, the others must lie beside it.
        """
        for number in count(1):
            names = _names(found.audio, number)
            if not any(map(self._has, (*names, names[0] + _REASON))):
                break
        for old, new in zip((found.audio, found.sidecar, found.marker), names, strict=True):
            if old is not None:
                self._move(old, new)
        return names[0]

    def set_mode(self, mode: int) -> None:
        """Sets who may come in."""
        os.fchmod(self._target, mode)

    def explain(self, name: str, reason: str) -> None:
        """Writes beside a recording why it is here."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        with os.fdopen(os.open(f"{name}{_REASON}", flags, 0o600, dir_fd=self._target), "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), self._mode)
            file.write(reason + "\n")

    def _has(self, name: str) -> bool:
        try:
            os.stat(name, dir_fd=self._target, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True

    def _move(self, name: str, to: str) -> None:
        os.rename(name, to, src_dir_fd=self._source, dst_dir_fd=self._target)


def _names(audio: str, number: int) -> tuple[str, str, str]:
    """The names of a recording, its metadata and its marker, the so many-th of that name, cut where the longest would be too
    long, the reason's."""
    path = Path(audio)
    stem, suffix = (path.stem, path.suffix) if len(path.suffix) <= _LONGEST_SUFFIX else (audio, "")
    end = "" if number == 1 else f"-{number}"
    room = _MOST_NAME_BYTES - len(os.fsencode(end + suffix + _REASON))
    stem = os.fsdecode(os.fsencode(stem)[:room]) + end
    return stem + suffix, stem + SIDECAR, stem + suffix + MARKER


def _stamp(status: os.stat_result) -> Stamp:
    return Stamp(status.st_ino, status.st_size, status.st_mtime_ns)


def _kind(mode: int) -> str:
    if stat.S_ISDIR(mode):
        return "it is a folder: recordings lie in the watched folder itself"
    return "it is a link, which is not followed" if stat.S_ISLNK(mode) else "it is no regular file"


def _is_being_written(descriptor: int) -> bool:
    """Whether a program of this machine has the file open for writing, as far as the system tells.

    Linux gives a lease for reading only where nobody has (fcntl(2)), and only to the owner of the file; not every file system
    has leases. While one is held, for microseconds here, whoever opens the file to write is waited for, and a signal says so:
    one that does nothing.
    """
    if sys.platform != "linux":
        return False
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as error:
        return error.errno == errno.EAGAIN
    fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False
