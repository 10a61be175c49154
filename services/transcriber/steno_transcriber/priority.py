"""Sets the priority that threads have for the operating system's scheduler."""

import os
import sys
import threading

NICENESS = 5
"""Against a thread of the usual niceness, 0, it gets a third of a core that both want (Linux, sched(7))."""


def yield_to_others() -> None:
    """Has the calling thread, and those that it starts, run behind others; elsewhere than on Linux nothing changes.

    For decoding: it takes all cores while there is something to decode, and what brings audio and carries text away, here and
    in other processes, would wait for it a hundred times a second.
    """
    if sys.platform == "linux":  # elsewhere a thread has no niceness of its own
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
