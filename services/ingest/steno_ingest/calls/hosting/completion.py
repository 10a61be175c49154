"""When a peer is told that its transcript is complete: behind the last phrase, which comes on another topic. Pure."""

OVERTAKEN_SECONDS = 3.0
"""How long the last phrase is awaited. A peer that came back when it was told elsewhere would wait for ever."""


class Completion:
    """Of one live pass, as one connection hears of it."""

    def __init__(self) -> None:
        #: As many phrases have come, or came before one began to listen.
        self._phrases = 0
        self._phrase_count: int | None = None
        self._since = 0.0
        self._told = False

    def phrase(self, sequence: int) -> None:
        """A phrase has come; they come in their order, some of them again."""
        self._phrases = max(self._phrases, sequence + 1)

    def transcribed(self, phrase_count: int, *, at: float) -> None:
        """The transcript is over, with so many phrases; seconds of the clock that `due` is asked by."""
        if self._phrase_count is None:
            self._phrase_count, self._since = phrase_count, at

    def due(self, now: float) -> int | None:
        """The number of phrases, once, when the peer is to be told."""
        if self._told or self._phrase_count is None:
            return None
        if self._phrases < self._phrase_count and now - self._since < OVERTAKEN_SECONDS:
            return None
        self._told = True
        return self._phrase_count
