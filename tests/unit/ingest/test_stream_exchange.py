"""Steno's own door and its client, held against each other in memory: wherever the connection is cut, the log has the call."""

import random
from collections import deque
from datetime import UTC, datetime
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from steno_ingest.calls.doors.actions import Action, Audio, Close, Ended, Offered, ResumePoint, SendText
from steno_ingest.calls.doors.port import Refusal
from steno_ingest.calls.doors.stream import StreamDoor
from steno_ingest.calls.hosting.session import CallSession, Entry
from steno_ingest.calls.hosting.session import State as Session
from steno_ingest.calls.transports.websocket_connection import CLOSE_CODES
from support.effort import examples

from steno.cli.clients.audio import CallAudio
from steno.cli.clients.stream import CallDescription, State, StreamClient
from steno.events.records import AudioChunk, AudioCodec, CallEnded, CallStarted, Record

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CHUNK_MS = 100
DESCRIPTION = CallDescription(call_id="call-1", roles=("agent", "customer"))
AUDIO = CallAudio(path=Path("a.wav"), codec=AudioCodec.PCMU, sample_rate=8000, channels=2)
STEPS = ("speak", "speak", "deliver", "deliver", "answer", "write", "confirm", "tick", "cut")


class Ingest:
    """Door, session and line to the log, as the server has them together; the log and the ledger outlive its process."""

    def __init__(self) -> None:
        self.log: list[Record] = []
        self.ledger: CallStarted | None = None
        self.back: deque[str] = deque()
        self.closed: int | None = None
        self.now = 0.0
        self._session: CallSession | None = None
        #: Entries on their way: those before `_written` are on the log, and not acknowledged yet.
        self._line: deque[Entry] = deque()
        self._written = 0
        self._over = False
        self._door = StreamDoor()

    def connect(self) -> None:
        self._door, self.closed = StreamDoor(), None
        self.back.clear()

    def lose(self) -> None:
        """The connection is gone; the call is held for its peer."""
        list(self._door.lose_connection())

    def die(self) -> None:
        """The process is killed, and what it had not written with it."""
        self._session, self._over = None, False
        self._line.clear()
        self._written = 0

    def receive(self, frame: str | bytes) -> None:
        if self.closed is None:
            text = isinstance(frame, str)
            self._do(self._door.receive_text(frame, now=self.now) if text else self._door.receive_bytes(frame, now=self.now))  # type: ignore[arg-type]

    def write(self) -> None:
        """The next record reaches the log."""
        if self._written < len(self._line):
            self.log.append(self._line[self._written].record)
            self._written += 1

    def confirm(self) -> None:
        """The broker has acknowledged the first record on its way."""
        if self._written:
            after = self._line.popleft().after
            self._written -= 1
            self._do(self._door.acknowledge(sequence=after.sequence, position=after.position))
        if self._over and not self._line:
            # Told once on a connection; the next one asks again.
            self._over = False
            self._do(self._door.settle(now=self.now))
            self._do(self._door.end_captions(phrase_count=0, now=self.now))

    def tick(self) -> None:
        self.now += 0.5
        self._do(self._door.tick(now=self.now))

    def _do(self, actions: object) -> None:
        for action in list(actions):  # type: ignore[call-overload]
            self._carry_out(action)

    def _carry_out(self, action: Action) -> None:
        match action:
            case SendText(text=text):
                self.back.append(text)
            case Close(why=why):
                self.closed = CLOSE_CODES[why]
            case Offered():
                self._offer(action)
            case Audio(data=data):
                assert self._session is not None
                self._line.extend(self._session.audio(data))
            case Ended(complete=True, reason=reason):
                assert self._session is not None
                if self._session.state is not Session.ENDED:
                    self._line.extend(self._session.end(complete=True, reason=reason))
                self._over = True
            case _:
                raise AssertionError(f"{action} is none of a call that is only spoken")

    def _offer(self, offered: Offered) -> None:
        if offered.resume is None or (self.ledger is None and offered.resume == ResumePoint(sequence=0, position=0)):
            if self.ledger is not None:
                self._do(self._door.refuse(Refusal.CALL_ID_IN_USE, now=self.now))
                return
            self.ledger = CallStarted(
                call_id=offered.call_id,
                codec=offered.format.codec,
                sample_rate=8000,
                channels=offered.channels,
                started_at=NOW,
            )
            self._begin(None)
        elif self.ledger is None:
            self._do(self._door.refuse(Refusal.NO_SUCH_CALL, now=self.now))
            return
        elif self._session is None and any(isinstance(record, CallEnded) for record in self.log):
            self._do(self._door.refuse(Refusal.CALL_ALREADY_ENDED, now=self.now))
            return
        elif self._session is None:
            assert isinstance(offered.resume, ResumePoint)
            self._begin(offered.resume)
        assert self._session is not None
        self._do(self._door.accept(at=self._session.received, now=self.now))

    def _begin(self, at: ResumePoint | None) -> None:
        assert self.ledger is not None
        self._session = CallSession(self.ledger, chunk_ms=CHUNK_MS, clock=lambda: NOW, at=at)
        self._line.extend(self._session.start())


def heard(log: list[Record]) -> bytes:
    """The audio of the log as its consumers take it: a chunk whose number was there is dropped."""
    audio, position, last = b"", 0, -1
    for record in log:
        if isinstance(record, AudioChunk) and record.sequence > last:
            assert record.position == position, "audio is missing, or was put in twice"
            last, audio = record.sequence, audio + record.audio
            position += len(record.audio) // AUDIO.frame_bytes
    return audio


@settings(max_examples=examples(100), deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 40))
def test_the_log_has_what_was_said_wherever_the_connection_is_cut(seed: int, count: int) -> None:
    """Frames of any size, cuts and killed processes anywhere: all of the call is on the log once, and ends once."""
    chance = random.Random(seed)
    client, ingest = StreamClient(DESCRIPTION, AUDIO), Ingest()
    waiting = [chance.randbytes(AUDIO.frame_bytes * chance.randrange(1, 2_000)) for _ in range(count)]
    spoken = b"".join(waiting)
    cuts, connected, hung_up = 8, False, False
    while client.state is not State.DONE:
        match chance.choice(STEPS) if connected else "connect":
            case "connect":
                ingest.connect()
                client.open_connection()
                connected = True
            case "speak" if waiting:
                client.send_audio(waiting.pop(0))
            case "speak" if not hung_up:
                client.end_call()
                hung_up = True
            case "deliver" if client.outgoing:
                ingest.receive(client.outgoing.popleft())
            case "answer" if ingest.back:
                client.receive(ingest.back.popleft())
            case "answer" if ingest.closed is not None:
                client.close_connection(ingest.closed)
                connected = False
            case "write":
                ingest.write()
            case "confirm":
                ingest.confirm()
            case "tick":
                ingest.tick()
            case "cut" if cuts:
                cuts -= 1
                ingest.lose()
                if chance.random() < 0.5:
                    ingest.die()
                client.close_connection(chance.choice([None, 1006, 1011, 1012, 1013]))
                connected = False
    while ingest._line:
        ingest.write()
        ingest.confirm()
    assert isinstance(ingest.log[0], CallStarted)
    assert heard(ingest.log) == spoken
    assert sum(isinstance(record, CallEnded) for record in ingest.log) == 1
