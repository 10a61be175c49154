"""The threads that decode speech, shared by all calls and recordings of the process: the most urgent first."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from enum import IntEnum
from functools import partial
from itertools import count
from queue import Empty, PriorityQueue
from typing import Any, ParamSpec, TypeVar

from steno_transcriber import metrics

P = ParamSpec("P")
T = TypeVar("T")


PACKS_FOR_EACH_THREAD = 2
"""One being decoded and one that waits: more would hold audio in memory and gain nothing."""


class Urgency(IntEnum):
    """Who comes first; among equals, who came first."""

    #: What was said in a live call.
    FINAL = 0
    #: What is being said in a live call, of which nobody has heard for long.
    HYPOTHESIS = 1
    #: A pack of a recording.
    RECORDING = 2
    #: What is being said in a live call, again.
    SPARE = 3


_END = len(Urgency)
"""Behind all work, where the threads end."""

_Work = tuple[Callable[[], Any], Future[Any]]


class DecodePool(Executor):
    """Threads for the engine, with a line before them.

    What recordings have in line is bounded over all of them together; what live calls have there is bounded by who lines it
    up. So memory grows with the threads and with nothing else.
    """

    def __init__(self, threads: int) -> None:
        self.places = PACKS_FOR_EACH_THREAD * threads
        self._free_places = threading.Semaphore(self.places)
        self._line: PriorityQueue[tuple[int, int, _Work | None]] = PriorityQueue()
        self._numbers = count()
        self._lock = threading.Lock()
        self._under_way = 0
        self._ended = False
        # Daemons: a process that dies of an error does not wait for what was lined up.
        self._threads = [threading.Thread(target=self._decode, name=f"decode_{index}", daemon=True) for index in range(threads)]
        for thread in self._threads:
            thread.start()

    @property
    def idle(self) -> bool:
        """Whether a thread has nothing to do."""
        return self._under_way < len(self._threads)

    def submit(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Line up a pack of a recording. Blocks while there is no place in the line.

        Raises:
            RuntimeError: the pool was shut down.
        """
        self._free_places.acquire()
        try:
            future = self._line_up(Urgency.RECORDING, partial(function, *args, **kwargs))
        except BaseException:
            self._free_places.release()
            raise
        future.add_done_callback(lambda _: self._free_places.release())
        return future

    def submit_urgent(self, urgency: Urgency, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Line up a call of the engine, without blocking.

        Raises:
            RuntimeError: the pool was shut down.
        """
        return self._line_up(urgency, partial(function, *args, **kwargs))

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take nothing more; what was lined up is done, or cancelled."""
        with self._lock:
            self._ended = True
        if cancel_futures:
            self._cancel_waiting()
        self._line.put((_END, next(self._numbers), None))
        if wait:
            for thread in self._threads:
                thread.join()

    def _line_up(self, urgency: Urgency, function: Callable[[], T]) -> Future[T]:
        future: Future[T] = Future()
        with self._lock:
            if self._ended:
                raise RuntimeError("the pool was shut down")
            self._under_way += 1
            metrics.DECODE_QUEUE.inc()
            self._line.put((urgency, next(self._numbers), (function, future)))
        future.add_done_callback(self._leave)
        return future

    def _leave(self, future: Future[Any]) -> None:
        with self._lock:
            self._under_way -= 1
        if future.cancelled():
            metrics.DECODE_QUEUE.dec()

    def _cancel_waiting(self) -> None:
        while True:
            try:
                _, _, work = self._line.get_nowait()
            except Empty:
                return
            if work is not None:
                work[1].cancel()

    def _decode(self) -> None:
        while (work := self._line.get()[2]) is not None:
            _run(*work)
            del work  # it may hold audio
        self._line.put((_END, next(self._numbers), None))  # for the next thread


def _run(function: Callable[[], T], future: Future[T]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    metrics.DECODE_QUEUE.dec()
    started = time.perf_counter()
    try:
        result = function()
    except BaseException as error:  # noqa: BLE001 - told to whoever waits for the result
        future.set_exception(error)
    else:
        future.set_result(result)
    finally:
        metrics.ENGINE_SECONDS.inc(time.perf_counter() - started)
