"""Key phrases as values, and which of many to show. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class KeyPhrase:
    """Words of a phrase that tell what it is about."""

    text: str
    #: How telling, from 0 to 1000.
    relevance: int


def distinct(candidates: Iterable[KeyPhrase], most: int) -> tuple[KeyPhrase, ...]:
    """The most telling ones in order, without any whose words stand in one before it or the other way round."""
    chosen: list[KeyPhrase] = []
    for candidate in sorted(candidates, key=lambda phrase: (-phrase.relevance, phrase.text)):
        words = set(candidate.text.split())
        if not any(words <= (other := set(taken.text.split())) or words > other for taken in chosen):
            chosen.append(candidate)
        if len(chosen) == most:
            break
    return tuple(chosen)
