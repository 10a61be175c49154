"""The line before the engine: who comes first, who waits, and what an end leaves behind."""

import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st
from steno_transcriber import metrics
from steno_transcriber.decode_pool import DecodePool, Urgency

WAITS_SECONDS = 10


@contextmanager
def busy(pool: DecodePool) -> Iterator[None]:
    """All threads of the pool are at work meanwhile."""
    begun, go_on = [threading.Event() for _ in range(len(pool._threads))], threading.Event()

    def work(began: threading.Event) -> None:
        began.set()
        assert go_on.wait(WAITS_SECONDS)

    working = [pool.submit_urgent(Urgency.FINAL, "call", work, began) for began in begun]
    for began in begun:
        assert began.wait(WAITS_SECONDS)
    try:
        yield
    finally:
        go_on.set()
        for work_of_one in working:
            work_of_one.result(WAITS_SECONDS)


@given(st.lists(st.sampled_from([Urgency.FINAL, Urgency.HYPOTHESIS, Urgency.SPARE])))
def test_the_most_urgent_comes_first_and_among_equals_the_first(line: list[Urgency]) -> None:
    """Whatever the order in which they were lined up."""
    done: list[tuple[Urgency, int]] = []
    with DecodePool(1) as pool, busy(pool):
        for number, urgency in enumerate(line):
            pool.submit_urgent(urgency, "call", done.append, (urgency, number))
    assert done == sorted((urgency, number) for number, urgency in enumerate(line))


def test_live_calls_come_before_recordings_and_spare_captions_behind_them() -> None:
    """A pack that waits lets finals and captions that are due pass."""
    done: list[str] = []
    with DecodePool(1) as pool, busy(pool):
        pool.submit_urgent(Urgency.SPARE, "call", done.append, "spare")
        pool.submit(done.append, "recording")
        pool.submit_urgent(Urgency.HYPOTHESIS, "call", done.append, "hypothesis")
        pool.submit_urgent(Urgency.FINAL, "call", done.append, "final")
    assert done == ["final", "hypothesis", "recording", "spare"]


def test_only_recordings_wait_for_a_place() -> None:
    """With all places taken a live call is lined up at once, and the next pack when one is done."""
    lined_up = threading.Event()
    with DecodePool(1) as pool:
        with busy(pool):
            packs = [pool.submit(int) for _ in range(pool.places)]

            def one_more() -> None:
                packs.append(pool.submit(int))
                lined_up.set()

            recording = threading.Thread(target=one_more)
            recording.start()
            finals = [pool.submit_urgent(Urgency.FINAL, "call", int) for _ in range(10 * pool.places)]
            assert not lined_up.is_set()
        recording.join(WAITS_SECONDS)
        assert lined_up.is_set()
        assert [future.result(WAITS_SECONDS) for future in [*packs, *finals]] == [0] * (11 * pool.places + 1)


def test_a_pack_that_is_cancelled_gives_its_place_back() -> None:
    """And is never begun."""
    with DecodePool(1) as pool:
        done: list[int] = []
        with busy(pool):
            packs = [pool.submit(done.append, 1) for _ in range(pool.places)]
            assert all(pack.cancel() for pack in packs)
            more = [pool.submit(done.append, 2) for _ in range(pool.places)]
        for pack in more:
            pack.result(WAITS_SECONDS)
    assert done == [2] * len(more)


def test_it_is_idle_while_a_thread_has_nothing_to_do() -> None:
    """What waits, and what is being done, counts; what is done or cancelled does not."""
    with DecodePool(2) as pool:
        assert pool.idle
        with busy(pool):
            assert not pool.idle
            pool.submit_urgent(Urgency.SPARE, "call", int).cancel()
            assert not pool.idle
        assert pool.idle


def test_an_error_is_told_to_who_asked_and_the_thread_goes_on() -> None:
    """An engine that fails once decodes the next."""
    with DecodePool(1) as pool:
        failed = pool.submit(int, "no number")
        fine = pool.submit(int, "7")
        with pytest.raises(ValueError, match="no number"):
            failed.result(WAITS_SECONDS)
        assert fine.result(WAITS_SECONDS) == 7


