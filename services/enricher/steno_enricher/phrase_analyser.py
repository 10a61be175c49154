"""Analyses a phrase for sentiment and key phrases. Pure. Slow to import: YAKE brings NumPy and NetworkX."""

from steno.events.records import Phrase
from steno_enricher.analysed_phrase import AnalysedPhrase
from steno_enricher.key_phrases import KeyPhrases
from steno_enricher.sentiment import Sentiment


class PhraseAnalyser:
    """Analyses phrases, deterministically, in about a millisecond of CPU time each."""

    def __init__(self) -> None:
        self._sentiment = Sentiment()
        self._key_phrases = KeyPhrases()

    def analyse(self, phrase: Phrase) -> AnalysedPhrase:
        """Analyses one phrase."""
        return AnalysedPhrase(
            phrase=phrase,
            sentiment=self._sentiment.score(phrase.text, locale=phrase.locale),
            key_phrases=self._key_phrases.find(phrase.text, locale=phrase.locale),
        )
