"""The example of `docs/extending.md`: a way of delivery, which puts what is to be sent into a list instead of posting it."""

from collections.abc import Callable, Mapping
from datetime import datetime

from steno_notifier.delivery_queue import Claim
from steno_notifier.delivery_state import Answer


class ListTransport:
    """Carries deliveries into a list (`steno_notifier.sender.Transport`)."""

    def __init__(self, *, now: Callable[[], datetime]) -> None:
        self._now = now
        #: The bodies of what was delivered.
        self.delivered: list[str] = []
        #: How often a delivery is refused before the first is taken.
        self.refusals = 0

    async def attempt(self, claim: Claim, *, trace: Mapping[str, str]) -> Answer:
        """Takes a delivery, or refuses it."""
        if self.refusals:
            self.refusals -= 1
            return Answer(started_at=self._now(), duration_ms=0, status_code=503, error="full")
        self.delivered.append(claim.body)
        return Answer(started_at=self._now(), duration_ms=0, status_code=200)
