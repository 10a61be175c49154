"""Retries: how long to wait before the next attempt at something that failed, and the loop that makes the attempts.

Imports no adapter.

| error | decision |
|---|---|
| `Retryable` | again, for ever, with a capped back-off, or when the error says: the fault is elsewhere and will pass |
| `Permanent` | not again: the input itself is wrong |
| anything else | again a few times in a row: it is a fault of ours, and may be one of the moment |
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from steno.errors import Permanent, Retryable

T = TypeVar("T")


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


EACH_SECOND = RetryPolicy(first_seconds=1.0, longest_seconds=1.0, unexpected_attempts=1)
"""A dependency that is away is asked again about each second, for ever; no other error is retried."""


async def retry(
    step: Callable[[], Awaitable[T]],
    policy: RetryPolicy,
    *,
    failed: Callable[[Exception, float], None],
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> T:
    """Takes a step again and again until it succeeds; returns what it returned, and raises what the policy does not retry.

    An unexpected error after a dependency was away is the first again, and the other way round.

    Args:
        failed: Told of each error that is retried, and of the seconds until then: logs it.
    """
    attempts, away = 0, False
    while True:
        try:
            return await step()
        except Exception as error:
            attempts = attempts + 1 if isinstance(error, Retryable) is away else 1
            away = isinstance(error, Retryable)
            seconds = policy.decide(error, attempts)
            if seconds is None:
                raise
            failed(error, seconds)
        await sleep(seconds)
