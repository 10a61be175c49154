"""The example of `docs/extending.md`: a door whose peers send lines of text, and one channel of G.711 μ-law audio. Pure.

```
peer: call ID ──▶ door: go | no REASON      peer: pause | resume      peer: bye ──▶ door: kept
```
"""

from steno_ingest.calls.doors.actions import (
    Action,
    Audio,
    Close,
    CloseReason,
    Ended,
    Offered,
    Paused,
    Resumed,
    ResumePoint,
    SendText,
)
from steno_ingest.calls.doors.audio_format import AudioFormat
from steno_ingest.calls.doors.port import Refusal

from steno.events.records import AudioCodec, CallChannel, Hypothesis, Phrase, Role


class LineDoor:
    """One call. It keeps what the protocol needs to know, and never waits: whatever happens is an input."""

    name = "line"
    resumable = False
    captioned = True
    player = None

    def __init__(self) -> None:
        self._offered = self._open = False

    def receive_text(self, text: str, *, now: float) -> list[Action]:
        """A line of the peer."""
        match text.split():
            case ["call", call_id] if not self._offered:
                self._offered = True
                # Whether the call is taken comes back as `accept` or `refuse`.
                channel = CallChannel(channel=0, role=Role.CUSTOMER)
                return [Offered(call_id=call_id, format=AudioFormat(AudioCodec.PCMU, 8000), channels=(channel,))]
            case ["pause"] if self._open:
                return [Paused()]
            case ["resume"] if self._open:
                return [Resumed()]
            case ["bye"] if self._open:
                self._open = False
                return [Ended(complete=True, reason="hangup")]
            case _:
                return self.reject(f"{text[:80]!r} is not understood here", now=now)

    def receive_bytes(self, data: bytes, *, now: float) -> list[Action]:
        """Audio. What the call cannot take (no whole number of samples) comes back as `reject`."""
        return [Audio(data=data)] if self._open else self.reject("audio came outside of a call", now=now)

    def accept(self, *, at: ResumePoint, now: float, paused_by_peer: bool = False) -> list[Action]:
        """The ledger has the call: the peer may send."""
        self._open = True
        return [SendText(text="go")]

    def refuse(self, reason: Refusal, *, now: float) -> list[Action]:
        """The call is not taken; the close says whether it is worth trying again."""
        why = CloseReason.TRY_AGAIN if reason.temporary else CloseReason.REFUSED
        return [SendText(text=f"no {reason}"), Close(why=why, detail=reason)]

    def reject(self, error: str, *, now: float) -> list[Action]:
        """The peer did what it may not: its call is over, and it is told why."""
        ended = [Ended(complete=False, reason="protocol_error", error=error)] if self._open else []
        self._open = False
        return [*ended, SendText(text=f"no {error}"), Close(why=CloseReason.REFUSED, detail=error)]

    def lose_connection(self, *, closed: bool = False) -> list[Action]:
        """The peer is gone. This protocol cannot resume, so its call is over."""
        was_open, self._open = self._open, False
        return [Ended(complete=False, reason="torn")] if was_open else []

    def ask_pause(self) -> list[Action]:
        """Somebody asked by the API: the peer is told, its audio is dropped in any case."""
        return [SendText(text="paused")] if self._open else []

    def ask_resume(self) -> list[Action]:
        """Its audio is kept again."""
        return [SendText(text="resumed")] if self._open else []

    def ask_to_leave(self, reason: str) -> list[Action]:
        """The service stops, or ends the call."""
        ended = self.lose_connection()
        return [*ended, Close(why=CloseReason.GOING_AWAY, detail=reason)]

    def settle(self, *, now: float) -> list[Action]:
        """All of the call is on the log: the peer may forget it."""
        return [SendText(text="kept")]

    def acknowledge(self, *, sequence: int, position: int) -> list[Action]:
        """Of interest to peers that come back only."""
        return []

    def add_caption(self, caption: Hypothesis | Phrase, *, now: float) -> list[Action]:
        """What was understood; this protocol tells what is final."""
        return [SendText(text=f"said {caption.text}")] if isinstance(caption, Phrase) else []

    def reach_captions(self, *, until_ms: int, now: float) -> list[Action]:
        """Not of use to this protocol."""
        return []

    def end_captions(self, *, phrase_count: int, now: float, failure: str = "") -> list[Action]:
        """No caption follows: once the call is over, the connection has no more use."""
        return [] if self._open else [Close()]

    def tick(self, *, now: float) -> list[Action]:
        """Nothing here waits for its time."""
        return []
