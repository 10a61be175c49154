"""A phrase with the results of its analysis: sentiment and key phrases. Pure."""

from dataclasses import dataclass

from steno.events.ids import insight_id
from steno.events.records import Insight, Phrase
from steno_enricher.finding import Finding
from steno_enricher.ranking import KeyPhrase


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysedPhrase:
    """A phrase with its sentiment (-1 to 1) and key phrases."""

    phrase: Phrase
    sentiment: float
    key_phrases: tuple[KeyPhrase, ...]

    @property
    def insight(self) -> Insight:
        """The record that is published about the phrase."""
        phrase = self.phrase
        return Insight(
            call_id=phrase.call_id,
            recording_id=phrase.recording_id,
            insight_id=insight_id(phrase.phrase_id),
            phrase_id=phrase.phrase_id,
            sequence=phrase.sequence,
            channel=phrase.channel,
            role=phrase.role,
            start_ms=phrase.start_ms,
            sentiment=self.sentiment,
            key_phrases=tuple(key_phrase.text for key_phrase in self.key_phrases),
        )

    @property
    def finding(self) -> Finding:
        """The part of it that goes into the call's summary."""
        phrase = self.phrase
        return Finding(
            sequence=phrase.sequence,
            channel=phrase.channel,
            role=phrase.role,
            start_ms=phrase.start_ms,
            duration_ms=phrase.duration_ms,
            sentiment=self.sentiment,
            key_phrases=self.key_phrases,
        )
