"""Keeps which phrases a peer has been told, and when to tell it that its transcript is complete: behind the last one. Pure."""

OVERTAKEN_SECONDS = 20.0
"""How long phrases that are missing are awaited, once the transcript is complete."""


class CaptionProgress:
    """How far one peer has been told of one live pass."""

    def __init__(self, first: int = 0) -> None:
        """`first` is the number of the first phrase that its peer does not have."""
        #: All phrases before have been told.
        self.first_missing = first
        #: Those that were told beyond it.
        self._beyond: set[int] = set()
        self._phrase_count: int | None = None
        self._since = 0.0
        self._told = False

    @property
    def behind(self) -> bool:
        """Whether some phrase is known to be there that was not told."""
        return bool(self._beyond) or self.first_missing < (self._phrase_count or 0)

    def add_phrase(self, sequence: int) -> bool:
        """Notes that a phrase is told; False where it was before."""
        if sequence < self.first_missing or sequence in self._beyond:
            return False
        self._beyond.add(sequence)
        while self.first_missing in self._beyond:
            self._beyond.remove(self.first_missing)
            self.first_missing += 1
        return True

    def complete(self, phrase_count: int, *, at: float) -> None:
        """Notes that the transcript is over, with so many phrases; seconds of the clock that `due` is asked by."""
        if self._phrase_count is None:
            self._phrase_count, self._since = phrase_count, at

    def due(self, now: float) -> int | None:
        """The number of phrases, once, when the peer is to be told."""
        if self._told or self._phrase_count is None:
            return None
        if self.first_missing < self._phrase_count and now - self._since < OVERTAKEN_SECONDS:
            return None
        self._told = True
        return self._phrase_count
