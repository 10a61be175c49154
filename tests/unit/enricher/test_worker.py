"""The life of the worker, without a broker."""

import asyncio
from collections.abc import Iterator

import pytest
from steno_enricher import worker as worker_module
from steno_enricher.faust_app import App
from steno_enricher.worker import Worker
from support.kernel import CODEC

from steno.kafka.dead_letters import DeadLetters
from steno.kafka.producer import Producer
from steno.settings import KafkaSettings, TopicSettings

NOBODY = KafkaSettings(bootstrap_servers="127.0.0.1:1")


def _worker(*, sweep_seconds: float = 60) -> Worker:
    return Worker(
        kafka=NOBODY,
        topics=TopicSettings(),
        codec=CODEC,
        dead_letters=DeadLetters(Producer(NOBODY, TopicSettings(), CODEC, source="enricher"), "enricher"),
        instance="0",
        drain_seconds=1,
        stuck_seconds=60,
        sweep_seconds=sweep_seconds,
    )


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
