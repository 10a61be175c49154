"""Reads and moves the files of the watched folder, safe against links and files that are replaced meanwhile.

Other users may write to the folder. So an opened file is checked to be the one that was found, links are not followed, and
existing files are not overwritten. The path of the folder itself is resolved at the start; if a part of it becomes a link
later, the folder cannot be opened any more.
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
    """A file is no longer the one that was found; the next scan finds it again."""


class StillOpen(OSError):
    """A program has the file open, and may write more."""


class OpenFolder:
    """The open watched folder, as a context manager. Every method may raise `OSError`."""

    def __init__(self, path: Path) -> None:
        """Opens the folder at a resolved path; creates it if it is missing."""
        path.mkdir(parents=True, exist_ok=True)
        self._descriptor = open_folder(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        os.close(self._descriptor)

    def present(self) -> tuple[dict[str, Stamp], dict[str, str]]:
        """Returns its files with their stamps, and the reasons why other entries are not files. Links are not followed."""
        found, others = {}, {}
        # The descriptor may have been opened for traversal only, and then cannot be listed.
        listing = os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=self._descriptor)
        try:
            with os.scandir(listing) as entries:
                for entry in entries:
                    try:
                        status = entry.stat(follow_symlinks=False)
                    except FileNotFoundError:  # deleted since it was listed
                        continue
                    if stat.S_ISREG(status.st_mode):
                        found[entry.name] = _stamp(status)
                    elif entry.name not in (ACCEPTED, REJECTED):
                        others[entry.name] = _kind(status.st_mode)
        finally:
            os.close(listing)
        return found, others

    def open(self, name: str, stamp: Stamp, *, marked: bool = False) -> BufferedReader:
        """Opens a file that was found.

        Args:
            marked: Whether it has a marker, which says that it is complete.

        Raises:
            FileChanged: it has changed, or is not a regular file any more.
            StillOpen: a program may write more of it.
            HardLinked: it has another name elsewhere.
        """
        try:
            file = open_in(self._descriptor, name)
        except NoRegularFile:
            raise FileChanged(f"{name} is not the same file any more") from None
        try:
            self.check(file, name, stamp)
            if not marked and _is_being_written(file.fileno()):
                raise StillOpen(f"{name} is open in a program that may write more of it")
        except BaseException:
            file.close()
            raise
        return file

    def check(self, file: BufferedReader, name: str, stamp: Stamp) -> None:
        """Checks that an open file is still the one that was found. Raises `FileChanged` and `HardLinked`."""
        status = os.fstat(file.fileno())
        if status.st_nlink > 1:
            raise HardLinked(f"{name} has another name elsewhere (a hard link), so it may belong to somebody else: use a copy")
        if _stamp(status) != stamp:
            raise FileChanged(f"{name} has changed")

    def open_target(self, where: str) -> "TargetFolder":
        """Opens a subfolder to move files to; creates it, with the permissions of this folder, if it is missing."""
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
    """The open folder `accepted/` or `rejected/`, as a context manager. Moving files into it replaces no file or link."""

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
        """Moves a recording, its metadata and its marker here; returns the new name of the recording.

        The recording is moved first, since the others belong to it as long as it is in the watched folder.
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
        """Sets the permissions of the folder."""
        os.fchmod(self._target, mode)

    def explain(self, name: str, reason: str) -> None:
        """Writes the reason of a rejection to a file beside the recording."""
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
    """Returns names for a recording, its metadata and its marker, with a number if it is not the first of that name.

    They are shortened if the longest of them, with the suffix of the reason, would be too long.
    """
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
        return "it is a folder: recordings must be in the watched folder itself"
    return "it is a link, which is not followed" if stat.S_ISLNK(mode) else "it is not a regular file"


def _is_being_written(descriptor: int) -> bool:
    """Whether a program on this machine has the file open for writing, as far as the system can tell.

    Linux grants a read lease only if no program has the file open for writing (fcntl(2)), and only to the owner of the file;
    some file systems have no leases. While the lease is held, for microseconds here, a program that opens the file for writing
    is blocked, and this process gets a signal, which is set to one without effect.
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
