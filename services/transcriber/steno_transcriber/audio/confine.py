"""Confines a decoder process: no files, no network, no other processes, bounded memory and time.

What a platform does not have is left out: macOS has no seccomp and does not hold a process to its memory.
"""

import contextlib
import ctypes
import os
import platform
import resource
import signal
import struct
import sys
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_SECCOMP = 22
_PR_SET_NO_NEW_PRIVS = 38
_SECCOMP_MODE_FILTER = 2
_ALLOW = 0x7FFF0000
_FAIL_WITH_EPERM = 0x00050001

# linux/audit.h, and the numbers of the calls in the table of each architecture. What computes, reads, writes and ends:
# no open, no socket, no exec, no signal to another process, no look into its memory. Anything else fails with EPERM.
_CALLS = {
    # read write close fstat poll lseek mmap mprotect munmap brk rt_sigaction rt_sigprocmask rt_sigreturn pread64 readv writev
    # select sched_yield mremap madvise nanosleep getpid exit gettimeofday getrusage sysinfo sigaltstack gettid futex
    # sched_getaffinity restart_syscall clock_gettime clock_nanosleep exit_group pselect6 ppoll set_robust_list getrandom
    # membarrier rseq
    "x86_64": (
        0xC000003E,
        (
            *(0, 1, 3, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 17, 19, 20, 23, 24, 25, 28, 35, 39, 60, 96, 98, 99, 131, 186),
            *(202, 204, 219, 228, 230, 231, 270, 271, 273, 318, 324, 334),
        ),
    ),
    "aarch64": (
        0xC00000B7,
        (
            *(57, 62, 63, 64, 65, 66, 67, 72, 73, 80, 93, 94, 98, 99, 101, 113, 115, 123, 124, 128, 132, 134, 135, 139, 165),
            *(169, 172, 178, 179, 214, 215, 216, 222, 226, 233, 278, 283, 293),
        ),
    ),
}


def confine(*, parent: int, memory_bytes: int, cpu_seconds: int) -> None:
    """Confines this process for good. All files must be open, and all modules imported, before.

    Args:
        parent: the process id of its parent; it ends when that ends.
        memory_bytes: how much more memory than now it may use.
        cpu_seconds: of processor time, from its start.
    """
    libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None
    if libc is not None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        _first_to_go()
    if os.getppid() != parent:
        os._exit(1)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_CPU, cpu_seconds, cpu_seconds + 5)  # at the first it is told why, at the second it is killed
    if sys.platform == "linux":
        # Of the address space, of which the data is a part: pages of libraries, and what an allocator reserves.
        size, data = _pages()
        _limit(resource.RLIMIT_DATA, data + memory_bytes)
        _limit(resource.RLIMIT_AS, size + 2 * memory_bytes)
        _limit(resource.RLIMIT_NPROC, 0)
    # What is open stays open; nothing can be opened: no file, no socket, no pipe.
    _limit(resource.RLIMIT_NOFILE, 0)
    if libc is not None:
        _filter_calls(libc)


def _limit(kind: int, most: int, for_good: int | None = None) -> None:
    _, hard = resource.getrlimit(kind)
    ceiling = max(most, for_good or 0) if hard == resource.RLIM_INFINITY else hard
    with contextlib.suppress(ValueError, OSError):  # not on this platform
        resource.setrlimit(kind, (min(most, ceiling), min(most if for_good is None else for_good, ceiling)))


def _first_to_go() -> None:
    """Makes the kernel kill this process before the service when the machine runs out of memory."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def _pages() -> tuple[int, int]:
    """The bytes of address space and of data of this process."""
    fields = Path("/proc/self/statm").read_text().split()
    return int(fields[0]) * resource.getpagesize(), int(fields[5]) * resource.getpagesize()


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def _filter_calls(libc: ctypes.CDLL) -> None:
    """Allows only the system calls of the table, where the kernel can filter them and the table has the architecture."""
    if platform.machine() not in _CALLS:
        return
    architecture, calls = _CALLS[platform.machine()]
    # struct sock_filter (linux/filter.h): code, jump if true, jump if false, operand.
    # struct seccomp_data (linux/seccomp.h): the call's number at 0, the architecture at 4.
    load, equal, give = 0x20, 0x15, 0x06
    steps = [(load, 0, 0, 4), (equal, 0, len(calls) + 1, architecture), (load, 0, 0, 0)]
    steps += [(equal, len(calls) - index, 0, number) for index, number in enumerate(calls)]
    steps += [(give, 0, 0, _FAIL_WITH_EPERM), (give, 0, 0, _ALLOW)]
    instructions = b"".join(struct.pack("=HBBI", *step) for step in steps)
    program = _Program(len(steps), instructions)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0)
