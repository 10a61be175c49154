"""The state of one pass over a call (phrases counted so far), and the summaries made of it. Pure.

The same records give the same state, in whatever order and however often they arrive. A phrase counts once, by its sequence
number. Phrases are counted in order of sequence: one that arrives early waits for those before it, and at most a thousand wait;
then the missing one is skipped. A phrase takes about ten bytes.

A summary is due when the transcript is complete, when the transcript of a live call does not arrive in time, and when the roles
of speakers are corrected after a summary. Each published summary has its own revision number.
"""

import json
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime, timedelta

from steno.errors import Permanent
from steno.events.ids import is_live_pass, summary_id
from steno.events.records import CallSummary, Role, TranscriptCompleted
from steno_enricher import intervals
from steno_enricher.call_row import CallRow
from steno_enricher.finding import Finding
from steno_enricher.ranking import KeyPhrase, distinct
from steno_enricher.rows import Kind, RowHeader
from steno_enricher.speaker import Speaker

_MOST_KEY_PHRASES = 10
_MOST_TALLIED = 200
_MOST_EARLY = 1000
_MOST_SPEAKERS = 64
_FORMAT = 2


class ContradictoryTranscript(Permanent):
    """A transcript has more phrases than its completion says."""

    error_class = "contradictory_transcript"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Completion:
    """What `TranscriptCompleted` says of the transcript."""

    phrase_count: int
    duration_ms: int
    properties: Mapping[str, str]
    supersedes: str = ""
    tenant: str = ""


