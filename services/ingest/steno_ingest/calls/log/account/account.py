"""The account of one call: which audio has arrived, what is missing, and what is wrong. Pure.

The records of the call are applied in the order of the log. The account returns the audio for the recording, and adds notes for
users (a gap, a pause, a silent channel). `steno.call_reader` interprets the records, here and for the live transcript; so every
reader that continues from a saved account gets the same audio and the same notes.

| record | consequence |
|---|---|
| new audio | it belongs in the recording |
| a span without audio | a note about a gap |
| audio while the call is paused | it is dropped, with one note |
| a pause that began within received audio | that audio is masked |
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from steno.call_clock import CallClock
from steno.call_reader import CallReader, Heard, Missing, PauseBegan, PauseEnded, Withheld
from steno.errors import Permanent
from steno.events.recognition import RecognitionDetails
from steno.events.records import AudioCodec, DtmfPressed, Record
from steno.unusable_records import ERROR, UnusableRecord, UnusableScore, failure_reason
from steno_ingest.calls.log.account.one_way_audio import ChannelSilence, OneWayAudio
from steno_ingest.calls.log.audio.pieces import Shape

#: The maximum number of notes of a call, so that a publisher that loses every other chunk for a day cannot fill the database.
MAX_NOTES = 1000

#: How many pauses, updates and corrections of roles of a call are passed to the ledger, besides one per second.
MAX_UPDATES = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """An event of a call, for users."""

    kind: str
    position_ms: int
    duration_ms: int = 0
    detail: str = ""


class Failure(NamedTuple):
    """Why a call failed, for programs and for a person."""

    error: str
    reason: str


@dataclass(slots=True, kw_only=True)
class Account:
    """One call. Positions are samples of one channel since its start."""

    call_id: str
    codec: AudioCodec
    sample_rate: int
    channel_count: int
    #: How long other channels must be heard before a silent channel is reported.
    one_way_seconds: int
    #: Spans of received audio in which the call turned out to be paused.
    masks: list[tuple[int, int]] = field(default_factory=list)
    #: The writer in its CallStarted.
    writer: str = ""
    #: The current language; empty in accounts of earlier versions of Steno.
    locale: str = ""
    #: Further options for the engine.
    recognition: RecognitionDetails = field(default_factory=RecognitionDetails)
    #: Whether the language changed within the call.
    several_languages: bool = False
    #: The number of pauses, updates and corrections.
    update_count: int = 0
    #: The number of notes so far.
    noted: int = 0
    #: The kinds of faults that have a note; each has only one.
    faults: set[str] = field(default_factory=set)
    #: The score of its unusable records, which decides when they are too many.
    unusable: UnusableScore = field(default_factory=UnusableScore)
    #: Why the call failed; then its further audio is ignored.
    failure: Failure | None = None
    #: Notes that are not in the ledger yet.
    notes: list[Note] = field(default_factory=list)
    one_way_audio: OneWayAudio = field(init=False, repr=False, compare=False)
    #: Interprets its records, and has its position.
    reader: CallReader = field(init=False)

    def __post_init__(self) -> None:
        samples = self.one_way_seconds * self.sample_rate
        self.one_way_audio = OneWayAudio(self.codec, self.channel_count, samples=samples)
        self.reader = CallReader(sample_rate=self.sample_rate, frame_bytes=self.shape.frame_bytes, writer=self.writer)

    @property
    def shape(self) -> Shape:
        """The format of its samples."""
        return Shape(codec=self.codec, sample_rate=self.sample_rate, channels=self.channel_count)

    @property
    def position(self) -> int:
        """The position of the next expected audio."""
        return self.reader.position

    @property
    def paused_from(self) -> int | None:
        """The start of the current pause; None if it is not paused."""
        return self.reader.paused_from

    @property
    def ended(self) -> bool:
        """Whether its audio has ended."""
        return self.reader.ended

    def advance_clock(self, at: datetime) -> None:
        """Sets the time at which the next record was written; call it before `apply`."""
        self.reader.clock.advance(at)

    def apply(self, record: Record) -> Heard | None:
        """Applies audio, a gap, a pause, a resumption or the end; returns the audio for the recording, if any.

        Raises:
            UnusableRecord: the record does not fit the call and is ignored; a pause takes effect in any case.
        """
        heard = None
        for step in self.reader.read(record):
            match step:
                case Heard():
                    heard = step
                case Missing(start=start, end=end, reason=why) if end > start:
                    self._note(f"gap_{why.value}", start, samples=end - start)
                case PauseBegan(start=start, heard=until) if start < until:
                    self.masks.append((start, until))
                case PauseEnded(start=start, end=end):
                    self._unmask(end)
                    if end > start:
                        self._note("gap_paused", start, samples=end - start)
                case Withheld(position=position):
                    self._note_fault("audio_while_paused", position, "dropped: the call is paused")
        if heard is not None:
            self.unusable.add_usable()
            length = len(heard.audio) // self.reader.frame_bytes
            if silent := self.one_way_audio.add(heard.position, length, heard.audio):
                self._note_silent(silent)
        return heard

    def apply_dtmf(self, pressed: DtmfPressed) -> None:
        """Adds a note about a key press, unless the call is paused, when callers may enter card numbers."""
        if not self.ended and self.paused_from is None:
            channel = "" if pressed.channel is None else f" on channel {pressed.channel}"
            self._note("dtmf", min(pressed.position, self.reader.furthest), detail=f"{pressed.digit}{channel}")

    def set_language(self, locale: str) -> None:
        """Sets the language from now on."""
        before, self.locale = self.locale, locale or self.locale
        if before and before != self.locale:
            self._note("language", self.position, detail=self.locale)
            self.several_languages |= self.position > 0

    @property
    def updates_exceeded(self) -> bool:
        """Whether no more updates may be passed to the ledger now; pauses take effect on the audio in any case."""
        return self.update_count >= MAX_UPDATES + self.reader.clock.elapsed.total_seconds()

    def count_unusable(self, error: UnusableRecord, position: int) -> bool:
        """Counts an unusable record; returns whether it is the first of its kind. Too many fail the call."""
        if self.unusable.add_unusable():
            self.failure = Failure(ERROR, failure_reason(str(error)))
        return self._note_fault(error.error_class, position, str(error))

    def note_refused(self, error: Permanent) -> bool:
        """Records that the ledger refused a record; returns whether it is the first of its kind.

        Another publisher may have sent it, so it does not count against the call, and gets a note only if it is about the call.
        """
        if isinstance(error, UnusableRecord):
            return self._note_fault(error.error_class, self.position, str(error))
        first = error.error_class not in self.faults
        self.faults.add(error.error_class)
        return first

    def to_json(self) -> dict[str, Any]:
        """Converts the account to JSON, without its notes, which are saved before it."""
        own = {name: getattr(self, name) for name in _PLAIN}
        return {
            **own,
            **_json_of(self.reader),
            "codec": self.codec.value,
            "writer": self.writer,
            "locale": self.locale,
            "recognition": self.recognition.model_dump(mode="json"),
            "several_languages": self.several_languages,
            "faults": sorted(self.faults),
            "unusable": self.unusable.weight,
            "failure": self.failure,
            # The names of all versions, since old and new processes take over from each other during an upgrade.
            "one_legged_seconds": self.one_way_seconds,
            "said": self.update_count,
            "legs": [
                {"quiet_from": silence.silent_from, "others_heard": silence.others_heard}
                for silence in self.one_way_audio.silences
            ],
        }

    @classmethod
    def from_json(cls, saved: dict[str, Any]) -> "Account":
        """Reads an account from JSON."""
        values = {
            **{name: saved[name] for name in _PLAIN},
            "codec": AudioCodec(saved["codec"]),
            "writer": saved.get("writer", ""),
            "locale": saved.get("locale", ""),
            "recognition": RecognitionDetails(**saved.get("recognition", {})),
            "several_languages": saved.get("several_languages", False),
            "one_way_seconds": saved["one_legged_seconds"],
            "update_count": saved.get("said", 0),
            "faults": set(saved["faults"]),
            # Accounts of earlier versions have neither of the next two.
            "unusable": UnusableScore(saved.get("unusable", 0)),
            "failure": Failure(*failure) if (failure := saved.get("failure")) else None,
            "masks": [(start, end) for start, end in saved["masks"]],
        }
        account = cls(**values)
        account.one_way_audio.silences = [
            ChannelSilence(silent_from=leg["quiet_from"], others_heard=leg["others_heard"]) for leg in saved["legs"]
        ]
        account.reader = _reader_of(saved, account.reader)
        return account

    def _unmask(self, end: int) -> None:
        """Ends the last mask at the end of the pause."""
        if self.masks and end < self.masks[-1][1]:
            start = self.masks[-1][0]
            self.masks[-1] = (start, max(start, end))

    def _note_silent(self, silent: Sequence[tuple[int, int]]) -> None:
        for since in sorted({since for _, since in silent}):
            channels = ", ".join(str(channel) for channel, start in silent if start == since)
            self._note("one_way_audio", since, samples=self.position - since, detail=f"channel {channels}")

    def _note_fault(self, kind: str, position: int, detail: str) -> bool:
        if kind in self.faults:
            return False
        self.faults.add(kind)
        self._note(kind, min(position, self.reader.furthest), detail=detail)
        return True

    def _note(self, kind: str, position: int, *, samples: int = 0, detail: str = "") -> None:
        self.noted += 1
        if self.noted > MAX_NOTES:
            return
        if self.noted == MAX_NOTES:
            kind, samples, detail = "notes_ended", 0, f"this call has {MAX_NOTES} notes, which is the limit"
        self.notes.append(
            Note(
                kind=kind,
                position_ms=position * 1000 // self.sample_rate,
                duration_ms=samples * 1000 // self.sample_rate,
                detail=detail,
            )
        )


def _json_of(reader: CallReader) -> dict[str, Any]:
    written_at = reader.clock.written_at
    return {
        "position": reader.position,
        # The number of the last accepted chunk.
        "sequence": reader.sequence - 1,
        "missing": reader.missing,
        "elapsed_ms": reader.clock.elapsed // _MILLISECOND,
        "written_at": None if written_at is None else written_at.isoformat(),
        "paused_from": reader.paused_from,
        "resumed_at": reader.resumed_at,
        "ended": reader.ended,
    }


def _reader_of(saved: dict[str, Any], begun: CallReader) -> CallReader:
    """Restores the reader of a saved account; an account of an earlier version has no clock, which then starts."""
    written_at = saved.get("written_at")
    return replace(
        begun,
        position=saved["position"],
        sequence=saved["sequence"] + 1,
        missing=saved.get("missing", 0),
        clock=CallClock(
            elapsed=saved.get("elapsed_ms", 0) * _MILLISECOND,
            written_at=None if written_at is None else datetime.fromisoformat(written_at),
        ),
        paused_from=saved["paused_from"],
        resumed_at=saved["resumed_at"],
        ended=saved["ended"],
    )


_MILLISECOND = timedelta(milliseconds=1)

_PLAIN = ("call_id", "sample_rate", "channel_count", "masks", "noted")
