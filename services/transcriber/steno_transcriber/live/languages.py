"""The language of each part of a call. Pure.

A change holds for what begins where it was told, or later: what is being said then ends in the language it began in.
"""

from collections import deque

BORDER_MS = 100
"""Speech begins a frame or two before it is loud: what begins so little before a change is said behind it."""


class Languages:
    """The languages of a call, each from where it was told on."""

    def __init__(self, locale: str) -> None:
        self._since = deque([(0, locale)])

    def change(self, locale: str, *, at_ms: int) -> None:
        """Changes the language from a time on, which is not before the last change."""
        if self._since[-1][0] == at_ms:
            self._since.pop()
        if not self._since or self._since[-1][1] != locale:
            self._since.append((at_ms, locale))

    def of(self, start_ms: int) -> str:
        """The language of speech that begins at a time."""
        return next((locale for since, locale in reversed(self._since) if since <= start_ms + BORDER_MS), self._since[0][1])

    def forget(self, before_ms: int) -> None:
        """Drops changes that only concern speech before a time."""
        while len(self._since) > 1 and self._since[1][0] <= before_ms:
            self._since.popleft()
