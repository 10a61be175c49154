"""Measures the share of unusable records on a topic, for a metric and a warning in the log only. Pure."""

from collections import deque

WINDOW = 1000
"""How many of the last records the share is computed from."""

ENOUGH = 100
"""With fewer records there is no warning."""

MUCH = 0.5
LITTLE = 0.25


class BadShare:
    """The share of unusable records among the last ones of a topic."""

    def __init__(self) -> None:
        self._window: deque[bool] = deque(maxlen=WINDOW)
        self._bad = 0
        #: Whether most records are unusable. It becomes true at half of them, and false again at a quarter.
        self.mostly_bad = False

    @property
    def share(self) -> float:
        """The share, from 0 to 1; 0 before the first record."""
        return self._bad / len(self._window) if self._window else 0.0

    def note(self, bad: bool) -> bool:
        """Counts a record; returns whether it changed `mostly_bad`."""
        window = self._window
        if len(window) == WINDOW:
            self._bad -= window[0]
        window.append(bad)
        self._bad += bad
        before = self.mostly_bad
        if len(window) >= ENOUGH and self._bad >= MUCH * len(window):
            self.mostly_bad = True
        elif self._bad <= LITTLE * len(window):
            self.mostly_bad = False
        return self.mostly_bad is not before
