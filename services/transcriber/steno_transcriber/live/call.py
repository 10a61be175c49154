"""Turns the records of a live call into utterances. Pure.

The result is a function of the log alone. A call built from a checkpoint and given the log from the checkpoint's offset
on comes to the same utterances, in the same order, to the bit: of audio before a channel's restart nothing is heard again,
and utterances that begin before its final mark are known.

What a record means for the call is said by `steno.call_reader`, to its recording alike:

| what follows of a record | here |
|---|---|
| audio that is new | it is heard |
| a span that nobody sends, even an empty one, a pause, the end of one | what was open ends, hearing begins anew |
| a pause that was told late | what was open ends where the pause began; what ended before is said already |
| audio while the call is paused | nothing |
| roles | utterances that end from now on have the new ones |
| another language | utterances that begin from now on are in it (`languages`) |
| end | what was open ends; nothing is taken any more |
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

from steno.call_clock import CallClock, most_missing
from steno.call_reader import CallReader, Heard, Missing, PauseBegan
from steno.events.observations import Observation
from steno.events.properties import PropertiesTooLarge, merged
from steno.events.recognition import RecognitionOptions
from steno.events.records import (
    AudioChunk,
    CallCheckpoint,
    CallEnded,
    CallStarted,
    CallUpdated,
    ChannelMark,
    Record,
    Role,
    RolesCorrected,
)
from steno_transcriber.crosstalk import CopyDetector
from steno_transcriber.live.audio import Linear, LiveForm, linear
from steno_transcriber.live.audio_lead import AudioLead
from steno_transcriber.live.channel import LiveChannel
from steno_transcriber.live.languages import Languages
from steno_transcriber.live.replay_points import CallFacts, ReplayPoint, ReplayPoints
from steno_transcriber.observations import Observations
from steno_transcriber.segmenter import SegmenterOptions
from steno_transcriber.similarity import LATEST_MS
from steno_transcriber.speech import Utterance

HOUR_MS = 3_600_000
_MILLISECOND = timedelta(milliseconds=1)
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveUtterance:
    """An utterance that has ended, with what was known of the call then."""

    utterance: Utterance = field(repr=False)
    role: Role
    options: RecognitionOptions
    #: When its last sound was said, by the clock of whoever wrote the log.
    said_at: datetime


def first_checkpoint(started: CallStarted, offset: int, *, written_at: datetime | None = None) -> CallCheckpoint:
    """Makes the checkpoint at which a new call starts, of its `CallStarted`, with the offset and time of that record."""
    return CallCheckpoint(
        call_id=started.call_id,
        offset=offset + 1,
        codec=started.codec,
        sample_rate=started.sample_rate,
        channels=started.channels,
        locale=started.locale,
        properties=started.properties,
        started_at=started.started_at,
        marks=tuple(
            ChannelMark(channel=index, restart_ms=0, raised_restart_ms=0, final_ms=0) for index in range(len(started.channels))
        ),
        next_sequence=0,
        written_at=written_at,
        saved_at=started.started_at,
        tenant=started.tenant,
        writer=started.writer,
        recognition=started.recognition,
    )


class HeardChannel(Protocol):
    """The interface between a live call and its channels."""

    @property
    def mark(self) -> ChannelMark:
        """Where its audio must be given again from, and what is already published from there on."""

    @property
    def heard_from_ms(self) -> int:
        """Where a process that takes it over needs its audio from."""

    @property
    def settled_ms(self) -> int:
        """No utterance that is found later begins before this time."""

    def start(self, start_ms: int) -> None:
        """Starts a stretch of audio."""

    def add_audio(self, audio: Linear) -> Iterator[Utterance]:
        """Adds the next audio of the stretch, and yields the utterances that ended in it."""

    def finish(self, until_ms: int | None = None) -> Iterator[Utterance]:
        """Ends the stretch, now or at `until_ms`."""


class LiveCall:
    """The state of one live call."""

    def __init__(self, checkpoint: CallCheckpoint) -> None:
        self._first = checkpoint
        self._facts = CallFacts(channels=checkpoint.channels, locale=checkpoint.locale, properties=checkpoint.properties)
        self._languages = Languages(checkpoint.locale)
        self._samples_per_ms = checkpoint.sample_rate // 1000
        #: Whether audio would go on from where it was heard last.
        self._hearing = False
        form = LiveForm(checkpoint.sample_rate)
        self._observations = Observations(checkpoint.observations)
        report = self._observations.add
        #: Told what all channels hear of the stretch of audio that goes on.
        self._copies = CopyDetector(len(checkpoint.marks), form, report=report)
        self._cut_channels: tuple[LiveChannel, ...] = ()
        self._channels = self._make_channels(checkpoint, form, report)
        self._next_offset = checkpoint.offset
        self._reader = CallReader(
            sample_rate=checkpoint.sample_rate,
            frame_bytes=checkpoint.codec.sample_bytes * len(checkpoint.channels),
            writer=checkpoint.writer,
            position=checkpoint.position,
            sequence=checkpoint.sequence,
            missing=checkpoint.missing,
            clock=CallClock(elapsed=checkpoint.elapsed_ms * _MILLISECOND, written_at=checkpoint.written_at),
            paused_from=checkpoint.paused_from,
            resumed_at=checkpoint.resumed_at,
        )
        #: The record that is being taken, or was taken last, and the clock before it.
        self._taking, self._clock_before = checkpoint.offset - 1, replace(self._reader.clock)
        #: With so much audio it was not ahead of its time when that was looked at; less is not, either.
        self._in_time = 0
        self._next_phrase = checkpoint.next_sequence
        self._step_states: Mapping[str, str] = checkpoint.step_states
        self._unpublished = 0
        self._heard_at = checkpoint.started_at
        self._said_until_ms = max(mark.final_ms for mark in checkpoint.marks)
        #: Where the audio broke off with the record that was added last, before any audio in it; None where it did not.
        #: At first: whether all is published that was said before the checkpoint.
        settled = min(channel.settled_ms for channel in self._channels) >= self.duration_ms
        self.broke_off_ms = self.duration_ms if settled else None
        self._lead = AudioLead(elapsed=self._reader.clock.elapsed.total_seconds(), audio=self.audio / checkpoint.sample_rate)
        self._replay_points = ReplayPoints(self._replay_point(checkpoint.offset, exact_from=0), apart=checkpoint.sample_rate)

    @property
    def call_id(self) -> str:
        """The call's id."""
        return self._first.call_id

    @property
    def tenant(self) -> str:
        """The tenant of the call."""
        return self._first.tenant

    @property
    def channels(self) -> tuple[LiveChannel, ...]:
        """Its channels, in their order."""
        return self._cut_channels

    @property
    def facts(self) -> CallFacts:
        """Roles, locale and properties as they are known now."""
        return self._facts

    @property
    def options(self) -> RecognitionOptions:
        """The recognition options, with the present language."""
        return self._options_in(self._facts.locale)

    def options_of(self, start_ms: int) -> RecognitionOptions:
        """The recognition options for speech that begins at a time."""
        return self._options_in(self._languages.of(start_ms))

    def _options_in(self, locale: str) -> RecognitionOptions:
        return self._first.options.model_copy(update={"locale": locale})

    def said_at(self, at_ms: int) -> datetime:
        """The wall-clock time of a position in the audio, by the clock of the producer."""
        # A writer's clock may tell of a time before which there is none.
        heard_at = max(self._heard_at, _EARLIEST)
        return heard_at - timedelta(milliseconds=min(self.duration_ms - at_ms, HOUR_MS))

    def is_copying(self, channel: int) -> bool:
        """Whether the open utterance of a channel is so far only a copy of another channel."""
        return self._copies.is_copying(channel, self._cut_channels[channel].needed_ms)

    @property
    def duration_ms(self) -> int:
        """The length of the call so far, in milliseconds."""
        return self._reader.position // self._samples_per_ms

    @property
    def audio(self) -> int:
        """Samples of one channel that have come."""
        return self._reader.audio

    @property
    def ahead(self) -> bool:
        """Whether its audio has come faster than it can have been spoken, by the times of its records (`steno.call_clock`)."""
        audio = self.audio
        if audio > self._in_time:
            self._in_time = most_missing(self._reader.clock.elapsed, audio=0, sample_rate=self._first.sample_rate)
        return audio > self._in_time

    @property
    def hurried(self) -> bool:
        """Whether its audio comes faster than it is spoken just now (`lead`)."""
        return self._lead.hurried

    @property
    def quiet_until_ms(self) -> int | None:
        """The latest time before which no utterance begins that is not found yet; None while somebody speaks at it."""
        settled_ms = min(channel.settled_ms for channel in self._channels)
        return settled_ms if settled_ms >= self._said_until_ms else None

    @property
    def next_phrase(self) -> int:
        """The sequence of the next phrase that is published."""
        return self._next_phrase

    @property
    def observations(self) -> tuple[Observation, ...]:
        """What was observed of what is published."""
        return self._observations.in_order

    @property
    def observations_of_all(self) -> tuple[Observation, ...]:
        """What was observed, once all of it is published."""
        return self._observations.in_order_at_end(heard_on={mark.channel for mark in self.progress[0] if mark.final_ms})

    @property
    def progress(self) -> tuple[tuple[ChannelMark, ...], int]:
        """What changes when less of the call need be read again: a mark for each channel, and the phrases published."""
        return tuple(channel.mark for channel in self._channels), self._next_phrase

    @property
    def ended(self) -> bool:
        """Whether the call has ended and takes no more records."""
        return self._reader.ended

    def is_of(self, record: Record) -> bool:
        """Whether a record with the id of the call is of it (`steno.call_reader`); no other is to be taken."""
        return self._reader.is_of(record)

    def add_record(self, record: Record, *, offset: int, written_at: datetime) -> list[LiveUtterance]:
        """Add the next record of the call, and return the utterances that ended with it, in order.

        A record that was added before is ignored.

        Raises:
            UnusableRecord: it does not fit this call, which goes on without it.
        """
        self.broke_off_ms = None
        if offset < self._next_offset or self.ended:
            return []
        clock = self._reader.clock
        self._taking, self._clock_before = offset, replace(clock)
        clock.advance(written_at)
        found = list(self._take(record, offset))
        self._lead.update(elapsed=clock.elapsed.total_seconds(), audio=self.audio / self._first.sample_rate)
        self._heard_at = written_at
        self._next_offset = offset + 1
        return self._given(found)

    def rest(self) -> list[LiveUtterance]:
        """End open utterances, because nothing has come for long; more may come."""
        return self._given(list(self._break_off(self._next_offset)))

    def end(self) -> list[LiveUtterance]:
        """End the call; no more records are accepted."""
        found = self.rest()
        self._reader.ended = True
        return found

    @property
    def step_states(self) -> Mapping[str, str]:
        """The states of the steps before publication."""
        return self._step_states

    def note_published(
        self,
        utterance: Utterance,
        *,
        step_states: Mapping[str, str] | None,
        observation: Observation | None = None,
    ) -> None:
        """Notes that an utterance is published, in the order in which they were returned.

        Args:
            utterance: The utterance.
            step_states: The states of the steps after its phrase; None where it made no phrase.
            observation: The observation about it, if any; it becomes part of the checkpoint.
        """
        if observation is not None:
            self._observations.add(observation)
        self._cut_channels[utterance.channel].note_published(utterance)
        self._unpublished -= 1
        if step_states is not None:
            self._note_phrase_published(step_states)

    def checkpoint(self, *, log_end: int, saved_at: datetime, done: bool = False) -> CallCheckpoint:
        """Makes the checkpoint from which another process can go on.

        Args:
            log_end: The offset after the last record of the partition that was handled, of any call.
            saved_at: The present time.
            done: Whether the transcript is published, so that nothing is needed any more.
        """
        marks, next_phrase = self.progress
        if done or not self._pending:
            place = self._replay_point(max(log_end, self._next_offset), exact_from=self._reader.position)
            self._replay_points.keep_only(place)
        else:
            # Copies are told by what other channels heard shortly before.
            needed_ms = min(channel.heard_from_ms for channel in self._channels) - LATEST_MS
            place = self._replay_points.needed(needed_ms * self._samples_per_ms)
        return CallCheckpoint(
            call_id=self.call_id,
            offset=place.offset,
            position=place.reader.position,
            sequence=place.reader.sequence,
            codec=self._first.codec,
            sample_rate=self._first.sample_rate,
            channels=place.facts.channels,
            locale=place.facts.locale,
            properties=dict(place.facts.properties),
            started_at=self._first.started_at,
            marks=marks,
            next_sequence=next_phrase,
            missing=place.reader.missing,
            elapsed_ms=place.reader.clock.elapsed // _MILLISECOND,
            written_at=place.reader.clock.written_at,
            paused_from=place.reader.paused_from,
            resumed_at=place.reader.resumed_at,
            observations=self.observations,
            done=done,
            saved_at=saved_at,
            tenant=self.tenant,
            writer=self._first.writer,
            recognition=self._first.recognition,
            step_states=dict(self._step_states),
        )

    def _make_channels(
        self, checkpoint: CallCheckpoint, form: LiveForm, report: Callable[[Observation], None]
    ) -> Sequence[HeardChannel]:
        self._cut_channels = tuple(
            LiveChannel(index, mark, form, beside=self._copies, report=report, options=SegmenterOptions.of(checkpoint.options))
            for index, mark in enumerate(checkpoint.marks)
        )
        return self._cut_channels

    def _note_phrase_published(self, step_states: Mapping[str, str]) -> None:
        self._step_states = step_states
        self._next_phrase += 1

    @property
    def _pending(self) -> bool:
        """Whether something was heard that is not published yet, or may not be."""
        return bool(self._hearing or self._unpublished or self.ended)

    def _take(self, record: Record, offset: int) -> Iterator[Utterance]:
        match record:
            case RolesCorrected():
                self._facts = replace(self._facts, channels=self._facts.corrected(record.channels))
            case CallUpdated():
                # More than is kept changes nothing; the ledger of calls tells of it.
                with suppress(PropertiesTooLarge):
                    properties = merged(self._facts.properties, record.properties)
                    self._facts = replace(self._facts, locale=record.locale or self._facts.locale, properties=properties)
                    self._languages.forget(min(channel.heard_from_ms for channel in self._channels))
                    self._languages.change(self._facts.locale, at_ms=self.duration_ms)
            case AudioChunk():
                for step in self._reader.read(record):
                    if isinstance(step, Missing):
                        yield from self._break_off(offset)
                    elif isinstance(step, Heard):
                        yield from self._hear(step, offset)
            case _:
                yield from self._follow(record, offset)

    def _follow(self, record: Record, offset: int) -> Iterator[Utterance]:
        """What follows of a record without audio: keys pressed say nothing, nor does a start that comes again."""
        steps = list(self._reader.read(record))
        if not steps and not self.ended:
            return
        began = next((step.start for step in steps if isinstance(step, PauseBegan)), None)
        # Who goes on from here has to learn of the end, too.
        again = offset if isinstance(record, CallEnded) else offset + 1
        yield from self._break_off(again, until=began)

    def _hear(self, heard: Heard, offset: int) -> Iterator[Utterance]:
        audio = heard.audio
        if not self._hearing:
            # From a whole millisecond on.
            start_ms = self._whole_ms()
            begin = start_ms * self._samples_per_ms
            audio = audio[(begin - heard.position) * self._reader.frame_bytes :]
            if not audio:
                return
            self._replay_points.keep(self._replay_point(offset, exact_from=begin))
            self._hearing = True
            self._copies.start(start_ms)
            for channel in self._channels:
                channel.start(start_ms)
        elif self._replay_points.due(heard.position):
            self._replay_points.keep(self._replay_point(offset, exact_from=self._whole_ms() * self._samples_per_ms))
        yield from self._cut(self._linear(audio))

    def _cut(self, sound: list[Linear]) -> Iterator[Utterance]:
        """The utterances that end in the next audio of the stretch."""
        self._copies.add_audio(sound)
        for channel, samples in zip(self._channels, sound, strict=True):
            yield from channel.add_audio(samples)
        self._copies.forget(min(channel.needed_ms for channel in self._cut_channels))

    def _break_off(self, offset: int, *, until: int | None = None) -> Iterator[Utterance]:
        """The audio breaks off, and may go on with the record at `offset`; what is open ends at `until`, if that is told."""
        if self._hearing:
            until_ms = None if until is None else until // self._samples_per_ms
            for channel in self._channels:
                yield from channel.finish(until_ms)
            self._hearing = False
        self.broke_off_ms = self.duration_ms
        for channel in self._channels:
            channel.start(self._whole_ms())
        self._replay_points.keep(self._replay_point(offset, exact_from=self._reader.position))

    def _note_said(self, until_ms: int) -> None:
        self._said_until_ms = max(self._said_until_ms, until_ms)

    def _given(self, found: list[Utterance]) -> list[LiveUtterance]:
        self._unpublished += len(found)
        for utterance in found:
            self._note_said(utterance.end_ms)
        return [
            LiveUtterance(
                utterance=utterance,
                role=self._facts.role_of(utterance.channel),
                options=self.options_of(utterance.start_ms),
                said_at=self.said_at(utterance.end_ms),
            )
            for utterance in found
        ]

    def _replay_point(self, offset: int, *, exact_from: int) -> ReplayPoint:
        clock = self._clock_before if offset == self._taking else self._reader.clock
        return ReplayPoint(
            offset=offset, exact_from=exact_from, reader=replace(self._reader, clock=replace(clock)), facts=self._facts
        )

    def _whole_ms(self) -> int:
        """The position in milliseconds, rounded up."""
        return -(-self._reader.position // self._samples_per_ms)

    def _linear(self, audio: bytes) -> list[Linear]:
        return linear(audio, self._first.codec, channels=len(self._channels))
