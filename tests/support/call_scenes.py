"""Calls with lost, missing, paused, repeated and differently cut audio, as their records on the log."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from hypothesis import strategies as st

from steno.events.records import (
    AudioChunk,
    AudioCodec,
    AudioGap,
    CallChannel,
    CallEnded,
    CallPaused,
    CallRecord,
    CallResumed,
    CallStarted,
    GapReason,
)

NOW = datetime(2026, 3, 1, tzinfo=UTC)

#: Longer than any piece that a test needs.
SPEECH = bytes(number * 7 % 255 for number in range(255)) * 8


@dataclass
class Scene:
    """A mono call in mu-law: its records, and the audio that its recording must have."""

    call_id: str = "c"
    records: list[CallRecord] = field(default_factory=list)
    #: The audio that a recording must have.
    expected: bytes = b""
    sequence: int = 0
    resumed_at: int = 0

    def start(self, codec: AudioCodec = AudioCodec.PCMU) -> None:
        """Adds the start record; an account alone does not need it."""
        self.records.append(
            CallStarted(call_id=self.call_id, codec=codec, sample_rate=8000, channels=(CallChannel(channel=0),), started_at=NOW)
        )

    def end(self) -> None:
        self.records.append(CallEnded(call_id=self.call_id, position=len(self.expected), complete=True, ended_at=NOW))

    def chunk(self, position: int, audio: bytes) -> AudioChunk:
        return AudioChunk(call_id=self.call_id, sequence=self.sequence, position=position, audio=audio)

    def spoken(self, length: int) -> bytes:
        """Returns audio that depends on the position and is never silence."""
        start = len(self.expected) % 255
        return SPEECH[start : start + length]

    def send(self, length: int) -> None:
        audio = self.spoken(length)
        self.records.append(self.chunk(len(self.expected), audio))
        self.expected += audio
        self.sequence += 1

    def lose(self, length: int) -> None:
        self.expected += b"\xff" * length
        self.sequence += 1

    def miss(self, length: int) -> None:
        self.records.append(AudioGap(call_id=self.call_id, position=len(self.expected), length=length, reason=GapReason.LATE))
        self.expected += b"\xff" * length

    def pause(self, length: int) -> None:
        self.records.append(CallPaused(call_id=self.call_id, position=len(self.expected), paused_at=NOW))
        leaked = self.spoken(length)
        self.records.append(self.chunk(len(self.expected), leaked))
        self.sequence += 1
        self.expected += b"\xff" * length
        self.records.append(CallResumed(call_id=self.call_id, position=len(self.expected), resumed_at=NOW))
        self.resumed_at = len(self.expected)

    def pause_late(self, length: int) -> None:
        """Adds a pause that is reported after some of its audio was sent."""
        start = max(self.resumed_at, len(self.expected) - length)
        self.records.append(CallPaused(call_id=self.call_id, position=start, paused_at=NOW))
        self.expected = self.expected[:start] + b"\xff" * (len(self.expected) - start + 10)
        self.records.append(CallResumed(call_id=self.call_id, position=len(self.expected), resumed_at=NOW))
        self.resumed_at = len(self.expected)

    def repeat(self, count: int) -> None:
        self.records += self.records[-count:]

    def overlap(self, length: int) -> None:
        """Adds a chunk that overlaps sent audio."""
        last = self.records[-1] if self.records else None
        if isinstance(last, AudioChunk) and last.position + len(last.audio) == len(self.expected):
            kept = last.audio[len(last.audio) // 2 :]
            audio = self.spoken(length)
            self.records.append(self.chunk(len(self.expected) - len(kept), kept + audio))
            self.expected += audio
            self.sequence += 1


Step = Callable[[Scene, int], None]

STEPS: st.SearchStrategy[list[tuple[Step, int]]] = st.lists(
    st.tuples(
        st.sampled_from(
            [
                Scene.send,
                Scene.send,
                Scene.send,
                Scene.lose,
                Scene.miss,
                Scene.pause,
                Scene.pause_late,
                Scene.overlap,
                Scene.repeat,
            ]
        ),
        st.integers(1, 900),
    ),
    max_size=25,
)
"""The kinds of steps of a call; see `act`."""


def act(scene: Scene, steps: list[tuple[Step, int]]) -> Scene:
    """Applies steps to a call, and ends it."""
    for step, number in steps:
        step(scene, number % 7 + 1 if step is Scene.repeat else number)
    scene.end()
    return scene
