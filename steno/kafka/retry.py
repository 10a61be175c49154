"""What to do with a record that failed: again after a back-off, or to dead letters. Pure.

| error | decision |
|---|---|
| `Retryable` | again, for ever, with a capped back-off, or when the error says: the fault is elsewhere and will pass |
| `Permanent` | dead letters at once: the record itself is wrong |
| anything else | again a few times; then it is a fault of ours, see `steno.kafka.holding` |
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

from steno.errors import Permanent, Retryable


@dataclass(frozen=True, kw_only=True, slots=True)
class RetryPolicy:
    """How long to wait between attempts, and how many an unexpected error gets."""

    first_seconds: float = 0.5
    longest_seconds: float = 30.0
    unexpected_attempts: int = 4

    def decide(self, error: Exception, attempts: int, *, jitter: Callable[[], float] = random.random) -> float | None:
        """Seconds until the next attempt, or None for no other, after `attempts` of them (from 1)."""
        if isinstance(error, Permanent):
            return None
        if not isinstance(error, Retryable) and attempts >= self.unexpected_attempts:
            return None
        wait = self.after(attempts, jitter=jitter)
        return max(wait, error.again_in_seconds) if isinstance(error, Retryable) else wait

    def after(self, attempts: int, *, jitter: Callable[[], float] = random.random) -> float:
        """Seconds until the next attempt after `attempts` of them (from 1), where there is one in any case.

        The wait doubles with each attempt up to the longest, less a random half of it, so that what failed together does not
        come back together.
        """
        full = min(self.longest_seconds, self.first_seconds * 2.0 ** min(attempts - 1, 62))
        return full * (1 - jitter() / 2)