class Shared:
    """Work that can be done together, by kind."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []

    def __call__(self, items: Sequence[str]) -> list[str]:
        self.batches.append(list(items))
        if "fault" in items:
            raise ValueError("a fault")
        return [item.upper() for item in items]

    def submit(self, pool: DecodePool, item: str, *, call: str, urgency: Urgency = Urgency.HYPOTHESIS) -> Future[str]:
        return pool.submit_shared(urgency, call, self, item, kind=len)


def test_what_waits_and_is_of_a_kind_is_done_together() -> None:
    """Of one urgency and one function, four at most; each gets its own result."""
    shared, other = Shared(), Shared()
    with DecodePool(1) as pool:
        with busy(pool):
            results = [shared.submit(pool, item, call=item) for item in ("a", "bb", "c", "d", "e", "f")]
            other.submit(pool, "g", call="g")
            shared.submit(pool, "h", call="h", urgency=Urgency.SPARE)
        assert [result.result(WAITS_SECONDS) for result in results] == ["A", "BB", "C", "D", "E", "F"]
    assert shared.batches == [["a", "c", "d", "e"], ["bb"], ["f"], ["h"]]
    assert other.batches == [["g"]]


def test_what_is_shared_waits_for_nothing_and_behind_what_is_urgent() -> None:
    """A final that waits is first, and a hypothesis that is alone is done alone."""
    shared, done = Shared(), list[int]()
    with DecodePool(1) as pool:
        assert shared.submit(pool, "a", call="a").result(WAITS_SECONDS) == "A"
        with busy(pool):
            behind = [shared.submit(pool, item, call=item) for item in "bc"]
            for result in behind:
                result.add_done_callback(lambda _: done.append(1))
            pool.submit_urgent(Urgency.FINAL, "call", lambda: done.append(0))
    assert shared.batches == [["a"], ["b", "c"]]
    assert done == [0, 1, 1]


def test_calls_take_turns_at_what_is_shared() -> None:
    """A call with more waiting comes again behind the others."""
    shared = Shared()
    with DecodePool(1) as pool, busy(pool):
        for item, call in (("a", "1"), ("b", "1"), ("c", "2"), ("d", "1"), ("e", "3")):
            shared.submit(pool, item, call=call)
    assert shared.batches == [["a", "c", "e", "b"], ["d"]]


def test_an_error_among_what_is_shared_costs_its_own_only() -> None:
    """The others are done again, without it."""
    shared = Shared()
    with DecodePool(1) as pool:
        with busy(pool):
            results = {item: shared.submit(pool, item, call=item) for item in ("first", "fault", "other")}
        assert results["first"].result(WAITS_SECONDS) == "FIRST"
        assert results["other"].result(WAITS_SECONDS) == "OTHER"
        with pytest.raises(ValueError, match="a fault"):
            results["fault"].result(WAITS_SECONDS)


def test_what_is_cancelled_is_not_done_with_others() -> None:
    """Nor counted as waiting."""
    shared = Shared()
    with DecodePool(1) as pool:
        with busy(pool):
            results = [shared.submit(pool, item, call=item) for item in "abc"]
            assert results[1].cancel()
        assert results[2].result(WAITS_SECONDS) == "C"
        assert pool.idle
    assert shared.batches == [["a", "c"]]


def test_what_is_done_together_keeps_one_thread_from_being_idle() -> None:
    """Not as many as there are items."""
    begun, go_on = threading.Event(), threading.Event()

    def work(items: Sequence[int]) -> Sequence[int]:
        begun.set()
        assert go_on.wait(WAITS_SECONDS)
        return items

    with DecodePool(2) as pool:
        with busy(pool):
            results = [pool.submit_shared(Urgency.HYPOTHESIS, item, work, item, kind=bool) for item in range(1, 4)]
        assert begun.wait(WAITS_SECONDS)
        assert pool.idle
        go_on.set()
        assert [result.result(WAITS_SECONDS) for result in results] == [1, 2, 3]


def test_an_end_waits_for_what_was_lined_up() -> None:
    """Unless told otherwise; and nothing is taken afterwards."""
    done: list[int] = []
    pool = DecodePool(2)
    for number in range(20):
        pool.submit_urgent(Urgency.SPARE, "call", done.append, number)
    pool.shutdown()
    assert sorted(done) == list(range(20))
    with pytest.raises(RuntimeError, match="shut down"):
        pool.submit(int)
    with pytest.raises(RuntimeError, match="shut down"):
        pool.submit_urgent(Urgency.FINAL, "call", int)


def test_an_end_can_cancel_what_waits() -> None:
    """What runs is done; what waits is cancelled, and so is who waits for a place."""
    refused: list[BaseException] = []
    pool = DecodePool(1)
    waiting: list[Future[int]] = []
    with busy(pool):
        waiting += [pool.submit(int) for _ in range(pool.places)]

        def one_more() -> None:
            try:
                pool.submit(int)
            except RuntimeError as error:
                refused.append(error)

        recording = threading.Thread(target=one_more)
        recording.start()
        pool.shutdown(wait=False, cancel_futures=True)
        recording.join(WAITS_SECONDS)
    pool.shutdown()
    assert len(refused) == 1
    for future in waiting:
        with pytest.raises(CancelledError):
            future.result(WAITS_SECONDS)


def test_what_waits_is_counted() -> None:
    """The gauge shows the line, and comes back to where it was."""
    before = metrics.DECODE_QUEUE._value.get()
    with DecodePool(1) as pool, busy(pool):
        cancelled = [pool.submit_urgent(Urgency.SPARE, "call", int) for _ in range(2)]
        pool.submit_urgent(Urgency.HYPOTHESIS, "call", int)
        assert metrics.DECODE_QUEUE._value.get() == before + 3
        for future in cancelled:
            future.cancel()
        assert metrics.DECODE_QUEUE._value.get() == before + 1
    assert metrics.DECODE_QUEUE._value.get() == before


@given(st.lists(st.tuples(st.sampled_from([Urgency.RECORDING, Urgency.SPARE]), st.sampled_from("abc")), max_size=30))
def test_calls_take_turns_among_what_is_equally_urgent(line: list[tuple[Urgency, str]]) -> None:
    """Each call's own in its order; between two of one call every other that waited has had one."""
    done: list[tuple[Urgency, str, int]] = []
    with DecodePool(1) as pool, busy(pool):
        for number, (urgency, call) in enumerate(line):
            pool.submit_urgent(urgency, call, done.append, (urgency, call, number))
    assert [urgency for urgency, _, _ in done] == sorted(urgency for urgency, _ in line)
    for urgency in (Urgency.RECORDING, Urgency.SPARE):
        rounds = [(call, number) for of, call, number in done if of is urgency]
        for call in "abc":
            own = [number for of, number in rounds if of == call]
            assert own == sorted(own)
        for place, (call, _) in enumerate(rounds):
            between = next(
                (rounds[place + 1 : later] for later in range(place + 1, len(rounds)) if rounds[later][0] == call), None
            )
            if between is not None:
                assert {of for of, _ in between} == {of for of, _ in rounds[place + 1 :]} - {call}


