"""Runs all drivers of this process: gives them their time, looks at their keys, and has their peers leave when it stops."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog

from steno.tenants import Caller
from steno_ingest.calls.doors.port import Entered
from steno_ingest.calls.hosting.caption_feed import Captions, SaidBefore
from steno_ingest.calls.hosting.driver import CallDriver
from steno_ingest.calls.hosting.host import CallHost

log = structlog.get_logger("steno.ingest.calls")

_TICK_SECONDS = 0.1
_LOOK_AT_KEYS_TICKS = 5
_DRAIN_SECONDS = 6.0
"""How long peers may take to end once they were asked to leave."""


class Drivers:
    """Makes a driver for each peer that was let in, whatever its transport; a component of the service."""

    def __init__(
        self,
        host: CallHost,
        captions: Captions,
        said_before: SaidBefore,
        *,
        idle_seconds: float,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            idle_seconds: After so long without a message or a sign of life a peer counts as lost.
            now: Seconds of a monotonic clock.
        """
        self._host = host
        self._captions = captions
        self._said_before = said_before
        self._idle_seconds = idle_seconds
        self._now = now
        self._drivers: set[CallDriver] = set()
        self._none_left = asyncio.Event()
        self._stopping = asyncio.Event()

    @property
    def draining(self) -> bool:
        """Whether no call is taken any more."""
        return self._host.draining

    @contextmanager
    def open(self, entered: Entered, *, lifesigns: Callable[[], int] = lambda: 0) -> Iterator[CallDriver]:
        """A driver for a peer that was let in, for as long as it is connected; `lifesigns` as `CallDriver` takes them."""
        driver = CallDriver(
            entered,
            self._host,
            self._captions,
            self._said_before,
            idle_seconds=self._idle_seconds,
            now=self._now,
            lifesigns=lifesigns,
        )
        self._drivers.add(driver)
        try:
            yield driver
        finally:
            self._drivers.discard(driver)
            if not self._drivers:
                self._none_left.set()

    async def run(self) -> None:
        """Gives the doors their time until `stop`."""
        ticks = 0
        while not self._stopping.is_set():
            ticks += 1
            for driver in list(self._drivers):
                driver.tick()
            if ticks % _LOOK_AT_KEYS_TICKS == 0:
                self._check_keys()
            await asyncio.sleep(_TICK_SECONDS)

    def _check_keys(self) -> None:
        """Has every driver know whether what its peer came in with is still good; a key of many is looked at once."""
        good: dict[Caller, bool] = {}
        for driver in list(self._drivers):
            if driver.caller not in good:
                good[driver.caller] = driver.holds()
            driver.check_key(holds=good[driver.caller])

    async def stop(self) -> None:
        """Takes no more calls, asks all peers to leave, and waits a few seconds until they have."""
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
