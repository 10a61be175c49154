"""Everything the enricher reads out of one phrase. Pure. Slow to import: YAKE brings NumPy and NetworkX."""

from steno.events.records import Phrase
from steno_enricher.analysed import Analysed
from steno_enricher.key_phrases import KeyPhrases
from steno_enricher.sentiment import Sentiment


class Analysis:
    """Reads phrases; the same phrase always gives the same. Takes a millisecond or so of CPU each."""

    def __init__(self) -> None:
        self._sentiment = Sentiment()
        self._key_phrases = KeyPhrases()

    def of(self, phrase: Phrase) -> Analysed:
        """What is in a phrase."""
        return Analysed(
            phrase=phrase,
            sentiment=self._sentiment.score(phrase.text, locale=phrase.locale),
            key_phrases=self._key_phrases.of(phrase.text, locale=phrase.locale),
        )
