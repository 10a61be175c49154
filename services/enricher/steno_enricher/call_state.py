"""What is known of one recording while its phrases come in, and the summary when all have.

Pure, and the same whatever happens on the way: a phrase counts once, whose sequence was not seen before; phrases are taken in
order of sequence, one that comes early waits for those before it; the two topics may come in any order. Sums are whole numbers,
so that no rounding depends on the order. About ten bytes a phrase.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from steno.errors import Permanent
from steno.events.ids import summary_id
from steno.events.records import CallSummary, Role, SpeakerSummary, TranscriptCompleted
from steno_enricher import intervals
from steno_enricher.intervals import Interval
from steno_enricher.ranking import KeyPhrase, distinct

_SENTIMENT_UNITS = 10_000
"""Sentiment is summed in ten-thousandths, the precision it is given in."""
_MOST_KEY_PHRASES = 10
_MOST_TALLIED = 200
_FORMAT = 1


class ContradictoryTranscript(Permanent):
    """The transcript has phrases beyond the number it was completed with."""

    error_class = "contradictory_transcript"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What the enricher made of a phrase, as far as the call's summary needs it."""

    sequence: int
    channel: int
    role: Role
    start_ms: int
    duration_ms: int
    #: -1 to 1.
    sentiment: float
    key_phrases: tuple[KeyPhrase, ...] = ()


