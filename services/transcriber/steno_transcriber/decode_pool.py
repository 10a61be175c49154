"""A thread pool for decoding speech, shared by all calls and recordings of the process, with priorities and fair turns.

Among work of equal urgency, calls and recordings take turns, however much each has queued: one that queues much delays another
by a single utterance. Of live calls, those with the least queued come first, so that many with much queued delay another no
more. The work of one call or recording is done in order.

Work that costs less together than alone may be shared: a thread that takes some also takes what waits of its kind, and never
waits for more.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from enum import IntEnum
from functools import partial
from typing import Any, ParamSpec, TypeVar

from steno_transcriber import metrics
from steno_transcriber.fair_queue import FairQueue
from steno_transcriber.thread_priority import lower_priority

P = ParamSpec("P")
T = TypeVar("T")
I = TypeVar("I")  # noqa: E741 - an item

PACKS_FOR_EACH_THREAD = 2
"""One being decoded and one that waits: more would hold audio in memory and gain nothing."""


class Urgency(IntEnum):
    """The urgency of work, most urgent first."""

    #: What was said in a live call.
    FINAL = 0
    #: What is being said in a live call, of which nobody has heard for long.
    HYPOTHESIS = 1
    #: What was said in a live call that comes faster than it is spoken just now.
    LATE = 2
    #: A pack of a recording, or what was said in a call that is far ahead of its time: nobody waits for that just now.
    RECORDING = 3
    #: What is being said in a live call, again.
    SPARE = 4


MOST_TOGETHER = 4
"""More would gain little, and have a final wait longer."""


@dataclass(frozen=True, slots=True, eq=False)
class _Work:
    urgency: Urgency
    function: Callable[[Sequence[Any]], Sequence[Any]]
    item: Any
    #: Work of the same function with an equal kind is done together; None: alone.
    kind: Callable[[Any], Hashable] | None
    future: Future[Any]

    def shares_with(self, other: "_Work") -> bool:
        return self.kind is not None and self.function is other.function and self.kind(self.item) == self.kind(other.item)


@dataclass(frozen=True, slots=True)
class _Failure:
    error: BaseException


class DecodePool(Executor):
    """Threads for the engine, with a queue before them.

    What all recordings together have queued is bounded here; what live calls have queued is bounded by those who submit it. So
    memory grows with the number of threads only.
    """

    def __init__(self, threads: int) -> None:
        self.places = PACKS_FOR_EACH_THREAD * threads
        self._lock = threading.Lock()
        self._some = threading.Condition(self._lock)
        self._line: FairQueue[_Work] = FairQueue(len(Urgency), fewest_first={Urgency.FINAL, Urgency.LATE})
        self._free_places = self.places
        #: Recordings that wait for a place, in their order: one that is free is handed to the first.
        self._wait_for_place: deque[threading.Event] = deque()
        #: Work that waits, and threads at work.
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
        """Queue a pack of a recording, from the thread of the recording. Blocks while the queue is full.

        Raises:
            RuntimeError: the pool was shut down.
        """
        self._acquire_place()
        try:
            future = self._enqueue(Urgency.RECORDING, threading.get_ident(), partial(function, *args, **kwargs))
        except BaseException:
            self._release_place()
            raise
        future.add_done_callback(lambda _: self._release_place())
        return future

    def submit_urgent(
        self, urgency: Urgency, owner: Hashable, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> Future[T]:
        """Queue work for a live call, without blocking. `owner` identifies the call.

        Raises:
            RuntimeError: the pool was shut down.
        """
        return self._enqueue(urgency, owner, partial(function, *args, **kwargs))

    def submit_shared(
        self,
        urgency: Urgency,
        owner: Hashable,
        function: Callable[[Sequence[I]], Sequence[T]],
        item: I,
        *,
        kind: Callable[[I], Hashable],
    ) -> Future[T]:
        """As `submit_urgent`, for a function of several items that gives a result for each.

        It is called with this item and up to `MOST_TOGETHER` - 1 others that wait then, are as urgent, and of the same kind.
        After an error with several, each is tried alone.

        Args:
            kind: Of an item. Cheap; called in any thread, when work begins.
        """
        return self._line_up(_Work(urgency, function, item, kind, Future()), owner)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Accept no more work; what is queued is done, or cancelled."""
        with self._lock:
            self._ended = True
            waiting = self._line.clear() if cancel_futures else []
            self._some.notify_all()
        for work in waiting:
            work.future.cancel()
        if wait:
            for thread in self._threads:
                thread.join()

    def _enqueue(self, urgency: Urgency, owner: Hashable, function: Callable[[], T]) -> Future[T]:
        return self._line_up(_Work(urgency, lambda _: (function(),), None, None, Future()), owner)

    def _line_up(self, work: _Work, owner: Hashable) -> Future[Any]:
        with self._lock:
            if self._ended:
                raise RuntimeError("the pool was shut down")
            self._under_way += 1
            metrics.DECODE_QUEUE.inc()
            self._line.put(work.urgency, owner, work)
            self._some.notify()
        work.future.add_done_callback(self._leave_if_cancelled)
        return work.future

    def _acquire_place(self) -> None:
        with self._lock:
            if self._free_places:
                self._free_places -= 1
                return
            free = threading.Event()
            self._wait_for_place.append(free)
        free.wait()

    def _release_place(self) -> None:
        with self._lock:
            if self._wait_for_place:
                self._wait_for_place.popleft().set()
            else:
                self._free_places += 1

    def _leave_if_cancelled(self, future: Future[Any]) -> None:
        if future.cancelled():
            metrics.DECODE_QUEUE.dec()
            with self._lock:
                self._under_way -= 1

    def _decode(self) -> None:
        lower_priority()
        while works := self._next():
            self._run([work for work in works if work.future.set_running_or_notify_cancel()])
            del works  # it may hold audio

    def _next(self) -> list[_Work]:
        """Wait for the next work, and give it with what is shared; nothing once all is done and the pool is shut down."""
        with self._lock:
            while not self._line:
                if self._ended:
                    return []
                self._some.wait()
            work = self._line.get()
            return [work, *self._line.get_more(work.urgency, work.shares_with, most=MOST_TOGETHER - 1)]

    def _run(self, works: Sequence[_Work]) -> None:
        if not works:
            return
        metrics.DECODE_QUEUE.dec(len(works))
        with self._lock:
            self._under_way -= len(works) - 1  # in one thread
        started = time.perf_counter()
        results = _results(works)
        metrics.ENGINE_SECONDS.inc(time.perf_counter() - started)
        with self._lock:
            self._under_way -= 1
        for work, result in zip(works, results, strict=True):
            if isinstance(result, _Failure):
                work.future.set_exception(result.error)
            else:
                work.future.set_result(result)


def _results(works: Sequence[_Work]) -> list[Any]:
    """The results of work that is done together, or a `_Failure` for each that fails alone, too."""
    try:
        done = works[0].function([work.item for work in works])
        return [result for _, result in zip(works, done, strict=True)]
    except BaseException as error:  # noqa: BLE001 - told to whoever waits for the result
        return [_Failure(error)] if len(works) == 1 else [result for work in works for result in _results([work])]
