"""Measures the delay of the event loop, which shows whether the machine has time to spare.

That counts what waits in this process and what other processes do with the cores; no clock but this machine's is looked at.
"""

import asyncio
import time
from collections.abc import Callable

LATE_SECONDS = 0.005
"""Later than this on average, what is needed comes later by what is not."""

_LOOK_EVERY_SECONDS = 0.05
_WEIGHT = 0.1
"""Of one look, so that half a second counts."""


class LoopLag:
    """A component of the service (`run`, `stop`)."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._late = 0.0
        self._stopping = False

    @property
    def spare(self) -> bool:
        """Whether there is time for optional work."""
        return self._late <= LATE_SECONDS

    def add_delay(self, late: float) -> None:
        """Adds a measured delay, in seconds."""
        self._late += _WEIGHT * (late - self._late)

    async def run(self) -> None:
        """Looks until `stop`."""
        while not self._stopping:
            due = self._clock() + _LOOK_EVERY_SECONDS
            await asyncio.sleep(_LOOK_EVERY_SECONDS)
            self.add_delay(max(0.0, self._clock() - due))

    async def stop(self) -> None:
        """Has `run` return."""
        self._stopping = True