@dataclass(slots=True, kw_only=True)
class _Speaker:
    """Sums over the phrases of a channel; x is when a phrase starts (ms), y its sentiment (ten-thousandths)."""

    role: str
    spans: list[Interval] = field(default_factory=list)
    count: int = 0
    first_ms: int = 0
    last_ms: int = 0
    x: int = 0
    xx: int = 0
    y: int = 0
    xy: int = 0

    def take(self, finding: Finding) -> None:
        x, y = finding.start_ms, round(finding.sentiment * _SENTIMENT_UNITS)
        self.first_ms = min(self.first_ms, x) if self.count else x
        self.last_ms = max(self.last_ms, x)
        self.role = finding.role.value
        intervals.add(self.spans, x, x + finding.duration_ms)
        self.count += 1
        self.x += x
        self.xx += x * x
        self.y += y
        self.xy += x * y

    def summary(self, channel: int) -> SpeakerSummary:
        return SpeakerSummary(
            channel=channel,
            role=Role(self.role),
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


@dataclass(slots=True, kw_only=True)
class _Completion:
    """What the transcriber said of the finished transcript."""

    phrase_count: int
    duration_ms: int
    properties: Mapping[str, str]


class CallState:
    """One recording of a call: a row of the enricher's table."""

    def __init__(self, *, call_id: str, recording_id: str) -> None:
        self._call_id = call_id
        self._recording_id = recording_id
        self._next_sequence = 0
        self._early: dict[int, Finding] = {}
        self._speakers: dict[int, _Speaker] = {}
        self._tally: dict[str, int] = {}
        self._completion: _Completion | None = None
        #: The summary is out.
        self.summarised = False
        #: There will be no transcript, unless the recording is tried again.
        self.failed = False

    def has_seen(self, sequence: int) -> bool:
        """Whether the phrase of a sequence is counted, or waits to be."""
        return sequence < self._next_sequence or sequence in self._early

    def take(self, finding: Finding) -> None:
        """Counts a phrase; one that was seen is ignored.

        Raises:
            ContradictoryTranscript: the transcript was completed without it.
        """
        if self.has_seen(finding.sequence):
            return
        if self._completion is not None and finding.sequence >= self._completion.phrase_count:
            raise ContradictoryTranscript(
                f"phrase {finding.sequence} of recording {self._recording_id} came, but its transcript was completed with "
                f"{self._completion.phrase_count} phrases; its producer must number phrases from 0 and count them all"
            )
        self._early[finding.sequence] = finding
        while (following := self._early.pop(self._next_sequence, None)) is not None:
            self._count(following)
            self._next_sequence += 1

    def complete(self, transcript: TranscriptCompleted) -> None:
        """Takes the number of phrases and the length of the audio; the first completion counts.

        Raises:
            ContradictoryTranscript: more phrases were seen than it says there are.
        """
        seen = max(self._next_sequence, max(self._early, default=-1) + 1)
        if seen > transcript.phrase_count:
            raise ContradictoryTranscript(
                f"the transcript of recording {self._recording_id} was completed with {transcript.phrase_count} phrases, "
                f"but phrase {seen - 1} came; its producer must number phrases from 0 and count them all"
            )
        self.failed = False
        if self._completion is None:
            self._completion = _Completion(
                phrase_count=transcript.phrase_count,
                duration_ms=transcript.duration_ms,
                properties=transcript.properties,
            )

    @property
    def is_complete(self) -> bool:
        """Whether the transcript is finished and every phrase of it was counted."""
        return self._completion is not None and self._next_sequence >= self._completion.phrase_count

    def summary(self, *, at: datetime) -> CallSummary:
        """The summary of a complete recording."""
        if self._completion is None or not self.is_complete:
            raise ValueError("a recording that is not complete has no summary")
        spans = [speaker.spans for speaker in self._speakers.values()]
        duration = self._completion.duration_ms
        return CallSummary(
            call_id=self._call_id,
            recording_id=self._recording_id,
            summary_id=summary_id(self._call_id, self._recording_id),
            phrase_count=self._next_sequence,
            duration_ms=duration,
            silence_ms=duration - intervals.covered(spans, by=1, until=duration),
            overlap_ms=intervals.covered(spans, by=2),
            speakers=tuple(speaker.summary(channel) for channel, speaker in sorted(self._speakers.items())),
            key_phrases=tuple(
                phrase.text for phrase in distinct((KeyPhrase(*entry) for entry in self._tally.items()), _MOST_KEY_PHRASES)
            ),
            properties=dict(self._completion.properties),
            summarised_at=at,
        )

    def _count(self, finding: Finding) -> None:
        self._speakers.setdefault(finding.channel, _Speaker(role=finding.role.value)).take(finding)
        for phrase in finding.key_phrases:
            self._tally[phrase.text] = self._tally.get(phrase.text, 0) + phrase.relevance
        while len(self._tally) > _MOST_TALLIED:
            del self._tally[min(self._tally, key=lambda text: (self._tally[text], text))]

    def to_bytes(self, *, at: datetime) -> bytes:
        """The row as it is kept: a line for the sweep (`is_stale`), then the state."""
        document = {
            "format": _FORMAT,
            "next": self._next_sequence,
            "early": [_finding_to_list(finding) for finding in self._early.values()],
            "speakers": [[channel, *_speaker_to_list(speaker)] for channel, speaker in self._speakers.items()],
            "tally": self._tally,
            "summarised": self.summarised,
            "failed": self.failed,
        }
        if self._completion is not None:
            document["completion"] = [
                self._completion.phrase_count,
                self._completion.duration_ms,
                dict(self._completion.properties),
            ]
        stamp = f"{int(at.timestamp())} {'finished' if self.summarised or self.failed else 'open'}\n"
        return (stamp + json.dumps(document, separators=(",", ":"), ensure_ascii=False)).encode()

    @classmethod
    def from_bytes(cls, row: bytes, *, call_id: str, recording_id: str) -> "CallState":
        """The state that `to_bytes` kept."""
        document = json.loads(row.partition(b"\n")[2])
        state = cls(call_id=call_id, recording_id=recording_id)
        state._next_sequence = document["next"]
        findings = map(_finding_from_list, document["early"])
        state._early = {finding.sequence: finding for finding in findings}
        state._speakers = {channel: _speaker_from_list(rest) for channel, *rest in document["speakers"]}
        state._tally = document["tally"]
        state.summarised = document["summarised"]
        state.failed = document["failed"]
        if "completion" in document:
            phrase_count, duration_ms, properties = document["completion"]
            state._completion = _Completion(phrase_count=phrase_count, duration_ms=duration_ms, properties=properties)
        return state


def is_stale(row: bytes, *, at: datetime, keep_finished: timedelta, keep_open: timedelta) -> bool:
    """Whether a row was last written so long ago that nothing more is to come for it."""
    written, state = row.partition(b"\n")[0].decode().split()
    return at.timestamp() - int(written) > (keep_finished if state == "finished" else keep_open).total_seconds()


def _finding_to_list(finding: Finding) -> list[Any]:
    return [
        finding.sequence,
        finding.channel,
        finding.role.value,
        finding.start_ms,
        finding.duration_ms,
        finding.sentiment,
        [[phrase.text, phrase.relevance] for phrase in finding.key_phrases],
    ]


def _finding_from_list(values: list[Any]) -> Finding:
    sequence, channel, role, start_ms, duration_ms, sentiment, key_phrases = values
    return Finding(
        sequence=sequence,
        channel=channel,
        role=Role(role),
        start_ms=start_ms,
        duration_ms=duration_ms,
        sentiment=sentiment,
        key_phrases=tuple(KeyPhrase(text, relevance) for text, relevance in key_phrases),
    )


def _speaker_to_list(speaker: _Speaker) -> list[Any]:
    """Spans are kept as the silence before and the length of each, which are short numbers."""
    spans: list[int] = []
    before = 0
    for start, end in speaker.spans:
        spans += (start - before, end - start)
        before = end
    sums = [speaker.count, speaker.first_ms, speaker.last_ms, speaker.x, speaker.xx, speaker.y, speaker.xy]
    return [speaker.role, sums, spans]


def _speaker_from_list(values: list[Any]) -> _Speaker:
    role, (count, first_ms, last_ms, x, xx, y, xy), numbers = values
    spans: list[Interval] = []
    before = 0
    for silence, length in zip(numbers[::2], numbers[1::2], strict=True):
        spans.append((before + silence, before + silence + length))
        before += silence + length
    return _Speaker(role=role, spans=spans, count=count, first_ms=first_ms, last_ms=last_ms, x=x, xx=xx, y=y, xy=xy)
