"""Ends a process that is stuck, so that its supervisor starts a new one.

Two watches: `Watchdog` sees a consumer that no longer polls or commits while the event loop runs (a dead coordination task, a
group it cannot rejoin: aiokafka issue #1154 has no public sign of it); `LoopGuard` is a thread that sees the event loop itself
stand still, where nothing on the loop could say so.
"""

import asyncio
import faulthandler
import os
import sys
import threading
from collections.abc import Callable

import structlog

log = structlog.get_logger("steno.kafka.watchdog")

#: EX_SOFTWARE of sysexits.h.
EXIT_STATUS = 70


class Watchdog:
    """Knows how long ago a consumer last polled, and since when it has not been able to commit."""

    def __init__(self, *, stuck_seconds: float, clock: Callable[[], float]) -> None:
        """
        Args:
            stuck_seconds: How long without progress is stuck.
            clock: Seconds that only rise (`time.monotonic`).
        """
        self._stuck_seconds = stuck_seconds
        self._clock = clock
        self._polled_at = clock()
        self._uncommitted_since: float | None = None

    def polled(self) -> None:
        """A poll came back, with records or without."""
        self._polled_at = self._clock()

    def committing(self) -> None:
        """There is something to commit, and it is being tried."""
        if self._uncommitted_since is None:
            self._uncommitted_since = self._clock()

    def committed(self) -> None:
        """There is nothing left to commit."""
        self._uncommitted_since = None

    @property
    def stuck(self) -> str | None:
        """What has stood still for too long; None while all is well."""
        now = self._clock()
        if now - self._polled_at > self._stuck_seconds:
            return f"no poll has come back for {now - self._polled_at:.0f} s"
        if self._uncommitted_since is not None and now - self._uncommitted_since > self._stuck_seconds:
            return f"no commit has gone through for {now - self._uncommitted_since:.0f} s"
        return None


class LoopGuard:
    """A thread that ends the process when an event loop has not run anything for a while: the last resort.

    It counts its own ticks and not the clock, so a process that was stopped (SIGSTOP, a suspended machine) is not blamed.
    """

    def __init__(
        self,
        *,
        stuck_seconds: float,
        tick_seconds: float = 1.0,
        end: Callable[[int], object] = os._exit,
    ) -> None:
        self._ticks = max(2, round(stuck_seconds / tick_seconds))
        self._tick_seconds = tick_seconds
        self._end = end
        self._missed = 0
        self._next: asyncio.TimerHandle | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="kafka-loop-guard", daemon=True)

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begins to watch a loop; called on it, or before it runs."""
        self._beat(loop)
        self._thread.start()

    def stop(self) -> None:
        """Ends the watch; called on the loop."""
        self._stopped.set()
        if self._next is not None:
            self._next.cancel()

    def join(self) -> None:
        """Waits until the watch has ended."""
        self._thread.join()

    def _beat(self, loop: asyncio.AbstractEventLoop) -> None:
        self._missed = 0
        self._next = loop.call_later(self._tick_seconds, self._beat, loop)

    def _watch(self) -> None:
        while not self._stopped.wait(self._tick_seconds):
            self._missed += 1
            if self._missed > self._ticks:
                log.critical("event_loop.stuck", seconds=self._missed * self._tick_seconds)
                # The stacks of all threads name what holds the loop.
                faulthandler.dump_traceback(file=sys.__stderr__ or sys.stderr, all_threads=True)
                self._end(EXIT_STATUS)
                return
