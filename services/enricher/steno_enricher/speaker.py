"""Sums over the phrases of a channel. Whole numbers, so that no rounding depends on the order. Pure."""

from dataclasses import dataclass, field
from typing import Any

from steno.events.records import Role, SpeakerSummary
from steno_enricher import intervals
from steno_enricher.finding import Finding
from steno_enricher.intervals import Interval

MOST_SPANS = 8000
"""Spans of speech that are kept of a channel: hours of a call. Of more, two with little silence between them become one."""

_SENTIMENT_UNITS = 10_000
"""Sentiment is summed in ten-thousandths, the precision it is given in."""


@dataclass(slots=True, kw_only=True)
class Speaker:
    """Sums over the phrases of a channel; x is when a phrase starts (ms), y its sentiment (ten-thousandths)."""

    #: As the last phrase had it.
    role: Role
    spans: list[Interval] = field(default_factory=list)
    count: int = 0
    first_ms: int = 0
    last_ms: int = 0
    x: int = 0
    xx: int = 0
    y: int = 0
    xy: int = 0

    def add(self, finding: Finding) -> None:
        """Counts a phrase."""
        x, y = finding.start_ms, round(finding.sentiment * _SENTIMENT_UNITS)
        self.first_ms = min(self.first_ms, x) if self.count else x
        self.last_ms = max(self.last_ms, x)
        self.role = finding.role
        intervals.add(self.spans, x, x + finding.duration_ms)
        if len(self.spans) > MOST_SPANS:
            intervals.close_least_gap(self.spans)
        self.count += 1
        self.x += x
        self.xx += x * x
        self.y += y
        self.xy += x * y

    def summary(self, channel: int, role: Role) -> SpeakerSummary:
        """The channel's share, spoken in a role."""
        return SpeakerSummary(
            channel=channel,
            role=role,
            talk_ms=intervals.length(self.spans),
            phrase_count=self.count,
            sentiment=round(self.y / self.count / _SENTIMENT_UNITS, 4),
            sentiment_trend=self._trend(),
        )

    def _trend(self) -> float:
        """By how much the line of least squares rises from the speaker's first phrase to the last, -2 to 2."""
        spread = self.count * self.xx - self.x * self.x
        if spread == 0:
            return 0.0
        rise = (self.count * self.xy - self.x * self.y) * (self.last_ms - self.first_ms) / spread / _SENTIMENT_UNITS
        return round(max(-2.0, min(2.0, rise)), 4)

    def to_list(self) -> list[Any]:
        """As it stands in a row. Spans are kept as the silence before and the length of each, which are short numbers."""
        spans: list[int] = []
        before = 0
        for start, end in self.spans:
            spans += (start - before, end - start)
            before = end
        sums = [self.count, self.first_ms, self.last_ms, self.x, self.xx, self.y, self.xy]
        return [self.role.value, sums, spans]

    @classmethod
    def from_list(cls, values: list[Any]) -> "Speaker":
        """What `to_list` gave."""
        role, (count, first_ms, last_ms, x, xx, y, xy), numbers = values
        spans: list[Interval] = []
        before = 0
        for silence, length in zip(numbers[::2], numbers[1::2], strict=True):
            spans.append((before + silence, before + silence + length))
            before += silence + length
        return cls(role=Role(role), spans=spans, count=count, first_ms=first_ms, last_ms=last_ms, x=x, xx=xx, y=y, xy=xy)
