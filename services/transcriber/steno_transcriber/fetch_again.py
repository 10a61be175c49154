"""Decides what follows where a recording could not be fetched: another attempt, one later, or none. Pure.

| what its source says | what follows |
|---|---|
| it is not there yet | it comes again later, for `missing_seconds`; then `RecordingMissing` |
| it is in trouble, or broke off | `attempts` with growing pauses within `give_up_seconds`; then `FetchGivenUp` |

`Retry-After` lengthens a pause up to what is left of that time. Who has to wait for long does not wait here, where it would
keep a place from others, but comes again (`ComeAgain`, which the kernel lets wait without a slot).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NoReturn

from steno.retry import RetryPolicy
from steno_transcriber.bounded_cache import BoundedCache
from steno_transcriber.fetch_errors import ComeAgain, FetchGivenUp, NotThereYet, RecordingMissing, SourceFailed
from steno_transcriber.fetch_pace import FetchLimits

BETWEEN_ATTEMPTS = RetryPolicy(first_seconds=1, longest_seconds=30)
LONGEST_RETRY_AFTER_HERE = 5.0
REMEMBERED = 10_000
FORGOTTEN_AFTER_SECONDS = 600.0
"""Who should have come again and has not for so long comes as if for the first time."""


@dataclass(kw_only=True, slots=True)
class Asking:
    """How long and how often a recording has been asked for."""

    limits: FetchLimits
    began: float
    attempts: int = 0
    missing_since: float | None = None
    #: When it is to come again.
    due: float = 0.0

    def missing(self, error: NotThereYet, now: float) -> NoReturn:
        """It is not there yet. Raises `ComeAgain` or `RecordingMissing`."""
        if self.missing_since is None:
            self.missing_since = now
        waited = now - self.missing_since
        left = self.limits.missing_seconds - waited
        if left <= 0:
            raise RecordingMissing(f"{error}; asked again for {waited:.0f} s" if waited else str(error)) from error
        # What its source fails in afterwards has nothing to do with this.
        self.began, self.attempts = now, 0
        self._later(error, min(error.again_in_seconds, left), now)

    def failed(self, error: SourceFailed, now: float, *, most: int | None = None) -> float:
        """The source failed; gives the seconds until the next attempt.

        Args:
            most: attempts at most; by default those of the limits.

        Raises:
            ComeAgain, FetchGivenUp: there is none here.
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
        raise ComeAgain(f"{error}; the recording comes again later", again_in_seconds=seconds) from error


class Patience:
    """What is known of recordings that come again, by URL."""

    def __init__(self, limits: FetchLimits) -> None:
        self._limits = limits
        self._asked: BoundedCache[str, Asking] = BoundedCache(REMEMBERED)

    @contextmanager
    def asking(self, url: str, now: float) -> Iterator[Asking]:
        """A recording is asked for, for the first time or again; it is remembered where the block raises `ComeAgain`."""
        asking = self._asked.pop(url, None)
        if asking is None or now > asking.due + FORGOTTEN_AFTER_SECONDS:
            asking = Asking(limits=self._limits, began=now)
        try:
            yield asking
        except ComeAgain:
            self._asked[url] = asking
            raise
