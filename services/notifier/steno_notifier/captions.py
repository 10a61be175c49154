"""Makes the caption events of one call for one reader, in any order of messages, and resumable by a cursor. Pure.

A reader gets each state of the call and each phrase of its live pass once, and the hypotheses in between; then the end. Each
event has a cursor. A reader that reconnects with it gets the events after it, and none twice.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from steno.events.ids import live_pass_id
from steno.events.records import CallState, CallStatus, Hypothesis, Phrase, TranscriptCompleted, TranscriptFailed
from steno.kafka.messages import Message

_CURSOR = re.compile(r"[0-9]{1,18}(-[0-9]{1,18}){3,200}(-end)?")
_MOST_EARLY = 190


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """The position of a reader: the next offset of each topic, and the sequence numbers of the phrases it has."""

    calls: int = 0
    phrases: int = 0
    hypotheses: int = 0
    #: All phrases before this one were told, and these beyond it.
    next_sequence: int = 0
    early: tuple[int, ...] = ()
    ended: bool = False

    def __str__(self) -> str:
        numbers = (self.calls, self.phrases, self.hypotheses, self.next_sequence, *self.early)
        return "-".join(map(str, numbers)) + ("-end" if self.ended else "")

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        """Parses the cursor in the `id` of an event.

        Raises:
            ValueError: it is not a cursor; the message is for the client.
        """
        if _CURSOR.fullmatch(text) is None:
            raise ValueError("the cursor is none that captions gave out; take the id of the last event, as it is")
        calls, phrases, hypotheses, next_sequence, *early = map(int, text.removesuffix("-end").split("-"))
        return cls(
            calls=calls,
            phrases=phrases,
            hypotheses=hypotheses,
            next_sequence=next_sequence,
            early=tuple(early),
            ended=text.endswith("-end"),
        )

    def has(self, sequence: int) -> bool:
        """Whether the reader has the phrase with a sequence number."""
        return sequence < self.next_sequence or sequence in self.early

    def with_phrase(self, sequence: int) -> "Cursor":
        """Returns the cursor with one more phrase."""
        if self.has(sequence):
            return self
        told = {*self.early, sequence}
        next_sequence = self.next_sequence
        while next_sequence in told:
            told.remove(next_sequence)
            next_sequence += 1
        # One that is missing for so long is not awaited any more.
        return replace(self, next_sequence=next_sequence, early=tuple(sorted(told)[-_MOST_EARLY:]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Caption:
    """One event for a reader."""

    #: `state`, `phrase`, `hypothesis` or `end`.
    event: str
    #: JSON; of all but `end` the record as it stands on its topic.
    data: str
    cursor: Cursor


class Captions:
    """Makes the events of one call for one reader."""

    def __init__(self, call_id: str, cursor: Cursor, *, sees: Callable[[str], bool]) -> None:
        """
        Args:
            sees: Whether the reader sees a tenant: a call of another tenant may have begun with the same id.
        """
        self._call_id = call_id
        self._sees = sees
        self._live = live_pass_id(call_id)
        self._cursor = cursor
        self._state: CallState | None = None
        # How many phrases the transcript has; None until it is completed.
        self._phrase_count: int | None = None
        self._transcript_over = False
        # By channel, when the last phrase that was told begins.
        self._told_until: dict[int, int] = {}

    @property
    def ended(self) -> bool:
        """Whether the last event was the end."""
        return self._cursor.ended

    def handle(self, message: Message) -> Sequence[Caption]:
        """Returns the events that a message makes; messages of a topic must come in the order of their offsets."""
        record = message.record
        if self.ended or not self._sees(getattr(record, "tenant", "")):
            return ()
        told: Caption | None = None
        match record:
            case CallState() as state:
                told = self._handle_state(state, message.offset)
            case Phrase(recording_id=self._live) as phrase:
                told = self._handle_phrase(phrase, message.offset)
            case Hypothesis(recording_id=self._live) as hypothesis:
                told = self._handle_hypothesis(hypothesis, message.offset)
            case TranscriptCompleted(recording_id=self._live) as transcript:
                self._phrase_count, self._transcript_over = transcript.phrase_count, True
            case TranscriptFailed(recording_id=self._live):
                self._transcript_over = True
        is_whole = self._phrase_count is not None and self._cursor.next_sequence >= self._phrase_count
        end = self._end() if is_whole and self._status is not CallStatus.ACTIVE else None
        return [caption for caption in (told, end) if caption is not None]

    def end_if_over(self) -> Sequence[Caption]:
        """Returns the end where the call has ended although phrases are missing; called when nothing has come for long."""
        over = self._status not in (CallStatus.ACTIVE, CallStatus.ENDING)
        if self.ended or not (over or (self._transcript_over and self._status is CallStatus.ENDING)):
            return ()
        return [self._end()]

    @property
    def _status(self) -> CallStatus:
        return CallStatus.ACTIVE if self._state is None else self._state.state

    def _handle_state(self, state: CallState, offset: int) -> Caption | None:
        is_news = state != self._state
        self._state = state
        if offset < self._cursor.calls:
            return None
        self._cursor = replace(self._cursor, calls=offset + 1)
        return None if not is_news else Caption(event="state", data=state.model_dump_json(), cursor=self._cursor)

    def _handle_phrase(self, phrase: Phrase, offset: int) -> Caption | None:
        self._told_until[phrase.channel] = max(phrase.start_ms, self._told_until.get(phrase.channel, 0))
        if offset < self._cursor.phrases:
            return None
        again = self._cursor.has(phrase.sequence) and phrase.revision == 0
        self._cursor = replace(self._cursor.with_phrase(phrase.sequence), phrases=offset + 1)
        # A transcriber that took the call over published it a second time.
        return None if again else Caption(event="phrase", data=phrase.model_dump_json(), cursor=self._cursor)

    def _handle_hypothesis(self, hypothesis: Hypothesis, offset: int) -> Caption | None:
        if offset < self._cursor.hypotheses:
            return None
        self._cursor = replace(self._cursor, hypotheses=offset + 1)
        # The topics keep no order between them: its phrase may have been told.
        is_late = hypothesis.start_ms <= self._told_until.get(hypothesis.channel, -1)
        return None if is_late else Caption(event="hypothesis", data=hypothesis.model_dump_json(), cursor=self._cursor)

    def _end(self) -> Caption:
        self._cursor = replace(self._cursor, ended=True)
        count = self._cursor.next_sequence + len(self._cursor.early)
        data = {"call_id": self._call_id, "state": self._status, "phrase_count": count}
        return Caption(event="end", data=json.dumps(data, ensure_ascii=False), cursor=self._cursor)
