"""Opens files that must lie below given folders, safe against links that change between check and opening.

A path is resolved first, with links and `..`; the result must lie below a folder; then it is opened from that folder, one part
after the other, without following links. A part that becomes a link between the check and the opening makes the opening fail.
Anything but a regular file (a folder, a pipe, a device) is refused without blocking.
"""

import errno
import os
import stat
from collections.abc import Sequence
from io import BufferedReader
from pathlib import Path

# To pass through a folder takes no right to list it, where the system knows such a way to open it (Linux).
_PASS = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# A pipe that nobody writes to would be waited for; of a regular file the flag means nothing.
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

_NOT_THERE = frozenset(
    (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.EMLINK, errno.ENAMETOOLONG, errno.ENXIO, errno.EINVAL)
)


class OutsideFolder(Exception):
    """A path leads out of the allowed folders; the message does not say whether anything exists there."""


class NoRegularFile(Exception):
    """There is no regular file at the path, but nothing, a folder, an unresolved link, a pipe or a device."""


def open_below(path: Path, folders: Sequence[Path]) -> BufferedReader:
    """Opens a file for reading whose resolved path lies below one of the folders.

    Args:
        path: absolute; links are followed as long as they stay below a folder.
        folders: the allowed folders, resolved.

    Raises:
        OutsideFolder, NoRegularFile: see there.
        OSError: it cannot be opened for another reason, such as missing permission.
    """
    if "\0" in str(path):
        raise NoRegularFile
    real = Path(os.path.realpath(path))
    for folder in folders:
        if real != folder and real.is_relative_to(folder):
            return _open(folder, real.relative_to(folder).parts)
    raise OutsideFolder


def open_in(folder: int, name: str) -> BufferedReader:
    """Opens a regular file of an open folder by its name, not following a link. Raises like `open_below`."""
    try:
        looked = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if not stat.S_ISREG(looked.st_mode):  # a device is not even opened: that can have effects
            raise NoRegularFile
        descriptor = os.open(name, _READ, dir_fd=folder)
    except OSError as error:
        raise _told(error) from None
    file = os.fdopen(descriptor, "rb")
    opened = os.fstat(descriptor)
    if not stat.S_ISREG(opened.st_mode) or not os.path.samestat(looked, opened):
        file.close()
        raise NoRegularFile
    return file


def open_folder(path: Path) -> int:
    """Opens a folder by its absolute path, not following a link on the way; the caller closes it.

    Raises:
        OSError: it does not exist, or a part of the path is a link or not a folder.
    """
    here = os.open("/", _PASS)
    for name in path.parts[1:]:
        try:
            deeper = os.open(name, _PASS, dir_fd=here)
        finally:
            os.close(here)
        here = deeper
    return here


def resolved_below(path: Path, folder: Path) -> bool:
    """Whether a path lies below a folder once its links are followed; it need not exist."""
    real = Path(os.path.realpath(path))
    return real != folder and real.is_relative_to(folder)


def _open(folder: Path, parts: Sequence[str]) -> BufferedReader:
    # What is wrong with the folder itself is no answer about the file.
    here = os.open(folder, _PASS)
    try:
        for name in parts[:-1]:
            try:
                deeper = os.open(name, _PASS, dir_fd=here)
            except OSError as error:
                raise _told(error) from None
            os.close(here)
            here = deeper
        return open_in(here, parts[-1])
    finally:
        os.close(here)


def _told(error: OSError) -> Exception:
    return NoRegularFile() if error.errno in _NOT_THERE else error
