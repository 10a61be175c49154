"""Measures the memory of services during a test, and waits until they have no work left."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress

import aiohttp
import psutil
from prometheus_client.parser import text_string_to_metric_families
from support.suite import SuiteUnderTest

SERVICES = ("ingest", "transcriber", "enricher", "notifier")

WAITING = (
    "steno_ingest_calls_hosted",
    "steno_ingest_call_records_waiting",
    "steno_ingest_recorder_held_bytes",
    "steno_ingest_outbox_depth",
    "steno_transcriber_live_open_calls",
    "steno_transcriber_decode_queue",
    "steno_kafka_records_in_flight",
    "steno_notifier_due_deliveries",
)
"""The metrics that are zero when no work is left."""

_LOOK_EVERY_SECONDS = 0.25


class Memory:
    """The maximum memory of each service over its processes, in MB."""

    def __init__(self, suite: SuiteUnderTest) -> None:
        self._suite = suite
        self.before = self._now()
        self.most = dict(self.before)

    @property
    def grown(self) -> Mapping[str, float]:
        """The growth of each service since the start."""
        return {name: round(self.most[name] - self.before[name], 1) for name in self.before}

    async def watch(self) -> None:
        """Measures until cancelled."""
        while True:
            for name, held in self._now().items():
                self.most[name] = max(self.most[name], held)
            await asyncio.sleep(_LOOK_EVERY_SECONDS)

    def _now(self) -> dict[str, float]:
        held = {}
        for name in SERVICES:
            pid = self._suite.pid(name)
            with suppress(psutil.NoSuchProcess):
                held[name] = 0.0 if pid is None else psutil.Process(pid).memory_info().rss / 1e6
        return held


@asynccontextmanager
async def watched_memory(suite: SuiteUnderTest) -> AsyncIterator[Memory]:
    """Measures the memory of the services inside the block."""
    memory = Memory(suite)
    watching = asyncio.create_task(memory.watch())
    try:
        yield memory
    finally:
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching


async def nothing_waits(suite: SuiteUnderTest, *, seconds: float = 60) -> None:
    """Waits until no service of the suite has work left; fails if that takes too long."""
    waiting: dict[str, float] = {}
    try:
        async with aiohttp.ClientSession() as session, asyncio.timeout(seconds):
            while not waiting or any(waiting.values()):
                waiting = await _waiting(session, suite)
                await asyncio.sleep(_LOOK_EVERY_SECONDS)
    except TimeoutError:
        raise AssertionError(f"something still waits: {waiting}") from None
    assert waiting.keys() == set(WAITING)


async def _waiting(session: aiohttp.ClientSession, suite: SuiteUnderTest) -> dict[str, float]:
    found: dict[str, float] = {}
    for service in SERVICES:
        async with session.get(f"{suite.url(service)}/metrics") as answer:
            families = text_string_to_metric_families(await answer.text())
        for sample in (sample for family in families for sample in family.samples):
            if sample.name in WAITING:
                found[sample.name] = found.get(sample.name, 0) + sample.value
    return found
