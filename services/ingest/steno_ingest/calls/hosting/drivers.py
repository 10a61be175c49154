"""Runs all drivers of this process: sends them ticks, checks their keys, and disconnects their peers at the stop."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog

from steno.tenants import Caller
from steno_ingest.calls.doors.port import AcceptedPeer
from steno_ingest.calls.hosting.caption_feed import Captions, EarlierPhrases
from steno_ingest.calls.hosting.driver import CallDriver
from steno_ingest.calls.hosting.host import CallHost

log = structlog.get_logger("steno.ingest.calls")

_TICK_SECONDS = 0.1
_CHECK_KEYS_TICKS = 5
_DRAIN_SECONDS = 6.0
"""How long peers may take to leave when the process stops."""


class Drivers:
    """Makes a driver for each accepted peer of any transport; a component of the service."""

    def __init__(
        self,
        host: CallHost,
        captions: Captions,
        earlier_phrases: EarlierPhrases,
        *,
        idle_seconds: float,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            idle_seconds: How long a peer may be silent before it counts as lost.
            now: Seconds of a monotonic clock.
        """
        self._host = host
        self._captions = captions
        self._earlier_phrases = earlier_phrases
        self._idle_seconds = idle_seconds
        self._now = now
        self._drivers: set[CallDriver] = set()
        self._none_left = asyncio.Event()
        self._stopping = asyncio.Event()

    @property
    def draining(self) -> bool:
        """Whether new calls are refused."""
        return self._host.draining

    @contextmanager
    def open(self, entered: AcceptedPeer, *, heartbeats: Callable[[], int] = lambda: 0) -> Iterator[CallDriver]:
        """Makes a driver for a peer, for as long as it is connected; `heartbeats`: see `CallDriver`."""
        driver = CallDriver(
            entered,
            self._host,
            self._captions,
            self._earlier_phrases,
            idle_seconds=self._idle_seconds,
            now=self._now,
            heartbeats=heartbeats,
        )
        self._drivers.add(driver)
        try:
            yield driver
        finally:
            self._drivers.discard(driver)
            if not self._drivers:
                self._none_left.set()

    async def run(self) -> None:
        """Sends ticks to the drivers until `stop`."""
        ticks = 0
        while not self._stopping.is_set():
            ticks += 1
            for driver in list(self._drivers):
                driver.tick()
            if ticks % _CHECK_KEYS_TICKS == 0:
                self._check_keys()
            await asyncio.sleep(_TICK_SECONDS)

    def _check_keys(self) -> None:
        """Passes to every driver whether its key is still valid; a key of many drivers is checked once."""
        good: dict[Caller, bool] = {}
        for driver in list(self._drivers):
            if driver.caller not in good:
                good[driver.caller] = driver.holds()
            driver.check_key(holds=good[driver.caller])

    async def stop(self) -> None:
        """Refuses new calls, asks all peers to leave, and waits a few seconds for that."""
        self._host.drain()
        for driver in list(self._drivers):
            driver.ask_to_leave("service_stopping")
        try:
            if self._drivers:
                self._none_left.clear()
                async with asyncio.timeout(_DRAIN_SECONDS):
                    await self._none_left.wait()
        except TimeoutError:
            log.warning("calls.peers_stay", connections=len(self._drivers))
        self._stopping.set()
