"""When so much goes to dead letters that the consumer must stop rather than drain its topics into them. Pure.

After arroyo's DlqLimit (getsentry/arroyo, arroyo/dlq.py): a limit on the run of dead letters without a success, and a limit
on their share of the records lately finished.
"""

from collections import deque


class Breaker:
    """Open for good once a limit is passed; the process is then started again by whoever supervises it, and a person looks."""

    def __init__(self, *, run_limit: int = 100, share_limit: float = 0.5, window: int = 1000) -> None:
        """
        Args:
            run_limit: So many dead letters in a row open it.
            share_limit: So large a share of the last `window` records (0 to 1) opens it, once there were that many.
            window: How many records the share is taken of.
        """
        self._run_limit = run_limit
        self._share_limit = share_limit
        self._run = 0
        self._dead = 0
        self._window: deque[bool] = deque(maxlen=window)
        self._reason: str | None = None

    @property
    def reason(self) -> str | None:
        """Why it is open; None while it is closed."""
        return self._reason

    def handled(self) -> None:
        """A record was handled."""
        self._run = 0
        self._note(False)

    def dead_lettered(self) -> None:
        """A record went to dead letters."""
        self._run += 1
        self._note(True)
        if self._run >= self._run_limit:
            self._reason = f"{self._run} records in a row went to dead letters"
        elif len(self._window) == self._window.maxlen and self._dead >= self._share_limit * len(self._window):
            self._reason = f"{self._dead} of the last {len(self._window)} records went to dead letters"

    def _note(self, dead: bool) -> None:
        if len(self._window) == self._window.maxlen:
            self._dead -= self._window[0]
        self._window.append(dead)
        self._dead += dead
