"""The account of one call: what of it is on the log, held against what should be. Pure.

It takes the call's records in the order of the log and gives the audio that belongs into a recording; what is worth telling (a
gap, a pause, a silent channel) is noted. All of it follows from the records alone, so whoever reads them again, from any state
that was kept, comes to the same audio and the same notes.

| the log | what follows |
|---|---|
| a chunk whose sequence was taken already | the same audio again: dropped |
| a chunk that begins behind what was taken | its new part is taken |
| a chunk that begins beyond it | a gap of reason lost |
| audio, a gap or a pause further on than the call has had time for (`steno.call_clock`) | cannot be |
| audio while the call is paused | dropped, and noted: the pause is a hard gate here too |
| a pause that begins within audio taken already | that audio is masked |
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from steno.call_clock import CallClock, most_missing
from steno.errors import Permanent
from steno.events.records import AudioChunk, AudioCodec, AudioGap, CallEnded, CallPaused, CallResumed, DtmfPressed
from steno.unusable import ERROR, Unusable, reason
from steno_ingest.calls.log.one_legged import Leg, Legs
from steno_ingest.calls.log.pieces import Shape
from steno_ingest.calls.log.unusable import AfterTheEnd, BrokenAudio, ImpossiblePlace, UnusableRecord

#: What is noted of one call; a publisher that loses every other chunk of a day fills no database.
MOST_NOTES = 1000


#: Pauses, updates and corrections of roles of one call that are told to the ledger, each by itself, beyond one a second.
MOST_SAID = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Something that happened in a call."""

    kind: str
    position_ms: int
    duration_ms: int = 0
    detail: str = ""


class Failure(NamedTuple):
    """Why a call failed, for programs and for a person."""

    error: str
    reason: str


Heard = tuple[int, bytes]
"""Audio that belongs into the recording, with the position of its first sample."""


