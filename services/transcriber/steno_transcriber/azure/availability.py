"""Whether Azure answers live calls, or has not for so long that another engine is to take them.

Imports no adapter.
"""

import time
from collections.abc import Callable

import structlog

from steno_transcriber import metrics

log = structlog.get_logger("steno.transcriber.azure")

FORGOTTEN_SECONDS = 300.0
"""A call that waits for Azure tries it much more often: without a loss for so long, nobody has asked it since."""


class Availability:
    """What the streams of a process have seen of Azure."""

    def __init__(self, fallback_seconds: float, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        """`fallback_seconds`: after so long without an answer Azure counts as unavailable; 0: never."""
        self._fallback_seconds = fallback_seconds
        self._monotonic = monotonic
        self._lost_since: float | None = None
        self._lost_last = 0.0
        self._unavailable = False

    @property
    def in_doubt(self) -> bool:
        """Whether nothing was answered since a stream was lost."""
        return self._lost_since is not None

    @property
    def unavailable(self) -> bool:
        """Whether nothing was answered for so long that another engine is to take calls."""
        if self._lost_since is None or not self._fallback_seconds:
            return False
        now = self._monotonic()
        if not self._unavailable and now - self._lost_last > FORGOTTEN_SECONDS:
            self._lost_since = None
            return False
        lost_seconds = now - self._lost_since
        if lost_seconds >= self._fallback_seconds and not self._unavailable:
            self._unavailable = True
            metrics.AZURE_UNAVAILABLE.set(1)
            log.error("azure.unavailable", seconds=round(lost_seconds, 1))
        return self._unavailable

    def lost(self) -> None:
        """A stream was lost."""
        self._lost_last = self._monotonic()
        if self._lost_since is None:
            self._lost_since = self._lost_last

    def answered(self) -> None:
        """A stream was answered."""
        if self._unavailable:
            metrics.AZURE_UNAVAILABLE.set(0)
            log.info("azure.available")
        self._lost_since, self._unavailable = None, False
