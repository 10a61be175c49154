"""Decides what follows where a recording could not be fetched: another attempt, one later, or none. Pure.

| what the source answers | what follows |
|---|---|
| it is not there yet | `FetchLater` for `missing_seconds`; then `RecordingMissing` |
| the server failed, or the transfer broke off | `attempts` with growing pauses within `give_up_seconds`; then `FetchGivenUp` |

`Retry-After` lengthens a pause up to what is left of that time. A recording with a long pause does not wait here, where it
would hold a slot, but is handled again later (`FetchLater`, for which the kernel holds no slot).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NoReturn

from steno.retry import RetryPolicy
from steno_transcriber.bounded_cache import BoundedCache
from steno_transcriber.fetch.errors import FetchGivenUp, FetchLater, NotThereYet, RecordingMissing, SourceFailed
from steno_transcriber.fetch.limits import FetchLimits

BETWEEN_ATTEMPTS = RetryPolicy(first_seconds=1, longest_seconds=30)
LONGEST_RETRY_AFTER_HERE = 5.0
REMEMBERED = 10_000
FORGOTTEN_AFTER_SECONDS = 600.0
"""The attempts at a recording that is not tried again for so long are forgotten."""


@dataclass(kw_only=True, slots=True)
class FetchAttempts:
    """The attempts at one recording: since when, how many, and since when it is missing."""

    limits: FetchLimits
    began: float
    attempts: int = 0
    missing_since: float | None = None
    #: When it is to be tried again.
    due: float = 0.0

    def handle_missing(self, error: NotThereYet, now: float) -> NoReturn:
        """Handles that nothing is at the URL yet. Raises `FetchLater` or `RecordingMissing`."""
        if self.missing_since is None:
            self.missing_since = now
        waited = now - self.missing_since
        left = self.limits.missing_seconds - waited
        if left <= 0:
            raise RecordingMissing(f"{error}; asked again for {waited:.0f} s" if waited else str(error)) from error
        # What its source fails in afterwards has nothing to do with this.
        self.began, self.attempts = now, 0
        self._later(error, min(error.again_in_seconds, left), now)

    def handle_failure(self, error: SourceFailed, now: float, *, most: int | None = None) -> float:
        """Handles a failure of the source; returns the seconds until the next attempt.

        Args:
            most: maximum number of attempts; by default that of the limits.

        Raises:
            FetchLater, FetchGivenUp: there is no next attempt now.
        """
        self.attempts += 1
        left = self.limits.give_up_seconds - (now - self.began)
        if self.attempts >= (most or self.limits.attempts) or left <= 0:
            raise FetchGivenUp(f"{error}; given up after {self.attempts} attempts") from error
        pause = min(BETWEEN_ATTEMPTS.decide(error, self.attempts) or 0, left)
        if error.again_in_seconds > LONGEST_RETRY_AFTER_HERE:
            self._later(error, pause, now)
        return pause

    def _later(self, error: SourceFailed, seconds: float, now: float) -> NoReturn:
        self.due = now + seconds
        raise FetchLater(f"{error}; the recording comes again later", again_in_seconds=seconds) from error


class FetchHistory:
    """Remembers the attempts at recordings that are to be tried again, by URL."""

    def __init__(self, limits: FetchLimits) -> None:
        self._limits = limits
        self._asked: BoundedCache[str, FetchAttempts] = BoundedCache(REMEMBERED)

    @contextmanager
    def attempts_at(self, url: str, now: float) -> Iterator[FetchAttempts]:
        """Gives the attempts at a URL so far, and remembers them where the block raises `FetchLater`."""
        asking = self._asked.pop(url, None)
        if asking is None or now > asking.due + FORGOTTEN_AFTER_SECONDS:
            asking = FetchAttempts(limits=self._limits, began=now)
        try:
            yield asking
        except FetchLater:
            self._asked[url] = asking
            raise
