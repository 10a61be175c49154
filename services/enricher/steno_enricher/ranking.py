"""Key phrases with their relevance, and the choice of the most relevant ones. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class KeyPhrase:
    """One to three words that say what a phrase is about."""

    text: str
    #: From 0 to 1000.
    relevance: int


def distinct(candidates: Iterable[KeyPhrase], most: int) -> tuple[KeyPhrase, ...]:
    """The most relevant candidates, in order, without any that shares all words with a better one."""
    chosen: list[KeyPhrase] = []
    for candidate in sorted(candidates, key=lambda phrase: (-phrase.relevance, phrase.text)):
        words = set(candidate.text.split())
        if not any(words <= (other := set(taken.text.split())) or words > other for taken in chosen):
            chosen.append(candidate)
        if len(chosen) == most:
            break
    return tuple(chosen)
