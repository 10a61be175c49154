"""Tracks which phrases a peer was sent, and when to report that its transcript is complete: after the last phrase. Pure."""

MISSING_PHRASES_SECONDS = 20.0
"""How long missing phrases are awaited after the end of the transcript."""


class CaptionProgress:
    """Which phrases of one live pass were sent to one peer."""

    def __init__(self, first: int = 0) -> None:
        """`first` is the sequence number of the first phrase that its peer does not have."""
        #: All phrases before this one were sent.
        self.first_missing = first
        #: Later ones that were sent.
        self._beyond: set[int] = set()
        self._phrase_count: int | None = None
        self._since = 0.0
        self._reported = False

    @property
    def behind(self) -> bool:
        """Whether a known phrase was not sent."""
        return bool(self._beyond) or self.first_missing < (self._phrase_count or 0)

    def add_phrase(self, sequence: int) -> bool:
        """Records that a phrase is sent; returns False if it was sent before."""
        if sequence < self.first_missing or sequence in self._beyond:
            return False
        self._beyond.add(sequence)
        while self.first_missing in self._beyond:
            self._beyond.remove(self.first_missing)
            self.first_missing += 1
        return True

    def complete(self, phrase_count: int, *, at: float) -> None:
        """Records that the transcript is complete, with its number of phrases; `at` is a time of the clock of `due`."""
        if self._phrase_count is None:
            self._phrase_count, self._since = phrase_count, at

    def due(self, now: float) -> int | None:
        """Returns the number of phrases when the completion is to be reported, once; otherwise None."""
        if self._reported or self._phrase_count is None:
            return None
        if self.first_missing < self._phrase_count and now - self._since < MISSING_PHRASES_SECONDS:
            return None
        self._reported = True
        return self._phrase_count
