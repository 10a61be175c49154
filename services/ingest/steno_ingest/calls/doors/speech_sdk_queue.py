"""Phrases on their way to a Speech SDK client: each once, whenever it comes, and how many the client has. Pure.

They usually come in the order of their sequence. One that was missed, and is read from the ledger, comes later, and may have
been corrected meanwhile.
"""

from collections import deque

from steno.events.records import Phrase

_MOST_WAITING = 1000
"""How many phrases wait for the next turn of a client that asked for one; the oldest ones are dropped."""


class PhraseQueue:
    """The phrases of a call that wait for a turn of its client."""

    def __init__(self, had: int = 0) -> None:
        """`had` is the number of phrases that the client has."""
        #: The number of phrases that the client has, which is the sequence of the first one that it does not have.
        self.had = had
        self._waiting: deque[Phrase] = deque()
        #: Sequences of those that wait, and of those that were taken before an earlier one came.
        self._seen: set[int] = set()
        self._taken: set[int] = set()

    def add(self, phrase: Phrase) -> None:
        """Adds a phrase, except one that came before: a client cannot be sent a correction."""
        if phrase.sequence < self.had or phrase.sequence in self._seen:
            return
        self._seen.add(phrase.sequence)
        self._waiting.append(phrase)
        if len(self._waiting) > _MOST_WAITING:
            self.take()

    def take(self) -> Phrase | None:
        """Takes the next phrase, which counts as one that the client has; None if none waits."""
        if not self._waiting:
            return None
        phrase = self._waiting.popleft()
        self._taken.add(phrase.sequence)
        while self.had in self._taken:
            self._taken.remove(self.had)
            self._seen.remove(self.had)
            self.had += 1
        return phrase
