"""The account of one call: what of it is on the log, held against what should be. Pure.

It takes the call's records in the order of the log and gives the audio that belongs into a recording; what is worth telling (a
gap, a pause, a silent channel) is noted. What a record means for the call is said by `steno.call_reader`, to its live
transcript alike; so whoever reads the records again, from any state that was kept, comes to the same audio and the same notes.

| what follows of a record | here |
|---|---|
| audio that is new | belongs into the recording |
| a span that nobody sends | noted as a gap |
| audio while the call is paused | dropped, and noted once: the pause is a hard gate here too |
| a pause that began within audio taken already | that audio is masked |
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from steno.call_clock import CallClock
from steno.call_reader import CallReader, Heard, Missing, PauseBegan, PauseEnded, Withheld
from steno.errors import Permanent
from steno.events.records import AudioCodec, DtmfPressed, Record
from steno.unusable_records import ERROR, Unusable, UnusableRecord, reason
from steno_ingest.calls.log.account.one_way_audio import ChannelSilence, OneWayAudio
from steno_ingest.calls.log.audio.pieces import Shape

#: What is noted of one call; a publisher that loses every other chunk of a day fills no database.
MOST_NOTES = 1000


#: Pauses, updates and corrections of roles of one call that are told to the ledger, each by itself, beyond one a second.
MAX_UPDATES = 500


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


@dataclass(slots=True, kw_only=True)
class Account:
    """One call. Positions are samples of one channel since its start."""

    call_id: str
    codec: AudioCodec
    sample_rate: int
    channel_count: int
    #: Others must be heard for so long before a silent channel is told.
    one_way_seconds: int
    #: Audio that was taken before it became known that the call was paused by then.
    masks: list[tuple[int, int]] = field(default_factory=list)
    #: Of its CallStarted.
    writer: str = ""
    #: The language that was told last; empty in accounts of before, which did not keep it.
    locale: str = ""
    #: Whether another one was told within the call.
    several_languages: bool = False
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
    one_way_audio: OneWayAudio = field(init=False, repr=False, compare=False)
    #: How far the call is.
    reader: CallReader = field(init=False)

    def __post_init__(self) -> None:
        samples = self.one_way_seconds * self.sample_rate
        self.one_way_audio = OneWayAudio(self.codec, self.channel_count, samples=samples)
        self.reader = CallReader(sample_rate=self.sample_rate, frame_bytes=self.shape.frame_bytes, writer=self.writer)

    @property
    def shape(self) -> Shape:
        """What its samples look like."""
        return Shape(codec=self.codec, sample_rate=self.sample_rate, channels=self.channel_count)

    @property
    def position(self) -> int:
        """Where the next audio is expected."""
        return self.reader.position

    @property
    def paused_from(self) -> int | None:
        """Where the pause began that lasts."""
        return self.reader.paused_from

    @property
    def ended(self) -> bool:
        """Whether no audio follows."""
        return self.reader.ended

    def written(self, at: datetime) -> None:
        """The next record of the call was written then; told before it is taken."""
        self.reader.clock.tell(at)

    def take(self, record: Record) -> Heard | None:
        """Takes audio, a gap, a pause, a resumption or the end; gives the audio that belongs into the recording, if any does.

        Raises:
            UnusableRecord: it cannot be taken. The call goes on without it; a pause holds all the same.
        """
        heard = None
        for step in self.reader.read(record):
            match step:
                case Heard():
                    heard = step
                case Missing(start=start, end=end, reason=why):
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
            self.unusable.good()
            length = len(heard.audio) // self.reader.frame_bytes
            if silent := self.one_way_audio.add(heard.position, length, heard.audio):
                self._note_silent(silent)
        return heard

    def dtmf(self, pressed: DtmfPressed) -> None:
        """Takes that a key was pressed; not while paused, when card numbers are."""
        if not self.ended and self.paused_from is None:
            channel = "" if pressed.channel is None else f" on channel {pressed.channel}"
            self._note("dtmf", min(pressed.position, self.reader.furthest), detail=f"{pressed.digit}{channel}")

    def spoken(self, locale: str) -> None:
        """Takes which language is spoken from now on."""
        before, self.locale = self.locale, locale or self.locale
        if before and before != self.locale:
            self._note("language", self.position, detail=self.locale)
            self.several_languages |= self.position > 0

    @property
    def too_many_updates(self) -> bool:
        """Whether the ledger is told nothing more of it just now; its gate closes and opens all the same."""
        return self.said >= MAX_UPDATES + self.reader.clock.elapsed.total_seconds()

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
            **_kept_of(self.reader),
            "codec": self.codec.value,
            "writer": self.writer,
            "locale": self.locale,
            "several_languages": self.several_languages,
            "said": self.said,
            "faults": sorted(self.faults),
            "unusable": self.unusable.weight,
            "failure": self.failure,
            "silences": [asdict(silence) for silence in self.one_way_audio.silences],
        }

    @classmethod
    def restored(cls, kept: dict[str, Any]) -> "Account":
        """The account that was kept."""
        values = {
            **{name: kept[name] for name in _KEPT},
            "codec": AudioCodec(kept["codec"]),
            "writer": kept.get("writer", ""),
            "locale": kept.get("locale", ""),
            "several_languages": kept.get("several_languages", False),
            "said": kept.get("said", 0),
            "faults": set(kept["faults"]),
            # Accounts of before have neither.
            "unusable": Unusable(kept.get("unusable", 0)),
            "failure": Failure(*failure) if (failure := kept.get("failure")) else None,
            "masks": [(start, end) for start, end in kept["masks"]],
        }
        account = cls(**values)
        account.one_way_audio.silences = [ChannelSilence(**silence) for silence in kept["silences"]]
        account.reader = _reader_of(kept, account.reader)
        return account

    def _unmask(self, end: int) -> None:
        """A pause ended; audio behind that was not paused."""
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


def _kept_of(reader: CallReader) -> dict[str, Any]:
    written_at = reader.clock.written_at
    return {
        "position": reader.position,
        # Of the last chunk that was taken.
        "sequence": reader.sequence - 1,
        "missing": reader.missing,
        "elapsed_ms": reader.clock.elapsed // _MILLISECOND,
        "written_at": None if written_at is None else written_at.isoformat(),
        "paused_from": reader.paused_from,
        "resumed_at": reader.resumed_at,
        "ended": reader.ended,
    }


def _reader_of(kept: dict[str, Any], begun: CallReader) -> CallReader:
    """Where an earlier version kept the account, which knew of no clock, that begins now."""
    written_at = kept.get("written_at")
    return replace(
        begun,
        position=kept["position"],
        sequence=kept["sequence"] + 1,
        missing=kept.get("missing", 0),
        clock=CallClock(
            elapsed=kept.get("elapsed_ms", 0) * _MILLISECOND,
            written_at=None if written_at is None else datetime.fromisoformat(written_at),
        ),
        paused_from=kept["paused_from"],
        resumed_at=kept["resumed_at"],
        ended=kept["ended"],
    )


_MILLISECOND = timedelta(milliseconds=1)

_KEPT = ("call_id", "sample_rate", "channel_count", "one_way_seconds", "masks", "noted")
