"""Says what each record of `call-audio` means for its call: one rule for its recording and its live transcript. Pure.

A reader reads the records of one call (`is_of`) in the order of the log, and yields steps for each. The steps follow from the
records alone, so a reader that continues from a saved state comes to the same steps.

| a record | the steps |
|---|---|
| a chunk with a sequence that was read already | none: it is the same audio again |
| a chunk that begins within audio that was read | `Heard`: its new part |
| a chunk that begins beyond it | `Missing`, lost; then `Heard` |
| a gap that ends further on | `Missing` |
| a gap of length 0 where the audio is | `Missing` of length 0: what is being said ends there, and audio goes on |
| a pause | `PauseBegan`: at the end of the audio, or before it if the pause came late |
| audio while the call is paused | `Withheld`: nobody must hear it, and it does not move the position |
| a gap while the call is paused | none: it belongs to the pause |
| a resumption | `PauseEnded`: audio follows from there |
| a pause from before the last resumption, a resumption from before the pause | none: it is repeated |
| the end | `PauseEnded` or `Missing` up to it; an end that is impossibly far counts as the end of the audio |
| any of these, further on than the call has had time for (`steno.call_clock`) | none: the record is unusable |
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from steno.call_clock import CallClock, most_missing
from steno.events.records import AudioChunk, AudioGap, CallEnded, CallPaused, CallResumed, GapReason, LiveCallRecord, Record
from steno.unusable_records import AfterTheEnd, BrokenAudio, ImpossiblePlace

LAST_SEQUENCE = 2**31 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """New audio in whole sample frames. While this step is handled, the reader is at its beginning; for others, behind them."""

    position: int
    audio: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """Nobody sends the audio of this span. An empty one interrupts the audio, and nothing is missing."""

    start: int
    end: int
    reason: GapReason


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseBegan:
    """Nobody must hear what was said from `start` on; `heard` is beyond it if the pause came late."""

    start: int
    heard: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseEnded:
    """The pause was this span."""

    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Withheld:
    """Audio came while the call was paused."""

    position: int


Step = Heard | Missing | PauseBegan | PauseEnded | Withheld


@dataclass(slots=True, kw_only=True)
class CallReader:
    """The state of one call. Positions are samples of one channel since its start."""

    sample_rate: int
    frame_bytes: int
    #: Of the call's `CallStarted`.
    writer: str = ""
    #: Where the next audio is expected.
    position: int = 0
    #: Of the chunk that is expected next.
    sequence: int = 0
    #: Samples before `position` without audio that may be heard.
    missing: int = 0
    #: The time that the call has had; advanced for each record before it is read.
    clock: CallClock = field(default_factory=CallClock)
    #: Where the current pause began; None while the call is not paused.
    paused_from: int | None = None
    #: Where the last pause ended.
    resumed_at: int = 0
    ended: bool = False

    @property
    def audio(self) -> int:
        """Samples of one channel that have come."""
        return self.position - self.missing

    @property
    def furthest(self) -> int:
        """The furthest position that the call can be at without more audio."""
        return self.audio + self._most_missing

    def is_of(self, record: Record) -> bool:
        """Whether a record with the id of this call is of this call, and not of another one that was started with its id."""
        return not isinstance(record, LiveCallRecord) or record.writer == self.writer

    def read(self, record: Record) -> Iterator[Step]:
        """Yields the steps of the next record; the caller must take all of them.

        Raises:
            UnusableRecord: the record does not fit; raised before any step. A pause takes effect all the same.
        """
        match record:
            case AudioChunk():
                yield from self._chunk(record)
            case AudioGap():
                yield from self._gap(record)
            case CallPaused():
                yield from self._pause(record)
            case CallResumed():
                yield from self._resume(record)
            case CallEnded():
                yield from self._end(record)

    def would_pause(self, pause: CallPaused) -> bool:
        """Whether a pause begins with it: one from before the last resumption is repeated, with audio that is sent again."""
        return not self.ended and self.paused_from is None and pause.position >= self.resumed_at

    def would_resume(self, resumed: CallResumed) -> bool:
        """Whether the pause ends with it: a resumption from before the pause is repeated, too."""
        return not self.ended and self.paused_from is not None and resumed.position >= self.paused_from

    def end_of(self, ended: CallEnded) -> int:
        """Where the call ends by its `CallEnded`; an end that is impossibly far counts as the end of the audio."""
        return ended.position if ended.position <= self.furthest else self.position

    def _chunk(self, chunk: AudioChunk) -> Iterator[Step]:
        if self.ended:
            raise AfterTheEnd(f"call {chunk.call_id} has ended at sample {self.position}; this audio came after it")
        length, rest = divmod(len(chunk.audio), self.frame_bytes)
        if rest or not length:
            raise BrokenAudio(
                f"{len(chunk.audio)} bytes are no whole number of sample frames: the call has those of {self.frame_bytes}"
            )
        if chunk.sequence < self.sequence:
            if chunk.position >= self.position and self.paused_from is None:
                raise ImpossiblePlace(
                    f"sequence {chunk.sequence} comes after {self.sequence - 1} and brings audio that is new (sample "
                    f"{chunk.position}, {self.position} is expected): number the chunks of a call upwards from 0"
                )
            return
        self._check_jump(chunk.position)
        self._check_sequence(chunk)
        if self.paused_from is not None:
            yield Withheld(position=chunk.position)
        else:
            yield from self._lose_until(chunk.position)
            known = self.position - chunk.position
            if known < length:
                yield Heard(position=self.position, audio=chunk.audio[known * self.frame_bytes :])
                self.position = chunk.position + length
        self.sequence = min(chunk.sequence + 1, LAST_SEQUENCE)

    def _gap(self, gap: AudioGap) -> Iterator[Step]:
        end = gap.position + gap.length
        if self.ended or self.paused_from is not None:
            return
        if not gap.length and gap.position == self.position:
            yield Missing(start=end, end=end, reason=gap.reason)
        if end <= self.position:
            return
        self._check_jump(end)
        yield from self._lose_until(gap.position)
        if end > self.position:
            yield self._miss_until(end, gap.reason)

    def _pause(self, pause: CallPaused) -> Iterator[Step]:
        if not self.would_pause(pause):
            return
        self.paused_from = self.position
        self._check_jump(pause.position)
        self.paused_from = pause.position
        yield from self._lose_until(pause.position)
        yield PauseBegan(start=pause.position, heard=self.position)

    def _resume(self, resumed: CallResumed) -> Iterator[Step]:
        if not self.would_resume(resumed):
            return
        self._check_jump(resumed.position)
        yield from self._end_pause(resumed.position)

    def _end(self, ended: CallEnded) -> Iterator[Step]:
        if self.ended:
            return
        end = self.end_of(ended)
        yield from self._end_pause(end)
        yield from self._lose_until(end)
        self.ended = True

    def _end_pause(self, end: int) -> Iterator[Step]:
        start, self.paused_from = self.paused_from, None
        if start is not None:
            self.resumed_at = max(start, end)
            self._go_to(max(self.position, self.resumed_at))
            yield PauseEnded(start=start, end=self.resumed_at)

    def _lose_until(self, position: int) -> Iterator[Step]:
        if position > self.position:
            yield self._miss_until(position, GapReason.LOST)

    def _miss_until(self, end: int, reason: GapReason) -> Missing:
        start = self.position
        self._go_to(end)
        return Missing(start=start, end=end, reason=reason)

    def _go_to(self, position: int) -> None:
        self.missing += position - self.position
        self.position = position

    @property
    def _most_missing(self) -> int:
        return most_missing(self.clock.elapsed, audio=self.audio, sample_rate=self.sample_rate)

    def _check_jump(self, position: int) -> None:
        if position > self.position and position > (furthest := self.furthest):
            raise ImpossiblePlace(
                f"sample {position} is further on than the call has had time for: sample {self.position} is expected next, and "
                f"by the times of its records the call cannot be beyond {furthest}; positions count samples of one channel "
                "since the call's start, and go on as fast as time does"
            )

    def _check_sequence(self, chunk: AudioChunk) -> None:
        # A chunk has a sample at least, so that no more chunks can be missing than samples.
        skipped = chunk.sequence - self.sequence
        if skipped and skipped >= self._most_missing:
            raise ImpossiblePlace(
                f"sequence {chunk.sequence} comes after {self.sequence - 1}, and the call has had no time for so many chunks "
                "between: number the chunks of a call upwards from 0"
            )
