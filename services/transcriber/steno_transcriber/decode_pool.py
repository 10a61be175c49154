"""The threads that decode speech, shared by all recordings of the process."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from steno_transcriber import metrics

P = ParamSpec("P")
T = TypeVar("T")


PACKS_FOR_EACH_THREAD = 2
"""One being decoded and one that waits: more would hold audio in memory and gain nothing."""


class DecodePool(ThreadPoolExecutor):
    """Threads for the engine, first come first served, with a short line of packs before them.

    What stands in line is bounded over all recordings together, so memory grows with the threads and with nothing else.
    """

    def __init__(self, threads: int) -> None:
        super().__init__(max_workers=threads, thread_name_prefix="decode")
        self.places = PACKS_FOR_EACH_THREAD * threads
        self._free_places = threading.Semaphore(self.places)

    def submit(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Line up a call of the engine. Blocks while there is no place in the line."""
        self._free_places.acquire()
        metrics.DECODE_QUEUE.inc()
        try:
            future = super().submit(_measured, function, *args, **kwargs)
        except BaseException:
            metrics.DECODE_QUEUE.dec()
            self._free_places.release()
            raise
        future.add_done_callback(self._leave)
        return future

    def _leave(self, future: Future[Any]) -> None:
        self._free_places.release()
        if future.cancelled():
            metrics.DECODE_QUEUE.dec()


def _measured(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    metrics.DECODE_QUEUE.dec()
    started = time.perf_counter()
    try:
        return function(*args, **kwargs)
    finally:
        metrics.ENGINE_SECONDS.inc(time.perf_counter() - started)
