"""The results of analysing a phrase that go into the call summary. Pure."""

from dataclasses import dataclass
from typing import Any

from steno.events.records import Role
from steno_enricher.ranking import KeyPhrase


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The results for one phrase that go into the call summary."""

    sequence: int
    channel: int
    role: Role
    start_ms: int
    duration_ms: int
    #: -1 to 1.
    sentiment: float
    key_phrases: tuple[KeyPhrase, ...] = ()

    def to_list(self) -> list[Any]:
        """The values as they are stored in a row."""
        return [
            self.sequence,
            self.channel,
            self.role.value,
            self.start_ms,
            self.duration_ms,
            self.sentiment,
            [[phrase.text, phrase.relevance] for phrase in self.key_phrases],
        ]

    @classmethod
    def from_list(cls, values: list[Any]) -> "Finding":
        """Reads what `to_list` gave."""
        sequence, channel, role, start_ms, duration_ms, sentiment, key_phrases = values
        return cls(
            sequence=sequence,
            channel=channel,
            role=Role(role),
            start_ms=start_ms,
            duration_ms=duration_ms,
            sentiment=sentiment,
            key_phrases=tuple(KeyPhrase(text, relevance) for text, relevance in key_phrases),
        )
