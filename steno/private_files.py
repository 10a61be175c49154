"""Creates files and folders that only the user of this process can read.

Recordings, transcripts and keys are private, so everything in a data folder is. Every process of Steno sets a umask that makes
it so (`set_umask`); files that are there already are corrected at the start (`make_private`).
"""

import os
import stat
from collections.abc import Iterable
from pathlib import Path

UMASK = 0o077
_OTHERS = 0o077


def set_umask() -> None:
    """Makes what this process and its children create private. Call it at the start of a program: it holds for all threads."""
    os.umask(UMASK)


def make_folder(path: Path) -> None:
    """Creates a private folder, and those above it that are missing; makes it private where it is there already."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.mkdir(mode=0o700, exist_ok=True)
    _close(path.resolve())


def opener(path: str, flags: int) -> int:
    """For `open`: a file that it makes is private, whatever the umask."""
    return os.open(path, flags, 0o600)


def write(path: Path, text: str, *, like: os.stat_result | None = None) -> None:
    """Replaces a file by a private one, as a whole, so that a reader never sees half of it.

    Args:
        like: What the file before was: the new one has its owner and group, and the group may read it where it might before
            and others might not.

    Raises:
        OSError: it cannot be written, or not be given to that owner; the file before stands.
    """
    temporary = path.with_name(f"{path.name}.new")
    temporary.unlink(missing_ok=True)
    try:
        with open(temporary, "x", encoding="utf-8", opener=opener) as file:
            file.write(text)
            if like is not None:
                _make_like(file.fileno(), like)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def make_private(paths: Iterable[Path]) -> None:
    """Makes files and folders private with all that is in them.

    A path stands for what it leads to; links in a folder, and what another user owns, are left as they are.
    """
    for path in paths:
        _close(path.resolve())
        for folder, folders, files in os.walk(path.resolve()):
            for name in (*folders, *files):
                _close(Path(folder, name))


def _make_like(descriptor: int, like: os.stat_result) -> None:
    status = os.fstat(descriptor)
    if (status.st_uid, status.st_gid) != (like.st_uid, like.st_gid):
        os.fchown(descriptor, like.st_uid, like.st_gid)
    if like.st_mode & stat.S_IRGRP and not like.st_mode & stat.S_IRWXO:
        os.fchmod(descriptor, 0o640)


def _close(path: Path) -> None:
    try:
        status = path.lstat()
        if status.st_mode & _OTHERS and not stat.S_ISLNK(status.st_mode) and status.st_uid == os.geteuid():
            path.chmod(stat.S_IMODE(status.st_mode) & ~_OTHERS)
    except FileNotFoundError:
        pass  # gone meanwhile: logs are moved, temporary files removed
