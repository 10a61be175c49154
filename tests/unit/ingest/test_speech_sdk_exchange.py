"""A Speech SDK client and doors of several processes: whatever is cut off when, the call has each sample once, in order."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from steno_ingest.calls.doors.actions import Action, Audio, Ended, Gap, Offered, ResumePoint, ResumePosition
from steno_ingest.calls.doors.speech_sdk import SpeechSdkDoor
from steno_ingest.calls.doors.speech_sdk_options import SdkOptions
from steno_ingest.calls.hosting.session import CallSession, State, unused_sequence
from support.calls import live_phrase
from support.speech_sdk_peer import RELIABLE, audio_message, riff, text_message, told

from steno.call_reader import CallReader, Heard
from steno.events.records import AudioChunk, CallStarted, Record

RATE = 8000
BEGAN = datetime(2026, 11, 1, tzinfo=UTC)
TICKS_PER_SAMPLE = 10_000_000 // RATE
FRAME = 800
"""Samples of a message."""


def sound(samples: int) -> bytes:
    """Audio in which every place can be told from its neighbours."""
    return b"".join((number % 32_000).to_bytes(2, "little") for number in range(samples))


SOUND = sound(100 * FRAME)


@dataclass
class Client:
    """What the native SDK keeps: the audio behind what was acknowledged, and how it names that place."""

    audio: bytes
    #: Samples that are acknowledged, and that were sent, from the beginning of the session on.
    acknowledged: int = 0
    sent: int = 0
    #: Where the present turn begins.
    base: int = 0
    token: str = ""
    phrases: list[int] = field(default_factory=list)

    def hear(self, actions: list[Action]) -> None:
        """Reads answers."""
        for message in told(actions):
            if message.path == "speech.phrase":
                end = self.base + (message.body["Offset"] + message.body["Duration"]) // TICKS_PER_SAMPLE
                self.acknowledged = max(self.acknowledged, end)
                self.token = message.headers["X-Continuation-Token"]
                if message.body["RecognitionStatus"] == "Success":
                    self.phrases.append(int(message.body["DisplayText"]))

    def context(self) -> dict[str, Any]:
        """How it continues."""
        self.base = self.sent = self.acknowledged
        if not self.acknowledged:
            return RELIABLE
        offset = str(self.acknowledged * TICKS_PER_SAMPLE)
        return {**RELIABLE, "continuation": {"token": self.token, "audio": {"streams": {"1": {"offset": offset}}}}}


class Process:
    """One ingest: a door, and a session that writes to the log."""

    def __init__(self, log: list[Record], seconds: float) -> None:
        self._log = log
        self._seconds = seconds
        self.door = SpeechSdkDoor(SdkOptions(), connection_id="c1", other_call_id="other")
        self.session: CallSession | None = None

    def do(self, actions: list[Action]) -> list[Action]:
        """Carries actions out, and gives what is for the client."""
        found: list[Action] = []
        for action in actions:
            match action:
                case Offered():
                    found += self.do(self._offer(action))
                case Audio(data=data):
                    self._write(lambda session, data=data: session.audio(data))
                case Gap(length=length, reason=reason):
                    self._write(lambda session, length=length, reason=reason: session.gap(length, reason))
                case Ended():
                    pass
                case _:
                    found.append(action)
        return found

    def _write(self, work: Any) -> None:
        assert self.session is not None
        if self.session.state is State.RUNNING:
            self._log.extend(entry.record for entry in work(self.session))

    def _offer(self, offered: Offered) -> list[Action]:
        assert offered.call_id == "c1"
        at: ResumePoint | None = None
        if isinstance(offered.resume, ResumePosition):
            at = ResumePoint(sequence=unused_sequence(timedelta(seconds=self._seconds)), position=offered.resume.position)
        elif self._log:
            at = offered.resume
        started = CallStarted(
            call_id="c1",
            codec=offered.format.codec,
            sample_rate=offered.format.sample_rate,
            channels=offered.channels,
            started_at=BEGAN,
        )
        now = BEGAN + timedelta(seconds=self._seconds)
        self.session = CallSession(started, chunk_ms=100, clock=lambda: now, at=at)
        self._log.extend(entry.record for entry in self.session.start())
        return list(self.door.accept(at=self.session.received, now=0))


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(1, 12), st.booleans(), st.booleans(), st.integers(1, FRAME - 1)), min_size=1, max_size=8))
def test_each_sample_is_heard_once_whatever_is_cut_off(connections: list[tuple[int, bool, bool, int]]) -> None:
    """A connection carries some messages, ends in the middle of one or not, and some of its answers get lost."""
    client = Client(SOUND)
    log: list[Record] = []
    published = 0
    for number, (count, answered, lost, cut) in enumerate(connections):
        process = Process(log, seconds=1.0 + 2 * number)
        turn = f"{number:032x}"
        process.do(process.door.receive_text(text_message("speech.context", client.context(), turn), now=0))
        answers = process.do(process.door.receive_bytes(audio_message(riff(rate=RATE), turn), now=0))
        for frame in range(count):
            size = cut if frame == count - 1 else FRAME
            piece = client.audio[2 * client.sent : 2 * (client.sent + size)]
            client.sent += size
            answers += process.do(process.door.receive_bytes(audio_message(piece, turn), now=0))
        end_ms = max((chunk.position + len(chunk.audio) // 2 for chunk in log if isinstance(chunk, AudioChunk)), default=0)
        end_ms = end_ms * 1000 // RATE
        if answered and end_ms > client.acknowledged * 1000 // RATE:
            # A phrase of what the log has, which may not get to the client.
            begin_ms = max(client.acknowledged * 1000 // RATE, end_ms - 50)
            phrase = live_phrase(published, "c1", start_ms=begin_ms, duration_ms=end_ms - begin_ms, text=str(published))
            published += 1
            answers += process.do(process.door.add_caption(phrase, now=0))
            if lost:
                answers = answers[:1]
                published -= 1
        client.hear(answers)
        process.do(process.door.lose_connection())
    reader, heard = CallReader(sample_rate=RATE, frame_bytes=2), b""
    for record in log:
        for step in reader.read(record):
            assert isinstance(step, Heard), "nothing is missing"
            assert step.position == len(heard) // 2
            heard += step.audio
    assert heard == client.audio[: len(heard)]
    assert client.phrases == list(range(published))
