"""Measures the share of unusable records on a topic, for a metric and a warning in the log; it stops nothing. Pure."""

from collections import deque

WINDOW = 1000
"""The share is taken of so many records, the last ones."""

ENOUGH = 100
"""Of fewer nothing is said."""

MUCH = 0.5
LITTLE = 0.25


class BadShare:
    """The share of unusable records among the last ones of a topic."""

    def __init__(self) -> None:
        self._window: deque[bool] = deque(maxlen=WINDOW)
        self._bad = 0
        #: Whether most records are unusable: from half of them on, until it is a quarter or less.
        self.mostly_bad = False

    @property
    def share(self) -> float:
        """The share, from 0 to 1; 0 before anything has come."""
        return self._bad / len(self._window) if self._window else 0.0

    def note(self, bad: bool) -> bool:
        """A record has come; True where `mostly_bad` changed with it."""
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
