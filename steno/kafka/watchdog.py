"""Detects a stuck process and ends it, so that its supervisor starts a new one.

`Watchdog` detects a consumer that no longer polls or commits while the event loop runs (a dead coordination task, a group that
it cannot rejoin: aiokafka issue #1154 has no public API to detect it). `LoopGuard` is a thread that detects a blocked event
loop, which no task on the loop could do.
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
    """Tracks when a consumer last polled, and since when it has not been able to commit."""

    def __init__(self, *, stuck_seconds: float, clock: Callable[[], float]) -> None:
        """
        Args:
            stuck_seconds: The time without progress after which the consumer is stuck.
            clock: Returns seconds of a monotonic clock.
        """
        self._stuck_seconds = stuck_seconds
        self._clock = clock
        self._polled_at = clock()
        self._uncommitted_since: float | None = None

    def polled(self) -> None:
        """Records that a poll returned, with records or without."""
        self._polled_at = self._clock()

    def committing(self) -> None:
        """Records that a commit is being tried."""
        if self._uncommitted_since is None:
            self._uncommitted_since = self._clock()

    def committed(self) -> None:
        """Records that everything is committed."""
        self._uncommitted_since = None

    @property
    def stuck(self) -> str | None:
        """What has made no progress for too long; None if nothing."""
        now = self._clock()
        if now - self._polled_at > self._stuck_seconds:
            return f"no poll has returned for {now - self._polled_at:.0f} s"
        if self._uncommitted_since is not None and now - self._uncommitted_since > self._stuck_seconds:
            return f"no commit has succeeded for {now - self._uncommitted_since:.0f} s"
        return None


class LoopGuard:
    """A thread that ends the process if the event loop is blocked for too long.

    It counts its own ticks instead of reading a clock, so time in which the whole process was stopped (SIGSTOP, a suspended
    machine) does not count.
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
        """Starts watching a loop; called on the loop, or before it runs."""
        self._beat(loop)
        self._thread.start()

    def stop(self) -> None:
        """Stops watching; called on the loop."""
        self._stopped.set()
        if self._next is not None:
            self._next.cancel()

    def join(self) -> None:
        """Waits until the thread has ended."""
        self._thread.join()

    def _beat(self, loop: asyncio.AbstractEventLoop) -> None:
        self._missed = 0
        self._next = loop.call_later(self._tick_seconds, self._beat, loop)

    def _watch(self) -> None:
        while not self._stopped.wait(self._tick_seconds):
            self._missed += 1
            if self._missed > self._ticks:
                log.critical("event_loop.stuck", seconds=self._missed * self._tick_seconds)
                # The stacks of all threads show what blocks the loop.
                faulthandler.dump_traceback(file=sys.__stderr__ or sys.stderr, all_threads=True)
                self._end(EXIT_STATUS)
                return
