"""A door with a protocol for tests: commands on its main connection, audio on another one, and playback to the peer."""

from steno_ingest.calls.doors.actions import (
    Action,
    Audio,
    Close,
    Ended,
    Offered,
    Played,
    ResumePoint,
    SendBytes,
    SendText,
)
from steno_ingest.calls.doors.audio_format import AudioFormat
from steno_ingest.calls.doors.port import Refusal

from steno.events.records import AudioCodec, CallChannel, Hypothesis, Phrase

MEDIA = "media"


class Media:
    """The connection of the audio."""

    def receive_text(self, text: str, *, now: float) -> list[Action]:
        """There is none."""
        return []

    def receive_bytes(self, data: bytes, *, now: float) -> list[Action]:
        """Audio of the call."""
        return [Audio(data=data)]


class ScriptedDoor:
    """Takes `call ID`, `played MARK` and `bye`; plays by binary messages, `mark MARK` and `clear`."""

    name = "scripted"
    resumable = False
    captioned = False

    def __init__(self) -> None:
        self.media = Media()

    @property
    def player(self) -> "ScriptedDoor":
        """The door itself."""
        return self

    def receive_text(self, text: str, *, now: float) -> list[Action]:
        """A command."""
        match text.split():
            case ["call", call_id]:
                audio_format = AudioFormat(AudioCodec.S16LE, 16_000)
                return [Offered(call_id=call_id, format=audio_format, channels=(CallChannel(channel=0),))]
            case ["played", mark]:
                return [Played(mark=mark)]
            case _:
                return [Ended(complete=True, reason="hangup"), Close()]

    def receive_bytes(self, data: bytes, *, now: float) -> list[Action]:
        """Audio comes by the other connection."""
        return []

    def play(self, audio: bytes, *, now: float) -> list[Action]:
        """Audio for the peer."""
        return [SendBytes(data=audio, connection=MEDIA)]

    def mark(self, name: str, *, now: float) -> list[Action]:
        """The peer is to say when it has played so far."""
        return [SendText(text=f"mark {name}")]

    def clear(self, *, now: float) -> list[Action]:
        """The peer is to play no more."""
        return [SendText(text="clear")]

    def accept(self, *, at: ResumePoint, now: float, paused_by_peer: bool = False) -> list[Action]:
        """The peer may send."""
        return [SendText(text="go")]

    def refuse(self, reason: Refusal, *, now: float) -> list[Action]:
        """The call is not taken."""
        return [Close(detail=reason)]

    def ask_to_leave(self, reason: str) -> list[Action]:
        """Nobody is asked twice."""
        return [Close(detail=reason)]

    def reject(self, error: str, *, now: float) -> list[Action]:
        """What was said cannot be."""
        return [Close(detail=error)]

    def lose_connection(self, *, closed: bool = False) -> list[Action]:
        """The driver knows."""
        return []

    ask_pause = ask_resume = lose_connection

    def acknowledge(self, *, sequence: int, position: int) -> list[Action]:
        """Nothing is told of it."""
        return []

    def add_caption(self, caption: Hypothesis | Phrase, *, now: float) -> list[Action]:
        """Nothing is told of it."""
        return []

    def reach_captions(self, *, until_ms: int, now: float) -> list[Action]:
        """Not of use to this protocol."""
        return []

    def end_captions(self, *, phrase_count: int, now: float, failure: str = "") -> list[Action]:
        """Nothing is told of it."""
        return []

    def settle(self, *, now: float) -> list[Action]:
        """Nothing is told of it."""
        return []

    def tick(self, *, now: float) -> list[Action]:
        """Nothing waits for its time."""
        return []
