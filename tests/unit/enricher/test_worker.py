"""The life of the worker, without a broker."""

import asyncio
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
from steno_enricher import worker as worker_module
from steno_enricher.faust_app import App
from steno_enricher.worker import Worker
from support.kernel import CODEC, cluster_without_broker, until

from steno.events.catalogue import PHRASES
from steno.events.records import Phrase
from steno.kafka.held_records import AT_START
from steno.kafka.messages import Message


def _worker(*, sweep_seconds: float = 60) -> Worker:
    return Worker(cluster_without_broker("enricher", drain_seconds=1), stuck_seconds=60, sweep_seconds=sweep_seconds)


async def test_one_that_fails_at_once_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """What breaks before the work begins ends `run`, and `stop` returns."""

    def fail(_app: App) -> None:
        raise RuntimeError("no consumer to be had")

    monkeypatch.setattr(App, "done_consumer", property(fail))
    worker = _worker()
    with pytest.raises(RuntimeError, match="no consumer"):
        await worker.run()
    async with asyncio.timeout(1):
        await worker.stop()


class _Sweeps:
    """An enricher that notes when it is told to sweep."""

    def __init__(self, moments: Iterator[float]) -> None:
        self._moments = moments
        self.now = 0.0
        self.swept_at: list[float] = []
        self.enough = asyncio.Event()

    def monotonic(self) -> float:
        """The next moment, each time somebody looks at the clock."""
        self.now = next(self._moments, self.now)
        return self.now

    async def sweep(self) -> int:
        self.swept_at.append(self.now)
        self.enough.set()
        return 0


async def test_a_process_that_stood_still_does_not_sweep_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its rows may be another one's by now: the sweep that falls due first is left out."""
    worker = _worker(sweep_seconds=0.001)
    sweeps = _Sweeps(iter([100.0, 160.0, 160.0, 160.001]))
    monkeypatch.setattr(worker_module, "time", sweeps)
    monkeypatch.setattr(Worker, "ready", lambda _self: True)
    monkeypatch.setattr(worker, "_enricher", sweeps)
    sweeping = asyncio.create_task(worker._sweep())
    async with asyncio.timeout(5):
        await sweeps.enough.wait()
    sweeping.cancel()
    assert sweeps.swept_at[0] == 160.001


class _Commits:
    """A consumer that notes what is said to be done and held."""

    def __init__(self) -> None:
        self.done_keys: list[bytes] = []
        self.held: list[bytes] = []
        self.waited = 0

    def note_progress(self) -> None:
        self.waited += 1

    def mark_done(self, message: Any) -> None:
        self.done_keys.append(message.key)

    def hold(self, message: Any) -> None:
        self.held.append(message.key)


def _phrase(call_id: str, offset: int) -> Any:
    phrase = Phrase(
        call_id=call_id,
        recording_id="r",
        phrase_id="p",
        sequence=0,
        channel=0,
        start_ms=0,
        duration_ms=1,
        text="x",
        words=(),
        confidence=1,
    )
    return SimpleNamespace(
        topic="steno.phrases",
        partition=0,
        offset=offset,
        timestamp=1_767_225_600.5,
        key=call_id.encode(),
        value=CODEC.encode(phrase),
        headers=(),
        generation_id=0,
    )


async def test_what_fails_by_a_fault_of_ours_holds_up_nothing_and_comes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """All is held while nothing goes through; phrases of other calls are handled meanwhile; when the fault goes, it is done."""
    worker, commits, put_aside = _worker(), _Commits(), []
    broken = {f"c{number}" for number in range(6)}

    async def enrich(message: Message) -> None:
        if message.key in broken:
            raise KeyError("a bug")

    async def put(raw: Any, _error: BaseException, _attempts: int) -> None:
        put_aside.append(raw.key)

    monkeypatch.setattr(App, "done_consumer", property(lambda _app: commits))
    monkeypatch.setattr(worker_module, "pause", lambda _seconds, _stopping: asyncio.sleep(0))
    monkeypatch.setattr(worker._cluster.dead_letters, "put", put)
    worker.set_handler(cast(Any, enrich), preparing=asyncio.create_task(asyncio.sleep(0)))
    for number in range(6):
        await worker._handle(_phrase(f"c{number}", number))
    assert len(put_aside) == AT_START
    assert len(commits.held) == 6 - AT_START
    assert not worker.holds_nothing()
    broken.clear()
    await worker._handle(_phrase("good", 6))
    again = asyncio.create_task(worker._work_on_held())
    worker._check_held()
    await until(worker.holds_nothing)
    again.cancel()
    assert sorted(commits.done_keys) == [*(b"c%d" % number for number in range(6)), b"good"]
    assert PHRASES.bad_records_to == "enricher"


async def test_more_bytes_than_may_be_held_let_no_other_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """However few messages they are of; what goes through makes room again."""
    worker, commits, broken = _worker(), _Commits(), [True]

    async def enrich(_message: Message) -> None:
        if broken:
            raise KeyError("a bug")

    async def put(_raw: Any, _error: BaseException, _attempts: int) -> None:
        pass

    monkeypatch.setattr(App, "done_consumer", property(lambda _app: commits))
    monkeypatch.setattr(worker_module, "pause", lambda _seconds, _stopping: asyncio.sleep(0))
    monkeypatch.setattr(worker._cluster.dead_letters, "put", put)
    monkeypatch.setattr(worker_module, "_MOST_HELD_BYTES", 1)
    worker.set_handler(cast(Any, enrich), preparing=asyncio.create_task(asyncio.sleep(0)))
    for number in range(AT_START + 1):
        await worker._handle(_phrase(f"c{number}", number))
    assert (len(commits.held), commits.waited) == (1, 0)
    another = asyncio.create_task(worker._handle(_phrase("good", 9)))
    await until(lambda: commits.waited > 3)
    assert not another.done()
    broken.clear()
    again = asyncio.create_task(worker._work_on_held())
    worker._again.put_nowait(next(iter(worker._held)))
    async with asyncio.timeout(5):
        await another
    again.cancel()
    assert worker.holds_nothing()
