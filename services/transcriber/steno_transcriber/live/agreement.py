"""What of a hypothesis can be relied on: its beginning, as far as two in a row agree on it. Pure.

Local agreement of two (Liu et al., "Low-Latency Sequence-to-Sequence Speech Recognition and Translation by Partial Hypothesis
Selection", 3.2), in whole words: how they are written changes with what follows, so case and punctuation do not count.
"""

import re
from itertools import takewhile

_WORD = re.compile(r"\S+")
_UNHEARD = re.compile(r"[\W_]+")


class Agreement:
    """The hypotheses of one utterance, one after the other."""

    def __init__(self) -> None:
        self._previous: list[str] = []

    def add(self, text: str) -> str:
        """The beginning of `text` that stands, as it is written there.

        While `text` begins with what stood before, that never shrinks: the one before began with it, too.
        """
        found = list(_WORD.finditer(text))
        words = [_UNHEARD.sub("", word.group().casefold()) for word in found]
        agreed = _common(words, self._previous)
        self._previous = words
        return text[: found[agreed - 1].end()] if agreed else ""


def _common(words: list[str], others: list[str]) -> int:
    pairs = zip(words, others, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
