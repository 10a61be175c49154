"""What stands around a door, without a server: its call is taken, and what it says becomes records."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from pydantic import ValidationError
from steno_ingest.calls.doors.actions import (
    Action,
    Audio,
    Close,
    CloseReason,
    Dtmf,
    Ended,
    Gap,
    Left,
    Offered,
    Paused,
    Resumed,
    ResumePoint,
    ResumePosition,
    SendBytes,
    SendText,
    Updated,
)
from steno_ingest.calls.doors.port import Door, Refusal
from steno_ingest.calls.hosting.session import CallSession, Entry, IllegalInput, State, unused_sequence
from steno_ingest.calls.ledger.pauses import GateState, Holder
from support.calls import live_phrase

from steno.events.codec import Codec
from steno.events.records import CallStarted
from steno.events.schemas import ShippedSchemaIds

CODEC = Codec(ShippedSchemaIds())
BEGAN = datetime(2026, 3, 1, 9, tzinfo=UTC)
START = ResumePoint(sequence=0, position=0)
MOST_POSITION = 2**53
"""Behind it no player, database or JavaScript counts on exactly."""
MOST_TOLD_CHARACTERS = 200_000


@dataclass(frozen=True, slots=True)
class Text:
    """The peer sends a text frame."""

    text: str


@dataclass(frozen=True, slots=True)
class Binary:
    """The peer sends a binary frame."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Wait:
    """Time goes by."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Ask:
    """The service says something: pause, resume, leave, settled, transcribed, lost."""

    what: str


Step = Text | Binary | Wait | Ask


class Stand:
    """One door and its call."""

    def __init__(self, door: Door) -> None:
        self.door = door
        self.session: CallSession | None = None
        self.now = 0.0
        self.closed = False
        self._offered = False
        self._ended = False
        self._phrases = 0

    def play(self, script: Iterable[Step]) -> None:
        """Lets all of it happen, and the connection be lost at the end."""
        for step in script:
            match step:
                case Wait(seconds=seconds):
                    self.now += seconds
                    self._do(self.door.tick(now=self.now))
                case Text(text=text) if not self.closed:
                    self._do(self.door.receive_text(text, now=self.now))
                case Binary(data=data) if not self.closed:
                    self._do(self.door.receive_bytes(data, now=self.now))
                case Ask(what=what):
                    self._ask(what)
        self._do(self.door.lose_connection())
        assert self.session is None or self.session.state is State.ENDED or self.door.resumable, "the call was not ended"

    def _ask(self, what: str) -> None:
        session = self.session
        match what:
            case "pause":
                if session is not None and session.state is State.RUNNING:
                    self._kept(session.pause(Holder.SERVICE))
                self._do(self.door.ask_pause())
            case "resume":
                if session is not None and session.state is State.RUNNING:
                    self._kept(session.resume(Holder.SERVICE))
                self._do(self.door.ask_resume())
            case "leave":
                self._do(self.door.ask_to_leave("service_stopping"))
            case "settled" if self._ended:
                self._do(self.door.settle(now=self.now))
            case "transcribed" if self._ended:
                self._do(self.door.end_captions(phrase_count=3, now=self.now))
            case "reached" if session is not None:
                self._do(self.door.reach_captions(until_ms=round(1000 * self.now), now=self.now))
            case "phrase" if session is not None:
                at = round(1000 * self.now)
                phrase = live_phrase(self._phrases, "call-1", start_ms=at, duration_ms=200)
                self._phrases += 1
                self._do(self.door.add_caption(phrase, now=self.now))
            case "acknowledged" if session is not None:
                self._do(self.door.acknowledge(sequence=session.flushed.sequence, position=session.flushed.position))

    def _do(self, actions: Iterable[Action]) -> None:
        for action in actions:
            if isinstance(action, SendText | SendBytes | Close):
                self._said(action)
            elif isinstance(action, Offered):
                self._offer(action)
            elif self.session is not None and self.session.state is not State.ENDED:
                try:
                    self._told(self.session, action)
                except IllegalInput as error:
                    self._kept(self.session.end(complete=False, reason="protocol_error", error=str(error)))
                    self._said(Close(why=CloseReason.REFUSED, detail=str(error)))
            elif isinstance(action, Ended):
                assert not self._ended, "the call ended twice"
                self._ended = True

    def _said(self, action: SendText | SendBytes | Close) -> None:
        if self.closed:
            return
        match action:
            case SendText(text=text):
                assert len(text) <= MOST_TOLD_CHARACTERS, f"{len(text)} characters for the peer"
                # The Speech SDK's messages have headers.
                assert isinstance(json.loads(text.rpartition("\r\n\r\n")[2]), dict)
                text.encode()
            case Close(detail=detail):
                detail[:100].encode()
                self.closed = True

    def _offer(self, offered: Offered) -> None:
        assert not self._offered, "a call was offered twice"
        self._offered = True
        try:
            started = CallStarted(
                call_id=offered.call_id,
                codec=offered.format.codec,
                sample_rate=offered.format.sample_rate,
                channels=offered.channels,
                locale=offered.locale,
                protocol=self.door.name,
                properties=dict(offered.properties),
                started_at=BEGAN,
            )
        except ValidationError:
            self._do(self.door.refuse(Refusal.NOT_VALID, now=self.now))
            return
        resume = offered.resume
        if isinstance(resume, ResumePosition):
            resume = ResumePoint(sequence=unused_sequence(self._clock() - BEGAN), position=resume.position)
        self.session = CallSession(started, chunk_ms=100, clock=self._clock, at=resume)
        self._kept(self.session.start(GateState.BY_PEER if offered.paused else GateState.OPEN))
        self._do(self.door.accept(at=self.session.received, now=self.now))

    def _told(self, session: CallSession, action: Action) -> None:
        match action:
            case Audio(data=data):
                self._kept(session.audio(data))
            case Gap(length=length, reason=reason):
                assert length >= 0
                self._kept(session.gap(length, reason))
            case Paused():
                self._kept(session.pause(Holder.PEER))
            case Resumed(skipped=skipped):
                assert skipped >= 0
                self._kept(session.resume(Holder.PEER, skipped=skipped))
            case Dtmf(digit=digit, channel=channel):
                self._kept(session.dtmf(digit, channel))
            case Updated(properties=properties, locale=locale, channels=channels):
                self._kept(session.update(properties=properties, locale=locale, channels=channels))
            case Ended(complete=complete, reason=reason, error=error):
                self._ended = True
                self._kept(session.end(complete=complete, reason=reason, error=error))
            case Left(reason=reason, error=error):
                # Nobody comes again.
                self._ended = True
                self._kept(session.end(complete=False, reason=reason, error=error))

    def _kept(self, entries: Iterable[Entry]) -> None:
        """What goes onto the log can be written, and read again."""
        for entry in entries:
            assert CODEC.decode(CODEC.encode(entry.record)) == entry.record
            position = getattr(entry.record, "position", 0)
            assert 0 <= position <= MOST_POSITION, f"position {position}"

    def _clock(self) -> datetime:
        return BEGAN + timedelta(seconds=self.now)
