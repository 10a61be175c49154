"""The example of `docs/extending.md`: an insight, how fast somebody speaks. Pure."""

from steno.events.records import Phrase

_SHORTEST_MS = 1000


def words_per_minute(phrase: Phrase) -> float | None:
    """How many words a minute a phrase has; None where it is too short to tell."""
    if phrase.duration_ms < _SHORTEST_MS:
        return None
    return round(len(phrase.text.split()) * 60_000 / phrase.duration_ms, 1)
