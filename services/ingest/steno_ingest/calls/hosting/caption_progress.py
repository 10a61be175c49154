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
        #: Why there is no transcript, if it failed.
        self.failure = ""
        self._since = 0.0
        self._reported = False
        #: The last time before which the phrases are known, and their number.
        self._reached: tuple[int, int] | None = None

    @property
    def behind(self) -> bool:
        """Whether a known phrase was not sent."""
        known = max(self._phrase_count or 0, self._reached[1] if self._reached is not None else 0)
        return bool(self._beyond) or self.first_missing < known

    def add_phrase(self, sequence: int) -> bool:
        """Records that a phrase is sent; returns False if it was sent before."""
        if sequence < self.first_missing or sequence in self._beyond:
            return False
        self._beyond.add(sequence)
        while self.first_missing in self._beyond:
            self._beyond.remove(self.first_missing)
            self.first_missing += 1
        return True

    def complete(self, phrase_count: int, *, at: float, failure: str = "") -> None:
        """Records that the transcript is complete, with its number of phrases; `at` is a time of the clock of `due`.

        `failure`: why there is no transcript.
        """
        if self._phrase_count is None:
            self._phrase_count, self._since, self.failure = phrase_count, at, failure

    def reach(self, until_ms: int, phrase_count: int) -> None:
        """Records that the first phrases, so many, are all that begin before a time."""
        self._reached = (until_ms, phrase_count)

    def reached(self) -> int | None:
        """Returns a time once, after all phrases before it were sent; otherwise None."""
        if self._reached is None or self.first_missing < self._reached[1]:
            return None
        (until_ms, _), self._reached = self._reached, None
        return until_ms

    def due(self, now: float) -> int | None:
        """Returns the number of phrases when the completion is to be reported, once; otherwise None."""
        if self._reported or self._phrase_count is None:
            return None
        if self.first_missing < self._phrase_count and now - self._since < MISSING_PHRASES_SECONDS:
            return None
        self._reported = True
        return self._phrase_count
