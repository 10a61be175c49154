"""Finds the stable part of a hypothesis: the beginning on which two successive hypotheses agree. Pure.

Local agreement of two (Liu et al., "Low-Latency Sequence-to-Sequence Speech Recognition and Translation by Partial Hypothesis
Selection", 3.2), in whole words: how they are written changes with what follows, so case and punctuation do not count.
"""

import re
from itertools import takewhile

_WORD = re.compile(r"\S+")
_UNHEARD = re.compile(r"[\W_]+")


class Agreement:
    """Compares the successive hypotheses of one utterance."""

    def __init__(self) -> None:
        self._previous: list[str] = []

    def add(self, text: str) -> str:
        """Adds the next hypothesis, and returns the stable beginning of it.

        The stable part does not shrink as long as hypotheses begin with it.
        """
        found = list(_WORD.finditer(text))
        words = [_UNHEARD.sub("", word.group().casefold()) for word in found]
        agreed = _common(words, self._previous)
        self._previous = words
        return text[: found[agreed - 1].end()] if agreed else ""


def _common(words: list[str], others: list[str]) -> int:
    pairs = zip(words, others, strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
