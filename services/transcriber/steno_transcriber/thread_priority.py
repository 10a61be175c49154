"""Lowers the scheduling priority of threads that decode."""

import os
import sys
import threading

NICENESS = 5
"""Against a thread of the usual niceness, 0, it gets a third of a core that both want (Linux, sched(7))."""


def lower_priority() -> None:
    """Lowers the priority of the calling thread, and of those that it starts, on Linux; elsewhere nothing changes.

    Decoding takes all cores while there is something to decode; the threads that receive audio and publish text, here and in
    other processes, would wait for it a hundred times a second.
    """
    if sys.platform == "linux":  # elsewhere a thread has no niceness of its own
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
