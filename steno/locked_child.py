"""Starts a program that holds a lock file for as long as it runs, and that ends when its parent ends.

Runs as a script between the supervisor and the broker or service, and then becomes that program (same process id before and
after), because both must be done inside the new process: the lock is held exactly as long as the program runs, whatever kills
it, and a supervisor that is killed leaves no process behind. What the program creates is private to its user. Imports the
standard library only, so it costs milliseconds.

    python locked_child.py PARENT_PID LOCK_FILE PROGRAM ARGUMENT…
"""

import ctypes
import fcntl
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

EX_TEMPFAIL = 75
"""Exit status when the lock is held by another process (sysexits.h)."""

_PR_SET_PDEATHSIG = 1


def command_line(program: Sequence[str], lock_file: Path) -> tuple[str, ...]:
    """The command line that runs a program so, as a child of the calling process."""
    return (sys.executable, "-I", "-S", __file__, str(os.getpid()), str(lock_file), *program)


def lock(path: Path) -> int | None:
    """Takes the lock and returns its file descriptor, which holds it until closed; None when another process holds it.

    The file says which process that is, for people; the lock itself is the kernel's (flock), so it cannot be stale.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    os.ftruncate(descriptor, 0)
    os.write(descriptor, str(os.getpid()).encode())
    return descriptor


def holder(path: Path) -> str:
    """The process id of the last process that took the lock."""
    return path.read_text() if path.exists() else ""


def in_use(path: Path) -> str:
    """The message for a folder in which a lock is held."""
    return f"{path.parent} is in use by process {holder(path) or 'unknown'}; stop that one first"


def die_with(parent: int) -> None:
    """Makes the kernel kill this process (and what it becomes) when the thread that started it ends. Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit("the parent ended before this process began")


def main() -> None:
    """Takes the lock and becomes the program."""
    parent, path, *program = sys.argv[1:]
    die_with(int(parent))
    os.umask(0o077)
    held = lock(Path(path))
    if held is None:
        print(in_use(Path(path)), file=sys.stderr)  # noqa: T201
        sys.exit(EX_TEMPFAIL)
    os.set_inheritable(held, True)
    os.execv(program[0], program)  # noqa: S606


if __name__ == "__main__":
    main()
