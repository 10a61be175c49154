"""Bounds the streams that are open at Azure at once; who comes too late waits in line. Used on one event loop.

Where Azure answers that there are too many, fewer are opened for a while, and then more again.
"""

import asyncio
from collections import deque
from contextlib import suppress

import structlog

from steno_transcriber import metrics

log = structlog.get_logger("steno.transcriber.azure")

RECOVERY_SECONDS = 30.0
"""How long fewer streams are opened after Azure has refused one; then twice as many, until all are allowed again."""


SAME_REFUSAL_SECONDS = 5.0
"""Refusals within so long of one that was followed are of streams that were opened before it."""


class StreamLine:
    """The places for streams, given in the order in which they were asked for."""

    def __init__(self, most: int) -> None:
        self._most = self._allowed = most
        self._open = 0
        self._line: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._recovery: asyncio.TimerHandle | None = None
        self._followed_at = float("-inf")

    @property
    def allowed(self) -> int:
        """How many may be open now."""
        return self._allowed

    async def enter(self, count: int) -> None:
        """Waits for places for so many streams of one call, and takes them."""
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._line.append((count, place))
        self._admit()
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self.leave(count)
            else:
                with suppress(ValueError):  # passed over in the line already
                    self._line.remove((count, place))
                self._admit()
            raise

    def leave(self, count: int) -> None:
        """Gives places back."""
        self._open -= count
        self._admit()

    def throttled(self) -> None:
        """Azure has refused a stream because there are too many.

        Many are refused at once; the number is halved for the first of them only.
        """
        metrics.AZURE_THROTTLED.inc()
        now = asyncio.get_running_loop().time()
        if now < self._followed_at + SAME_REFUSAL_SECONDS:
            return
        self._followed_at = now
        self._allowed = max(1, min(self._allowed, self._open) // 2)
        log.warning("azure.throttled", streams=self._allowed, most=self._most)
        if self._recovery is not None:
            self._recovery.cancel()
        self._recovery = asyncio.get_running_loop().call_later(RECOVERY_SECONDS, self._recover)

    def close(self) -> None:
        """Stops its timer."""
        if self._recovery is not None:
            self._recovery.cancel()
            self._recovery = None

    def _recover(self) -> None:
        self._allowed = min(self._most, self._allowed * 2)
        self._recovery = None
        if self._allowed < self._most:
            self._recovery = asyncio.get_running_loop().call_later(RECOVERY_SECONDS, self._recover)
        self._admit()

    def _admit(self) -> None:
        # A call with more channels than are allowed has the line for itself, rather than waiting for ever.
        while self._line and (self._open == 0 or self._open + self._line[0][0] <= self._allowed):
            count, place = self._line.popleft()
            if not place.cancelled():
                self._open += count
                place.set_result(None)
        metrics.AZURE_STREAMS.set(self._open)
        metrics.AZURE_STREAMS_WAITING.set(sum(count for count, _ in self._line))
