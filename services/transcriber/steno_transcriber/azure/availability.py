"""Whether Azure answers live calls, or has not for so long that another engine is to take them.

Imports no adapter.
"""

import time
from collections.abc import Callable

import structlog

from steno_transcriber import metrics

log = structlog.get_logger("steno.transcriber.azure")


class Availability:
    """What the streams of a process have seen of Azure."""

    def __init__(self, fallback_seconds: float, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        """`fallback_seconds`: after so long without an answer Azure counts as unavailable; 0: never."""
        self._fallback_seconds = fallback_seconds
        self._monotonic = monotonic
        self._lost_since: float | None = None
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
        lost_seconds = self._monotonic() - self._lost_since
        if lost_seconds >= self._fallback_seconds and not self._unavailable:
            self._unavailable = True
            metrics.AZURE_UNAVAILABLE.set(1)
            log.error("azure.unavailable", seconds=round(lost_seconds, 1))
        return self._unavailable

    def lost(self) -> None:
        """A stream was lost."""
        if self._lost_since is None:
            self._lost_since = self._monotonic()

    def answered(self) -> None:
        """A stream was answered."""
        if self._unavailable:
            metrics.AZURE_UNAVAILABLE.set(0)
            log.info("azure.available")
        self._lost_since, self._unavailable = None, False
