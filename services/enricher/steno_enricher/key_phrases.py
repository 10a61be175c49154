"""Extracts key phrases from text: YAKE over what is left without greetings and small talk. Pure.

Source: Campos et al., "YAKE! Keyword extraction from single documents using multiple local features" (Information Sciences 509,
2020).
"""

import logging
import re
from collections.abc import Sequence
from importlib.resources import files

from yake import KeywordExtractor

from steno_enricher.ranking import KeyPhrase, distinct

# Where YAKE fails on a text it logs a piece of it; what was said in a call is never logged.
logging.getLogger("yake").setLevel(logging.CRITICAL)

_LONGEST_WORDS = 3
_CANDIDATES = 100
_MOST_PER_PHRASE = 5
_WORD = re.compile(r"[^\W\d_]+(?:['-][^\W\d_]+)*")


class KeyPhrases:
    """Extracts key phrases, deterministically."""

    def __init__(self) -> None:
        self._boilerplate = _read_boilerplate()
        self._filler = frozenset(_read("filler.txt").split())
        self._extractors: dict[str, KeywordExtractor] = {}

    def find(self, text: str, *, locale: str) -> tuple[KeyPhrase, ...]:
        """Returns at most five key phrases of a text, in lower case, most relevant first, none a part of another."""
        telling = self._boilerplate.sub(" . ", text.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")).strip(" .,;?!")
        if not telling:
            return ()
        extractor = self._extractor(locale.partition("-")[0].lower())
        # A third of all phrases have no word that tells. How YAKE takes "wi-fi" or "it's" apart is left to it.
        if not any(not word.isalpha() or self._tells([word], extractor.stopword_set) for word in _WORD.findall(telling)):
            return ()
        found = {
            # Rounded, because the last digits of a float sum depend on the order in which a set was walked.
            str(words): round(1000 * (1 - min(1.0, float(score))))
            for words, score in extractor.extract_keywords(telling)
            if self._tells(str(words).split(), extractor.stopword_set)
        }
        return distinct((KeyPhrase(words, relevance) for words, relevance in found.items()), _MOST_PER_PHRASE)

    def _tells(self, words: Sequence[str], stopwords: set[str]) -> bool:
        return not any(
            word in self._filler or word in stopwords or len(word) < 3 or not word.replace("-", "").replace("'", "").isalpha()
            for word in words
        )

    def _extractor(self, language: str) -> KeywordExtractor:
        if language not in self._extractors:
            # Its own removal of near duplicates depends on the order of equals; `distinct` does not.
            self._extractors[language] = KeywordExtractor(lan=language, n=_LONGEST_WORDS, dedupLim=1.0, top=_CANDIDATES)
        return self._extractors[language]


def _read_boilerplate() -> re.Pattern[str]:
    return re.compile("|".join(rf"(?:\b(?:{line})\b)" for line in _read("boilerplate.txt").splitlines() if line))


def _read(name: str) -> str:
    text = (files(__package__) / "data" / name).read_text("utf-8")
    return "\n".join(line for line in text.splitlines() if not line.startswith("#"))