@given(st.lists(st.sampled_from("abc"), max_size=30))
def test_of_live_calls_those_with_the_least_in_line_come_first(line: list[str]) -> None:
    """Each call's own in its order; of those with as much as another, each in turn."""
    done: list[tuple[str, int]] = []
    with DecodePool(1) as pool, busy(pool):
        for number, call in enumerate(line):
            pool.submit_urgent(Urgency.FINAL, call, done.append, (call, number))
    left = Counter(line)
    for call, _ in done:
        assert left[call] == min(left.values())
        left -= Counter(call)
    for call in "abc":
        own = [number for of, number in done if of == call]
        assert own == sorted(own)


@pytest.mark.parametrize(
    ("urgency", "expected"),
    [(Urgency.FINAL, ["call", "flood", "flood"]), (Urgency.RECORDING, ["flood", "call", "flood"])],
)
def test_one_call_of_which_much_came_delays_another_by_one_utterance_at_most(urgency: Urgency, expected: list[str]) -> None:
    """However much of it waits."""
    done: list[str] = []
    with DecodePool(1) as pool, busy(pool):
        for _ in range(1000):
            pool.submit_urgent(urgency, "flood", done.append, "flood")
        pool.submit_urgent(urgency, "call", done.append, "call")
    assert done[:3] == expected


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a thread has no niceness of its own")
def test_decoding_yields_to_everything_else() -> None:
    """Its threads, and no other of the process."""
    with DecodePool(1) as pool:
        niceness = pool.submit(lambda: os.getpriority(os.PRIO_PROCESS, threading.get_native_id())).result()
    assert niceness > os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


def test_a_recording_of_thousands_of_packs_does_not_delay_another() -> None:
    """The other one's packs get places in turn, and are decoded in turn."""
    done: list[str] = []
    with DecodePool(1) as pool:
        with busy(pool):
            long = threading.Thread(target=lambda: [pool.submit(done.append, "long") for _ in range(2000)])
            long.start()
            _until(lambda: len(pool._wait_for_place) == 1)
            short = threading.Thread(target=lambda: [pool.submit(done.append, "short") for _ in range(20)])
            short.start()
            _until(lambda: len(pool._wait_for_place) == 2)
        short.join(WAITS_SECONDS)
        long.join(WAITS_SECONDS)
    assert len(done) == 2020
    # How the threads take turns at the interpreter is not the pool's to say: one that waits may be let on a little later.
    last = max(place for place, of in enumerate(done) if of == "short")
    assert last < 1000


def _until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAITS_SECONDS
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.001)
