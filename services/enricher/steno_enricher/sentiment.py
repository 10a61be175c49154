"""Scores the sentiment of a phrase from -1 (negative) to 1 (positive): VADER, with extra entries for telephone calls. Pure.

Source: Hutto & Gilbert, "VADER: A Parsimonious Rule-based Model for Sentiment Analysis of Social Media Text" (ICWSM 2014).
"""

import re
from dataclasses import dataclass
from importlib.resources import files

from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

_LANGUAGE = "en"


@dataclass(frozen=True, slots=True)
class _Entry:
    pattern: re.Pattern[str]
    token: str
    valence: float


class Sentiment:
    """Scores text, deterministically. English only: any other language scores 0."""

    def __init__(self) -> None:
        self._overlay = _read_overlay()
        self._analyzer = SentimentIntensityAnalyzer()
        self._analyzer.lexicon.update({entry.token: entry.valence for entry in self._overlay})

    def score(self, text: str, *, locale: str) -> float:
        """The sentiment of a text from -1 (negative) to 1 (positive), to four decimals."""
        if locale.partition("-")[0].lower() != _LANGUAGE:
            return 0.0
        # Capitals and commas come from the recogniser's idea of writing, not from the speaker's mood.
        words = " ".join(text.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'").replace(",", " ").split()).rstrip(".")
        for entry in self._overlay:
            words = entry.pattern.sub(f" {entry.token} ", words)
        return float(self._analyzer.polarity_scores(words)["compound"])


def _read_overlay() -> tuple[_Entry, ...]:
    entries = []
    text = (files(__package__) / "data" / "lexicon.tsv").read_text("utf-8")
    for number, line in enumerate(text.splitlines(), start=1):
        if line and not line.startswith("#"):
            pattern, valence, _why = line.split("\t")
            # A token that no call contains stands for the words of a line, so that VADER's own rules
            # (negation, boosters, "but") go on to work around it.
            entries.append(_Entry(re.compile(rf"(?<![\w'])(?:{pattern})(?![\w'])"), f"overlay_{number}", float(valence)))
    return tuple(entries)
