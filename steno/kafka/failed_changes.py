"""Keeps the failed changes of a followed table, the newest of each key, and the time of each retry. Pure."""

import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

from steno.retry import RetryPolicy

Change = Callable[[], Awaitable[None]]
"""Applies a record to its key."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Failed:
    change: Change
    attempts: int
    due: float


class FailedChanges:
    """Failed changes, by key. The wait doubles at each failure, up to ten minutes; no change is ever given up."""

    def __init__(self, *, first_seconds: float = 1.0, clock: Callable[[], float] = time.monotonic) -> None:
        """
        Args:
            first_seconds: How long a change waits after its first failure.
            clock: Seconds of a monotonic clock.
        """
        self._retry = RetryPolicy(first_seconds=first_seconds, longest_seconds=600)
        self._clock = clock
        self._failed: dict[str, _Failed] = {}

    def __bool__(self) -> bool:
        """Whether any change waits."""
        return bool(self._failed)

    def __iter__(self) -> Iterator[str]:
        """The keys with a waiting change."""
        return iter(self._failed)

    def __contains__(self, key: str) -> bool:
        """Whether a change of a key waits."""
        return key in self._failed

    def add(self, key: str, change: Change) -> float:
        """Adds a failed change, in place of an older one of its key; returns the seconds until its retry."""
        before = self._failed.get(key)
        attempts = 1 if before is None else before.attempts + 1
        seconds = self._retry.after(attempts)
        self._failed[key] = _Failed(change=change, attempts=attempts, due=self._clock() + seconds)
        return seconds

    def discard(self, key: str) -> None:
        """Removes the change of a key, since a newer one was applied."""
        self._failed.pop(key, None)

    def due(self) -> list[tuple[str, Change]]:
        """The changes whose retry is due."""
        now = self._clock()
        return [(key, failed.change) for key, failed in self._failed.items() if failed.due <= now]
