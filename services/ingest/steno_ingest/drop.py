"""Reads and moves the files of the watched folder, safe from links and from files that are swapped meanwhile.

Others may write there, so no name is taken twice for the same thing: what was looked at is what is opened, nothing is reached
through a link, and nothing that is there is written over. The folder itself is where it was at the start: what becomes a link
on the way to it stops the watching, not what the operator had made one before.
"""

import os
import stat
from dataclasses import dataclass
from io import BufferedReader
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self

from steno.storage.contained import NoRegularFile, open_folder, open_in
from steno_ingest.errors import NotAlone

SIDECAR = ".json"
ACCEPTED = "accepted"
REJECTED = "rejected"
_REASON = ".reason.txt"
_LONGEST_SUFFIX = 16
_MOST_NAME_BYTES = 255

Stamp = tuple[int, ...]
"""Number of the file, its size in bytes and the time of its last change in nanoseconds: they tell that it is another one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Dropped:
    """A complete recording in the folder: the names of its files, and by what they are known."""

    audio: str
    sidecar: str | None
    audio_stamp: Stamp
    sidecar_stamp: Stamp | None = None


class FileChanged(OSError):
    """A file is not the one any more that was looked at; it is looked at again."""


class DropFolder:
    """An open folder that recordings are dropped into; a context that closes it. Every method may raise `OSError`."""

    def __init__(self, path: Path) -> None:
        """Opens the folder at a resolved path, made when missing."""
        path.mkdir(parents=True, exist_ok=True)
        self._descriptor = open_folder(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        os.close(self._descriptor)

    def present(self) -> dict[str, Stamp]:
        """The files that may be recordings or their metadata. Links are not followed: they lead elsewhere."""
        found = {}
        # The descriptor may be one to pass through only, which cannot be listed.
        listing = os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=self._descriptor)
        try:
            with os.scandir(listing) as entries:
                for entry in entries:
                    if not entry.name.startswith(".") and not entry.name.endswith(".part"):
                        try:
                            status = entry.stat(follow_symlinks=False)
                        except FileNotFoundError:  # gone since it was listed
                            continue
                        if stat.S_ISREG(status.st_mode):
                            found[entry.name] = _stamp(status)
        finally:
            os.close(listing)
        return found

    def open(self, name: str, stamp: Stamp) -> BufferedReader:
        """Opens a file that was looked at.

        Raises:
            FileChanged: it is another by now, or no file at all.
            NotAlone: it has another name elsewhere.
        """
        try:
            file = open_in(self._descriptor, name)
        except NoRegularFile:
            raise FileChanged(f"{name} is not the file any more that it was") from None
        status = os.fstat(file.fileno())
        if _stamp(status) == stamp and status.st_nlink == 1:
            return file
        file.close()
        if status.st_nlink > 1:
            raise NotAlone(f"{name} has another name elsewhere (a hard link), so it may be somebody else's: drop a copy")
        raise FileChanged(f"{name} has changed")

    def aside(self, where: str) -> "Aside":
        """The folder in it where files are put, made when missing: for whoever the folder itself is for."""
        mode = stat.S_IMODE(os.fstat(self._descriptor).st_mode) & 0o777
        made = True
        try:
            os.mkdir(where, dir_fd=self._descriptor)
        except FileExistsError:
            made = False
        aside = Aside(self._descriptor, where, mode & 0o666)
        if made:
            aside.allow(mode)
        return aside


class Aside:
    """`accepted/` or `rejected/`, a context that closes it: files are moved here, and none replaces another file or a link."""

    def __init__(self, source: int, where: str, mode: int) -> None:
        self._source = source
        self._target = os.open(where, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=source)
        self._mode = mode

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        os.close(self._target)

    def take(self, dropped: Dropped) -> str:
        """Moves a recording and its metadata here, and returns the name that the recording has now.

        The metadata go last: a recording that is taken up again must have them.
        """
        for number in count(1):
            audio, sidecar = _names(dropped.audio, number)
            if not any(map(self._has, (audio, sidecar, audio + _REASON))):
                break
        self._move(dropped.audio, audio)
        if dropped.sidecar is not None:
            self._move(dropped.sidecar, sidecar)
        return audio

    def allow(self, mode: int) -> None:
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


def _names(audio: str, number: int) -> tuple[str, str]:
    """The names of a recording and its metadata, the so many-th of that name, cut where the reason's would be too long."""
    path = Path(audio)
    stem, suffix = (path.stem, path.suffix) if len(path.suffix) <= _LONGEST_SUFFIX else (audio, "")
    end = "" if number == 1 else f"-{number}"
    room = _MOST_NAME_BYTES - len(os.fsencode(end + suffix + _REASON))
    stem = os.fsdecode(os.fsencode(stem)[:room]) + end
    return stem + suffix, stem + SIDECAR


def _stamp(status: os.stat_result) -> Stamp:
    return status.st_ino, status.st_size, status.st_mtime_ns