class PassState:
    """The state of one pass over a call; a row of the enricher's table."""

    def __init__(self, *, call_id: str, recording_id: str) -> None:
        self.call_id = call_id
        self.recording_id = recording_id
        #: The pass made while people speak.
        self.is_live = is_live_pass(call_id, recording_id)
        self._next_sequence = 0
        self._early: dict[int, Finding] = {}
        self._speakers: dict[int, Speaker] = {}
        self._tally: dict[str, int] = {}
        self._completion: _Completion | None = None
        self._call = CallRow()
        #: Revision of the next summary: how many were published.
        self._revision = 0
        #: Phrases in the last one.
        self._told_count = 0
        #: The summary of the complete transcript is published.
        self.summarised = False
        #: A summary is to be published, of the state as it is, before anything else happens to it.
        self.owed = False
        #: There will be no transcript, unless the recording is tried again.
        self.failed = False
        #: A live call of which nothing came for so long that nothing more is expected.
        self.closed = False
        #: It was too large to be stored, so its content was dropped and it has no summary.
        self.overgrown = False

    @property
    def phrase_count(self) -> int:
        """How many phrases have arrived, those that wait for earlier ones included."""
        return sum(speaker.count for speaker in self._speakers.values()) + len(self._early)

    @property
    def is_complete(self) -> bool:
        """Whether the transcript is finished and every phrase of it was counted."""
        return self._completion is not None and self._next_sequence >= self._completion.phrase_count

    def has_seen(self, sequence: int) -> bool:
        """Whether the phrase with a sequence number has arrived."""
        return sequence < self._next_sequence or sequence in self._early

    def add(self, finding: Finding) -> None:
        """Adds a phrase; one that was added before is ignored.

        Raises:
            ContradictoryTranscript: the transcript was completed without it.
        """
        if self.overgrown or self.has_seen(finding.sequence):
            return
        if self._completion is not None and finding.sequence >= self._completion.phrase_count:
            raise ContradictoryTranscript(
                f"phrase {finding.sequence} of recording {self.recording_id} came, but its transcript was completed with "
                f"{self._completion.phrase_count} phrases; its producer must number phrases from 0 and count them all"
            )
        self._early[finding.sequence] = finding
        if len(self._early) > _MOST_EARLY:
            self._next_sequence = min(self._early)
        while (following := self._early.pop(self._next_sequence, None)) is not None:
            self._count(following)
            self._next_sequence += 1
        self.closed = False
        self._notice_completion()

    def complete(self, transcript: TranscriptCompleted) -> None:
        """Notes that the transcript is complete, with its number of phrases and duration; the first completion counts.

        Raises:
            ContradictoryTranscript: more phrases have arrived than it says there are.
        """
        seen = max(self._next_sequence, max(self._early, default=-1) + 1)
        if seen > transcript.phrase_count:
            raise ContradictoryTranscript(
                f"the transcript of recording {self.recording_id} was completed with {transcript.phrase_count} phrases, "
                f"but phrase {seen - 1} came; its producer must number phrases from 0 and count them all"
            )
        self.failed = False
        if self._completion is None and not self.overgrown:
            self._completion = _Completion(
                phrase_count=transcript.phrase_count,
                duration_ms=transcript.duration_ms,
                properties=transcript.properties,
                supersedes=transcript.supersedes,
                tenant=transcript.tenant,
            )
        self._notice_completion()

    def update_call(self, call: CallRow) -> bool:
        """Replaces what is known of the call; returns False where nothing changed."""
        if call == self._call or self.overgrown:
            return False
        before = self._roles()
        self._call = call
        if self._revision > 0 and self._roles() != before:
            self.owed = True
        return True

    def due_in(self, *, grace: timedelta, inactive: timedelta) -> timedelta | None:
        """How long nothing may come before `time_out` is to be called; None where it need not be."""
        if not self.is_live or self.is_complete or self.closed:
            return None
        untold = self.phrase_count > self._told_count
        if self._call.over and untold:
            return grace
        return None if self.failed and not untold else inactive

    def time_out(self) -> None:
        """Makes a summary due of the phrases so far, since nothing came in time, and closes a call that has not ended."""
        untold = self.phrase_count > self._told_count
        self.owed = self.owed or untold
        self.closed = not (self._call.over and untold)

    def discard(self) -> None:
        """Drops all content, because the row is too large to be stored, and ignores what comes later."""
        self._early, self._speakers, self._tally = {}, {}, {}
        self._completion, self._call = None, CallRow()
        self.overgrown, self.owed, self.closed = True, False, True

    def note_published(self) -> None:
        """Notes that the summary that was due is published."""
        self._revision += 1
        self._told_count = self.phrase_count
        self.summarised = self.is_complete
        self.owed = False

    def summary(self, *, at: datetime) -> CallSummary:
        """Makes the summary of the phrases so far; without a complete transcript its duration ends with the last phrase."""
        whole = self if not self._early else self._with_early()
        speakers = whole._speakers
        spans = [speaker.spans for speaker in speakers.values()]
        completion = self._completion if self.is_complete else None
        duration = completion.duration_ms if completion else max((each[-1][1] for each in spans if each), default=0)
        roles = whole._roles()
        return CallSummary(
            call_id=self.call_id,
            recording_id=self.recording_id,
            supersedes=completion.supersedes if completion else "",
            revision=self._revision,
            summary_id=summary_id(self.call_id, self.recording_id),
            phrase_count=self.phrase_count,
            duration_ms=duration,
            silence_ms=duration - intervals.covered(spans, by=1, until=duration),
            overlap_ms=intervals.covered(spans, by=2),
            speakers=tuple(speaker.summary(channel, roles[channel]) for channel, speaker in sorted(speakers.items())),
            key_phrases=tuple(
                phrase.text for phrase in distinct((KeyPhrase(*entry) for entry in whole._tally.items()), _MOST_KEY_PHRASES)
            ),
            properties=dict(completion.properties if completion else self._call.properties),
            summarised_at=at,
            tenant=completion.tenant if completion else self._call.tenant,
        )

    def _with_early(self) -> "PassState":
        """A copy with the early phrases counted, as if none before them were missing."""
        whole = deepcopy(self)
        for _, finding in sorted(whole._early.items()):
            whole._count(finding)
        return whole

    def _notice_completion(self) -> None:
        self.owed = self.owed or (self.is_complete and not self.summarised)

    def _roles(self) -> dict[int, Role]:
        """The role by channel. Roles from the call apply to its live pass and to a pass that supersedes that one."""
        of_call = self.is_live or (self._completion is not None and bool(self._completion.supersedes))
        corrected = self._call.roles if of_call else {}
        return {channel: corrected.get(channel, speaker.role) for channel, speaker in self._speakers.items()}

    def _count(self, finding: Finding) -> None:
        if finding.channel not in self._speakers and len(self._speakers) >= _MOST_SPEAKERS:
            return
        self._speakers.setdefault(finding.channel, Speaker(role=finding.role)).add(finding)
        for phrase in finding.key_phrases:
            self._tally[phrase.text] = self._tally.get(phrase.text, 0) + phrase.relevance
        while len(self._tally) > _MOST_TALLIED:
            del self._tally[min(self._tally, key=lambda text: (self._tally[text], text))]

    def to_bytes(self, *, at: datetime, due_at: datetime | None = None) -> bytes:
        """The row as it is stored.

        Args:
            due_at: When `time_out` is to be called.
        """
        document = {
            "format": _FORMAT,
            "next": self._next_sequence,
            "early": [finding.to_list() for finding in self._early.values()],
            "speakers": [[channel, *speaker.to_list()] for channel, speaker in self._speakers.items()],
            "tally": self._tally,
            "call": self._call.to_list(),
            "revision": self._revision,
            "told": self._told_count,
            "summarised": self.summarised,
            "owed": self.owed,
            "failed": self.failed,
            "closed": self.closed,
            "overgrown": self.overgrown,
        }
        if (completion := self._completion) is not None:
            document["completion"] = [
                completion.phrase_count,
                completion.duration_ms,
                dict(completion.properties),
                completion.supersedes,
                completion.tenant,
            ]
        finished = self.summarised or self.failed or self.closed
        line = RowHeader(written_at=at, kind=Kind.FINISHED if finished else Kind.OPEN, due_at=at if self.owed else due_at)
        return line.to_row(document)

    @classmethod
    def from_bytes(cls, row: bytes, *, call_id: str, recording_id: str) -> "PassState":
        """Reads what `to_bytes` gave, in this format or in format 1, which had neither calls nor revisions."""
        document = json.loads(row.partition(b"\n")[2])
        state = cls(call_id=call_id, recording_id=recording_id)
        state._next_sequence = document["next"]
        findings = map(Finding.from_list, document["early"])
        state._early = {finding.sequence: finding for finding in findings}
        state._speakers = {channel: Speaker.from_list(rest) for channel, *rest in document["speakers"]}
        state._tally = document["tally"]
        state.summarised = document["summarised"]
        state.failed = document["failed"]
        if "completion" in document:
            phrase_count, duration_ms, properties, *later = document["completion"]
            state._completion = _Completion(
                phrase_count=phrase_count,
                duration_ms=duration_ms,
                properties=properties,
                supersedes=later[0] if later else "",
                tenant=later[1] if len(later) > 1 else "",
            )
        if document["format"] == 1:
            state._revision, state._told_count = (1, state._next_sequence) if state.summarised else (0, 0)
            return state
        state._call = CallRow.from_list(document["call"])
        state._revision, state._told_count = document["revision"], document["told"]
        state.owed, state.closed = document["owed"], document["closed"]
        state.overgrown = document.get("overgrown", False)
        return state
