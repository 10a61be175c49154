"""Running totals over the phrases of a channel, in whole numbers, so that the order of phrases makes no difference. Pure."""

from dataclasses import dataclass, field
from typing import Any

from steno.events.records import Role, SpeakerSummary
from steno_enricher import intervals
from steno_enricher.finding import Finding
from steno_enricher.intervals import Interval

MOST_SPANS = 8000
"""How many intervals of speech are kept of a channel: enough for hours. Beyond it, the two with the smallest gap are merged."""

_SENTIMENT_UNITS = 10_000
"""Sentiment is summed in units of 1/10,000, its precision."""


@dataclass(slots=True, kw_only=True)
class Speaker:
    """The totals of one channel. In the sums, x is when a phrase starts (ms) and y its sentiment (1/10,000)."""

    #: The role in the last phrase.
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
        """Adds a phrase to the totals."""
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
        """The channel's part of the call summary, with the role of its speaker."""
        return SpeakerSummary(
            channel=channel,
            role=role,
            talk_ms=intervals.length(self.spans),
            phrase_count=self.count,
            sentiment=round(self.y / self.count / _SENTIMENT_UNITS, 4),
            sentiment_trend=self._trend(),
        )

    def _trend(self) -> float:
        """The rise of the least-squares line of sentiment from the first phrase to the last, -2 to 2."""
        spread = self.count * self.xx - self.x * self.x
        if spread == 0:
            return 0.0
        rise = (self.count * self.xy - self.x * self.y) * (self.last_ms - self.first_ms) / spread / _SENTIMENT_UNITS
        return round(max(-2.0, min(2.0, rise)), 4)

    def to_list(self) -> list[Any]:
        """The values as they are stored in a row; each interval as the gap before it and its length (small numbers)."""
        spans: list[int] = []
        before = 0
        for start, end in self.spans:
            spans += (start - before, end - start)
            before = end
        sums = [self.count, self.first_ms, self.last_ms, self.x, self.xx, self.y, self.xy]
        return [self.role.value, sums, spans]

    @classmethod
    def from_list(cls, values: list[Any]) -> "Speaker":
        """Reads what `to_list` gave."""
        role, (count, first_ms, last_ms, x, xx, y, xy), numbers = values
        spans: list[Interval] = []
        before = 0
        for silence, length in zip(numbers[::2], numbers[1::2], strict=True):
            spans.append((before + silence, before + silence + length))
            before += silence + length
        return cls(role=Role(role), spans=spans, count=count, first_ms=first_ms, last_ms=last_ms, x=x, xx=xx, y=y, xy=xy)
