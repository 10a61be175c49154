"""What failed by a fault of ours and is to be done again after a while: of each webhook the newest."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from steno.kafka import RetryPolicy

Work = Callable[[], Awaitable[None]]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Failed:
    work: Work
    attempts: int
    due: float


class Again:
    """Work that failed, by the id of its webhook; each time it waits twice as long, up to ten minutes, never given up."""

    def __init__(self, *, first_seconds: float = 1.0, clock: Callable[[], float] = time.monotonic) -> None:
        """
        Args:
            first_seconds: How long it waits at first.
            clock: Seconds of a monotonic clock.
        """
        self._retry = RetryPolicy(first_seconds=first_seconds, longest_seconds=600)
        self._clock = clock
        self._failed: dict[str, _Failed] = {}

    def __bool__(self) -> bool:
        """Whether anything waits."""
        return bool(self._failed)

    def failed(self, webhook_id: str, work: Work) -> float:
        """This failed; gives the seconds until it is due again. What was to be done for its webhook before counts no more."""
        before = self._failed.get(webhook_id)
        attempts = 1 if before is None else before.attempts + 1
        seconds = self._retry.after(attempts)
        self._failed[webhook_id] = _Failed(work=work, attempts=attempts, due=self._clock() + seconds)
        return seconds

    def done(self, webhook_id: str) -> None:
        """What is newest of this webhook is done."""
        self._failed.pop(webhook_id, None)

    def due(self) -> list[tuple[str, Work]]:
        """What is to be done again now."""
        now = self._clock()
        return [(webhook_id, failed.work) for webhook_id, failed in self._failed.items() if failed.due <= now]
