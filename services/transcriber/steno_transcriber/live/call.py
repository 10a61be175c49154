"""A live call: records of its log in, finished utterances out. Sans-I/O.

What comes out is a function of the log alone. A call built from a checkpoint and given the log from the checkpoint's offset
on comes to the same utterances, in the same order, to the bit: of audio before a channel's restart nothing is heard again,
and utterances that begin before its final mark are known.

| record | what follows |
|---|---|
| chunk, next in line | it is heard |
| chunk with a sequence that was taken, or audio that was heard | nothing: a peer or a producer said it again |
| chunk that begins later than expected | what was open ends, hearing begins anew: audio was lost |
| gap, pause, resume | the same, where it lies ahead |
| any of these, further on than the call has had time for (`steno.call_clock`) | it cannot be |
| roles, update | utterances that end from now on have the new ones |
| end | what was open ends; nothing is taken any more |
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from steno.call_clock import CallClock, most_missing
from steno.errors import Permanent
from steno.events.properties import PropertiesTooLarge, merged
from steno.events.records import (
    AudioChunk,
    AudioGap,
    CallCheckpoint,
    CallEnded,
    CallPaused,
    CallResumed,
    CallStarted,
    CallUpdated,
    ChannelMark,
    Record,
    Role,
    RolesCorrected,
)
from steno_transcriber.live.audio import Linear, LiveForm, linear
from steno_transcriber.live.channel import LiveChannel
from steno_transcriber.live.lead import Lead
from steno_transcriber.live.places import CallFacts, Place, Places
from steno_transcriber.speech import Utterance

HOUR_MS = 3_600_000
_MILLISECOND = timedelta(milliseconds=1)
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LAST_SEQUENCE = 2**31 - 1


class BrokenAudio(Permanent):
    """A record does not fit the audio of its call."""

    error_class = "broken_audio"


class ImpossiblePlace(BrokenAudio):
    """A position or sequence is further on than the call has had time for."""

    error_class = "impossible_place"


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveUtterance:
    """An utterance that has ended, and what was known of the call then."""

    utterance: Utterance = field(repr=False)
    role: Role
    locale: str
    #: When its last sound was said, by the clock of whoever wrote the log.
    said_at: datetime


def begun(started: CallStarted, offset: int, *, written_at: datetime | None = None) -> CallCheckpoint:
    """From where a call is read whose `CallStarted` stands at an offset, and was written then."""
    return CallCheckpoint(
        call_id=started.call_id,
        offset=offset + 1,
        codec=started.codec,
        sample_rate=started.sample_rate,
        channels=started.channels,
        locale=started.locale,
        properties=started.properties,
        started_at=started.started_at,
        marks=tuple(ChannelMark(channel=index, restart_ms=0, final_ms=0) for index in range(len(started.channels))),
        next_sequence=0,
        written_at=written_at,
        saved_at=started.started_at,
        tenant=started.tenant,
    )


class LiveCall:
    """One call while it lasts."""

    def __init__(self, checkpoint: CallCheckpoint) -> None:
        self._first = checkpoint
        self._facts = CallFacts(channels=checkpoint.channels, locale=checkpoint.locale, properties=checkpoint.properties)
        self._samples_per_ms = checkpoint.sample_rate // 1000
        self._frame_bytes = checkpoint.codec.sample_bytes * len(checkpoint.channels)
        #: Whether audio would go on from where it was heard last.
        self._hearing = False
        form = LiveForm(checkpoint.sample_rate)
        self._channels = tuple(LiveChannel(mark, form) for mark in checkpoint.marks)
        self._next_offset = checkpoint.offset
        self._position = checkpoint.position
        self._sequence = checkpoint.sequence
        self._missing = checkpoint.missing
        self._clock = CallClock(elapsed=checkpoint.elapsed_ms * _MILLISECOND, written_at=checkpoint.written_at)
        #: The record that is being taken, or was taken last, and the clock before it.
        self._taking, self._clock_before = checkpoint.offset - 1, (self._clock.elapsed, self._clock.written_at)
        #: With so much audio it was not ahead of its time when that was looked at; less is not, either.
        self._in_time = 0
        self._next_phrase = checkpoint.next_sequence
        self._unpublished = 0
        self._ended = False
        self._heard_at = checkpoint.started_at
        self._lead = Lead(elapsed=self._clock.elapsed.total_seconds(), audio=self.audio / checkpoint.sample_rate)
        self._places = Places(self._place(checkpoint.offset, exact_from=0), apart=checkpoint.sample_rate)

    @property
    def call_id(self) -> str:
        """The call's id."""
        return self._first.call_id

    @property
    def tenant(self) -> str:
        """Whose it is."""
        return self._first.tenant

    @property
    def channels(self) -> tuple[LiveChannel, ...]:
        """Its channels, in their order."""
        return self._channels

    @property
    def facts(self) -> CallFacts:
        """Roles, locale and properties as they are known now."""
        return self._facts

    @property
    def duration_ms(self) -> int:
        """How much of the call has gone by."""
        return self._position // self._samples_per_ms

    @property
    def audio(self) -> int:
        """Samples of one channel that have come."""
        return self._position - self._missing

    @property
    def ahead(self) -> bool:
        """Whether its audio has come faster than it can have been spoken, by the times of its records (`steno.call_clock`)."""
        audio = self.audio
        if audio > self._in_time:
            self._in_time = most_missing(self._clock.elapsed, audio=0, sample_rate=self._first.sample_rate)
        return audio > self._in_time

    @property
    def hurried(self) -> bool:
        """Whether its audio comes faster than it is spoken just now (`lead`)."""
        return self._lead.hurried

    @property
    def next_phrase(self) -> int:
        """The sequence of the next phrase that is published."""
        return self._next_phrase

    @property
    def progress(self) -> tuple[tuple[ChannelMark, ...], int]:
        """What changes when less of the call need be read again: a mark for each channel, and the phrases published."""
        return tuple(channel.mark for channel in self._channels), self._next_phrase

    @property
    def ended(self) -> bool:
        """Whether all of the log has been taken."""
        return self._ended

    def take(self, record: Record, *, offset: int, written_at: datetime) -> list[LiveUtterance]:
        """Take the next record of the call and give the utterances that ended with it, in their order.

        A record that was taken before is taken no second time.

        Raises:
            BrokenAudio: it cannot be audio of this call, which goes on as if it had not come.
        """
        if offset < self._next_offset or self._ended:
            return []
        self._taking, self._clock_before = offset, (self._clock.elapsed, self._clock.written_at)
        self._clock.tell(written_at)
        found = list(self._take(record, offset))
        self._lead.tell(elapsed=self._clock.elapsed.total_seconds(), audio=self.audio / self._first.sample_rate)
        self._heard_at = written_at
        self._next_offset = offset + 1
        return self._given(found)

    def rest(self) -> list[LiveUtterance]:
        """Nothing has come for long: what is open ends where the audio does. More may come."""
        return self._given(list(self._interrupt(self._position, offset=self._next_offset)))

    def end(self) -> list[LiveUtterance]:
        """Nothing will come any more."""
        found = self.rest()
        self._ended = True
        return found

    def published(self, utterance: Utterance, *, with_text: bool) -> None:
        """An utterance is done, in the order in which they were given: it is not needed again."""
        self._channels[utterance.channel].published(utterance)
        self._unpublished -= 1
        self._next_phrase += with_text

    def checkpoint(self, *, log_end: int, saved_at: datetime, done: bool = False) -> CallCheckpoint:
        """From where somebody else can go on.

        Args:
            log_end: The offset behind the last record of the partition that was taken, of whatever call.
            saved_at: When this is.
            done: The transcript is published, nothing is needed any more.
        """
        marks, next_phrase = self.progress
        if done or not (self._hearing or self._unpublished or self._ended):
            place = self._place(max(log_end, self._next_offset), exact_from=self._position)
            self._places.keep_only(place)
        else:
            place = self._places.needed(min(mark.restart_ms for mark in marks) * self._samples_per_ms)
        return CallCheckpoint(
            call_id=self.call_id,
            offset=place.offset,
            position=place.position,
            sequence=place.sequence,
            codec=self._first.codec,
            sample_rate=self._first.sample_rate,
            channels=place.facts.channels,
            locale=place.facts.locale,
            properties=dict(place.facts.properties),
            started_at=self._first.started_at,
            marks=marks,
            next_sequence=next_phrase,
            missing=place.missing,
            elapsed_ms=place.elapsed // _MILLISECOND,
            written_at=place.written_at,
            done=done,
            saved_at=saved_at,
            tenant=self.tenant,
        )

    def _take(self, record: Record, offset: int) -> Iterator[Utterance]:
        match record:
            case AudioChunk():
                yield from self._chunk(record, offset)
            case AudioGap() if record.position + record.length > self._position:
                yield from self._interrupt(record.position + record.length, offset=offset + 1)
            case CallPaused() if record.position >= self._position:
                yield from self._interrupt(record.position, offset=offset + 1)
            case CallResumed() if record.position > self._position:
                yield from self._interrupt(record.position, offset=offset + 1)
            case RolesCorrected():
                self._facts = replace(self._facts, channels=self._facts.corrected(record.channels))
            case CallUpdated():
                # More than is kept changes nothing; the ledger of calls tells of it.
                with suppress(PropertiesTooLarge):
                    properties = merged(self._facts.properties, record.properties)
                    self._facts = replace(self._facts, locale=record.locale or self._facts.locale, properties=properties)
            case CallEnded():
                credible = self._position <= record.position <= self._furthest
                yield from self._interrupt(record.position if credible else self._position, offset=offset)
                self._ended = True
            case _:
                pass  # keys pressed say nothing; a start that comes again says nothing new

    def _chunk(self, chunk: AudioChunk, offset: int) -> Iterator[Utterance]:
        if chunk.sequence < self._sequence:
            return
        length, rest = divmod(len(chunk.audio), self._frame_bytes)
        if rest:
            raise BrokenAudio(
                f"chunk {chunk.sequence} of call {self.call_id} has {len(chunk.audio)} bytes: not whole samples of "
                f"{self._first.codec.value} on {len(self._channels)} channels"
            )
        skipped = chunk.sequence - self._sequence
        if skipped and skipped >= self._most_missing:
            raise ImpossiblePlace(f"chunk {chunk.sequence} of call {self.call_id} comes where {self._sequence} was expected")
        if chunk.position > self._position:
            yield from self._interrupt(chunk.position, offset=offset)
        end, begin = chunk.position + length, self._position
        if end > begin:
            begin = self._listen(offset, chunk.sequence, end)
            new = chunk.audio[(begin - chunk.position) * self._frame_bytes :]
            self._position = end
            for channel, audio in zip(self._channels, self._linear(new), strict=True):
                yield from channel.hear(audio)
        self._sequence = min(chunk.sequence + 1, LAST_SEQUENCE)

    def _listen(self, offset: int, sequence: int, end: int) -> int:
        """Makes ready for audio up to `end`; gives the position from which it is heard: at first, a whole millisecond."""
        start_ms = self._whole_ms()
        begin = start_ms * self._samples_per_ms
        if self._hearing:
            if self._places.due(self._position):
                self._places.keep(self._place(offset, exact_from=begin, sequence=sequence))
            return self._position
        if begin >= end:
            return end
        self._places.keep(self._place(offset, exact_from=begin, sequence=sequence))
        self._hearing = True
        for channel in self._channels:
            channel.begin(start_ms)
        return begin

    def _interrupt(self, until: int, *, offset: int) -> Iterator[Utterance]:
        """The audio breaks off, and may go on at `until`, with the record at `offset`."""
        if until > (furthest := self._furthest):
            raise ImpossiblePlace(
                f"a record of call {self.call_id} goes on at sample {until}, where {self._position} was expected; by the times "
                f"of its records the call cannot be beyond {furthest}"
            )
        if self._hearing:
            for channel in self._channels:
                yield from channel.finish()
            self._hearing = False
        self._missing += until - self._position
        self._position = until
        for channel in self._channels:
            channel.begin(self._whole_ms())
        self._places.keep(self._place(offset, exact_from=until))

    def _given(self, found: list[Utterance]) -> list[LiveUtterance]:
        self._unpublished += len(found)
        # A writer's clock may tell of a time before which there is none.
        heard_at = max(self._heard_at, _EARLIEST)
        return [
            LiveUtterance(
                utterance=utterance,
                role=self._facts.role_of(utterance.channel),
                locale=self._facts.locale,
                said_at=heard_at - timedelta(milliseconds=min(self.duration_ms - utterance.end_ms, HOUR_MS)),
            )
            for utterance in found
        ]

    def _place(self, offset: int, *, exact_from: int, sequence: int | None = None) -> Place:
        elapsed, written_at = self._clock.elapsed, self._clock.written_at
        if offset == self._taking:
            elapsed, written_at = self._clock_before
        return Place(
            offset=offset,
            position=self._position,
            sequence=self._sequence if sequence is None else sequence,
            exact_from=exact_from,
            missing=self._missing,
            elapsed=elapsed,
            written_at=written_at,
            facts=self._facts,
        )

    @property
    def _furthest(self) -> int:
        """The call cannot have come further than this without more audio."""
        return self._position + self._most_missing - self._missing

    @property
    def _most_missing(self) -> int:
        rate = self._first.sample_rate
        return most_missing(self._clock.elapsed, audio=self.audio, sample_rate=rate)

    def _whole_ms(self) -> int:
        """The position in milliseconds, rounded up."""
        return -(-self._position // self._samples_per_ms)

    def _linear(self, audio: bytes) -> list[Linear]:
        return linear(audio, self._first.codec, channels=len(self._channels))
