"""The threads that decode speech, shared by all recordings of the process."""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from steno_transcriber import metrics

P = ParamSpec("P")
T = TypeVar("T")


class DecodePool(ThreadPoolExecutor):
    """Threads for the engine, first come first served; measures what waits for them and how long they work."""

    def __init__(self, threads: int) -> None:
        super().__init__(max_workers=threads, thread_name_prefix="decode")
        self.threads = threads

    def submit(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Line up a call of the engine."""
        metrics.DECODE_QUEUE.inc()
        future = super().submit(_measured, function, *args, **kwargs)
        future.add_done_callback(_leave_queue_if_cancelled)
        return future


def _measured(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    metrics.DECODE_QUEUE.dec()
    started = time.perf_counter()
    try:
        return function(*args, **kwargs)
    finally:
        metrics.ENGINE_SECONDS.inc(time.perf_counter() - started)


def _leave_queue_if_cancelled(future: Future[Any]) -> None:
    if future.cancelled():
        metrics.DECODE_QUEUE.dec()