@dataclass(slots=True, kw_only=True)
class Account:
    """One call. Positions are samples of one channel since its start."""

    call_id: str
    codec: AudioCodec
    sample_rate: int
    channel_count: int
    #: Others must be heard for so long before a silent channel is told.
    one_legged_seconds: int
    #: Where the next audio is expected.
    position: int = 0
    #: Of the last chunk that was taken.
    sequence: int = -1
    #: Samples before `position` of which nobody sent audio.
    missing: int = 0
    #: The time that the call has had.
    clock: CallClock = field(default_factory=CallClock)
    #: Where the pause began that lasts.
    paused_from: int | None = None
    #: Where the last pause ended: a pause told to begin before that is one told again.
    resumed_at: int = 0
    ended: bool = False
    #: Audio that was taken before it became known that the call was paused by then.
    masks: list[tuple[int, int]] = field(default_factory=list)
    #: How often the ledger was to be told of it: paused, updated, corrected.
    said: int = 0
    #: How much was noted so far.
    noted: int = 0
    #: The faults that were told, each once a call.
    faults: set[str] = field(default_factory=set)
    #: How much of it could not be used.
    unusable: Unusable = field(default_factory=Unusable)
    #: Why it failed as a whole; nothing more of it is taken then.
    failure: Failure | None = None
    #: What is to be told and was not yet.
    notes: list[Note] = field(default_factory=list)
    legs: Legs = field(init=False, repr=False, compare=False)
    _frame_bytes: int = field(init=False)

    def __post_init__(self) -> None:
        samples = self.one_legged_seconds * self.sample_rate
        self.legs = Legs(self.codec, self.channel_count, samples=samples)
        self._frame_bytes = self.codec.sample_bytes * self.channel_count

    @property
    def shape(self) -> Shape:
        """What its samples look like."""
        return Shape(codec=self.codec, sample_rate=self.sample_rate, channels=self.channel_count)

    def written(self, at: datetime) -> None:
        """The next record of the call was written then; told before it is taken."""
        self.clock.tell(at)

    def chunk(self, chunk: AudioChunk) -> Heard | None:
        """Takes audio; gives what of it is new, None where nothing is.

        Raises:
            UnusableRecord: it cannot be taken. The call goes on without it.
        """
        audio, position, expected = chunk.audio, chunk.position, self.position
        length, rest = divmod(len(audio), self._frame_bytes)
        if rest or not length or self.ended:
            raise self._unusable_audio(chunk)
        if chunk.sequence <= self.sequence:
            if position >= expected and self.paused_from is None:
                raise self._out_of_sequence(chunk)
            return None
        if position > expected:
            self._check_jump(position)
        if chunk.sequence - self.sequence > 1:
            self._check_sequence(chunk)
        self.sequence = chunk.sequence
        if self.paused_from is not None:
            self._note_fault("audio_while_paused", position, "dropped: the call is paused")
            return None
        if position != expected:
            if position > expected:
                self._lose_until(position)
            elif position + length <= expected:
                return None
            else:
                audio = audio[(expected - position) * self._frame_bytes :]
                length, position = position + length - expected, expected
        self.position = position + length
        self.unusable.good()
        if silent := self.legs.listen(position, length, audio):
            self._note_silent(silent)
        return position, audio

    def gap(self, gap: AudioGap) -> None:
        """Takes a span without audio. Raises `UnusableRecord`."""
        end = gap.position + gap.length
        if self.ended or self.paused_from is not None or end <= self.position:
            return
        self._check_jump(end)
        self._lose_until(gap.position)
        self._skip_until(end, f"gap_{gap.reason.value}")

    def pause(self, pause: CallPaused) -> None:
        """No audio is kept from here on. Raises `UnusableRecord`; the call counts as paused all the same."""
        if not self.would_pause(pause):
            return
        self.paused_from = self.position
        if pause.position < self.position:
            self.masks.append((pause.position, self.position))
            self.paused_from = pause.position
            return
        self._check_jump(pause.position)
        self._lose_until(pause.position)
        self.paused_from = self.position

    def resume(self, resumed: CallResumed) -> None:
        """Audio is kept again. Raises `UnusableRecord`; the call then stays paused."""
        if not self.would_resume(resumed):
            return
        self._check_jump(resumed.position)
        self._end_pause(resumed.position)

    def would_pause(self, pause: CallPaused) -> bool:
        """Whether a pause begins with it: one from before the last resumption is told again with audio that is sent again."""
        return not self.ended and self.paused_from is None and pause.position >= self.resumed_at

    def would_resume(self, resumed: CallResumed) -> bool:
        """Whether the pause ends with it: one from before the pause is told again, too."""
        return not self.ended and self.paused_from is not None and resumed.position >= self.paused_from

    def dtmf(self, pressed: DtmfPressed) -> None:
        """Takes that a key was pressed; not while paused, when card numbers are."""
        if not self.ended and self.paused_from is None:
            channel = "" if pressed.channel is None else f" on channel {pressed.channel}"
            self._note("dtmf", min(pressed.position, self._furthest), detail=f"{pressed.digit}{channel}")

    def end(self, ended: CallEnded) -> None:
        """No audio follows. What is missing up to the end is lost."""
        if self.ended:
            return
        end = self.end_of(ended)
        if self.paused_from is not None:
            self._end_pause(end)
        self._lose_until(end)
        self.ended = True

    def end_of(self, ended: CallEnded) -> int:
        """Where the call ends by what is said of it; an end that is impossibly far is where the audio is."""
        return ended.position if ended.position <= self._furthest else self.position

    @property
    def said_too_often(self) -> bool:
        """Whether the ledger is told nothing more of it just now; its gate closes and opens all the same."""
        return self.said >= MOST_SAID + self.clock.elapsed.total_seconds()

    def refuse(self, error: UnusableRecord, position: int) -> bool:
        """Keeps that a record of the call could not be used; False where one was not for the same reason: one a call is told.

        Too many of them fail the call.
        """
        if self.unusable.bad():
            self.failure = Failure(ERROR, reason(str(error)))
        return self._note_fault(error.error_class, position, str(error))

    def note_refused(self, error: Permanent) -> bool:
        """The same of what the ledger refuses, which somebody else may say of the call: it counts nothing against it.

        It is an event of the call only where it is about the call.
        """
        if isinstance(error, UnusableRecord):
            return self._note_fault(error.error_class, self.position, str(error))
        first = error.error_class not in self.faults
        self.faults.add(error.error_class)
        return first

    def kept(self) -> dict[str, Any]:
        """All of it, for JSON; the notes are told before it is kept."""
        own = {name: getattr(self, name) for name in _KEPT}
        return {
            **own,
            "codec": self.codec.value,
            "missing": self.missing,
            "said": self.said,
            "elapsed_ms": self.clock.elapsed // _MILLISECOND,
            "written_at": None if self.clock.written_at is None else self.clock.written_at.isoformat(),
            "faults": sorted(self.faults),
            "unusable": self.unusable.weight,
            "failure": self.failure,
            "legs": [asdict(leg) for leg in self.legs.legs],
        }

    @classmethod
    def restored(cls, kept: dict[str, Any]) -> "Account":
        """The account that was kept."""
        values = {
            **{name: kept[name] for name in _KEPT},
            "codec": AudioCodec(kept["codec"]),
            "missing": kept.get("missing", 0),
            "said": kept.get("said", 0),
            "clock": _clock_of(kept),
            "faults": set(kept["faults"]),
            # Accounts of before have neither.
            "unusable": Unusable(kept.get("unusable", 0)),
            "failure": Failure(*failure) if (failure := kept.get("failure")) else None,
            "masks": [(start, end) for start, end in kept["masks"]],
        }
        account = cls(**values)
        account.legs.legs = [Leg(**leg) for leg in kept["legs"]]
        return account

    def _unusable_audio(self, chunk: AudioChunk) -> UnusableRecord:
        if self.ended:
            return AfterTheEnd(f"call {self.call_id} has ended at sample {self.position}; this audio came after it")
        return BrokenAudio(
            f"{len(chunk.audio)} bytes are no whole number of sample frames: {self.channel_count} channels of "
            f"{self.codec.value} have frames of {self._frame_bytes} bytes"
        )

    def _out_of_sequence(self, chunk: AudioChunk) -> UnusableRecord:
        return ImpossiblePlace(
            f"sequence {chunk.sequence} comes after {self.sequence} and brings audio that is new (sample {chunk.position}, "
            f"{self.position} is expected): number the chunks of a call upwards from 0"
        )

    @property
    def _furthest(self) -> int:
        """The call cannot have come further than this without more audio."""
        return self.position + self._most_missing - self.missing

    @property
    def _most_missing(self) -> int:
        return most_missing(self.clock.elapsed, audio=self.position - self.missing, sample_rate=self.sample_rate)

    def _check_jump(self, position: int) -> None:
        if position > (furthest := self._furthest):
            raise ImpossiblePlace(
                f"sample {position} is further on than the call has had time for: sample {self.position} is expected next, and "
                f"by the times of its records the call cannot be beyond {furthest}; positions count samples of one channel "
                "since the call's start, and go on as fast as time does"
            )

    def _check_sequence(self, chunk: AudioChunk) -> None:
        # A chunk has a sample at least, so that no more chunks can be missing than samples.
        if chunk.sequence - self.sequence > self._most_missing:
            raise ImpossiblePlace(
                f"sequence {chunk.sequence} comes after {self.sequence}, and the call has had no time for so many chunks in "
                "between: number the chunks of a call upwards from 0"
            )

    def _end_pause(self, end: int) -> None:
        start = self.position if self.paused_from is None else self.paused_from
        self.paused_from = None
        end = max(start, end)
        if self.masks and end < self.masks[-1][1]:
            self.masks[-1] = (self.masks[-1][0], max(self.masks[-1][0], end))
        if end > start:
            self._note("gap_paused", start, samples=end - start)
        self._go_to(max(self.position, end))
        self.resumed_at = end

    def _lose_until(self, position: int) -> None:
        if position > self.position:
            self._skip_until(position, "gap_lost")

    def _skip_until(self, end: int, kind: str) -> None:
        self._note(kind, self.position, samples=end - self.position)
        self._go_to(end)

    def _go_to(self, position: int) -> None:
        """Nobody sends audio of what lies before."""
        self.missing += position - self.position
        self.position = position

    def _note_silent(self, silent: Sequence[tuple[int, int]]) -> None:
        for since in sorted({since for _, since in silent}):
            channels = ", ".join(str(channel) for channel, start in silent if start == since)
            self._note("one_legged", since, samples=self.position - since, detail=f"channel {channels}")

    def _note_fault(self, kind: str, position: int, detail: str) -> bool:
        if kind in self.faults:
            return False
        self.faults.add(kind)
        self._note(kind, min(position, self._furthest), detail=detail)
        return True

    def _note(self, kind: str, position: int, *, samples: int = 0, detail: str = "") -> None:
        self.noted += 1
        if self.noted > MOST_NOTES:
            return
        if self.noted == MOST_NOTES:
            kind, samples, detail = "notes_ended", 0, f"{MOST_NOTES} were noted of this call; no more are"
        self.notes.append(
            Note(
                kind=kind,
                position_ms=position * 1000 // self.sample_rate,
                duration_ms=samples * 1000 // self.sample_rate,
                detail=detail,
            )
        )


def _clock_of(kept: dict[str, Any]) -> CallClock:
    """Where an earlier version kept the account, which knew of no clock, it begins now."""
    written_at = kept.get("written_at")
    return CallClock(
        elapsed=kept.get("elapsed_ms", 0) * _MILLISECOND,
        written_at=None if written_at is None else datetime.fromisoformat(written_at),
    )


_MILLISECOND = timedelta(milliseconds=1)

_KEPT = (
    "call_id",
    "sample_rate",
    "channel_count",
    "one_legged_seconds",
    "position",
    "sequence",
    "paused_from",
    "resumed_at",
    "ended",
    "masks",
    "noted",
)
