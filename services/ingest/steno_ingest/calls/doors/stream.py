"""The door of Steno's own protocol: JSON in text messages, audio in binary ones, resumable (`docs/protocols/stream.md`). Pure.

```
new ──start──▶ offered ──accepted──▶ open ──end──▶ ended ──all is sent──▶ closed
 │                │ refused            │ error        │ 30 s                 ▲
 └────────────────┴────────────────────┴──────────────┴──────────────────────┘
```
"""

from enum import Enum, auto

from steno.events.records import Hypothesis, Phrase
from steno_ingest.calls.doors import stream_messages as messages
from steno_ingest.calls.doors.actions import (
    Action,
    Audio,
    Close,
    CloseReason,
    Dtmf,
    Ended,
    Gap,
    Offered,
    Paused,
    Resumed,
    ResumePoint,
    SendText,
    Updated,
)
from steno_ingest.calls.doors.audio_format import AudioFormat
from steno_ingest.calls.doors.port import KEY_REVOKED, Refusal
from steno_ingest.calls.doors.stream_messages import BadMessage, caption_of, channels_of, message_of, text_of

_ACK_SECONDS = 0.5
_AFTER_END_SECONDS = 30.0
"""How long phrases may follow the end of a call; then the connection is closed without the last ones."""

_REFUSALS = {
    Refusal.CALL_ID_IN_USE: "a call with this id exists already; give each call its own id",
    Refusal.NOT_VALID: "the call is not valid: its id or locale contains a character that is not allowed",
    Refusal.NO_SUCH_CALL: "there is no such call to resume; start it without `resume`",
    Refusal.CALL_ALREADY_ENDED: "the call has ended and cannot be resumed",
    Refusal.NOT_AS_BEFORE: "a resumed call must have the same codec, sample rate and number of channels",
    Refusal.LEDGER_AWAY: "the call cannot be stored now; try again soon",
    Refusal.TOO_MANY_CALLS: "the limit of open calls is reached; try again soon",
    Refusal.SERVICE_STOPPING: "the service is stopping; try again soon",
}


_ENDED = {"ended_by_api": "closed", "too_long": "too_long"}
"""The end reasons that a peer gets for reasons to leave that also end the call."""


class State(Enum):
    """The states of a connection."""

    NEW = auto()
    OFFERED = auto()
    OPEN = auto()
    ENDED = auto()
    CLOSED = auto()


class StreamDoor:
    """One connection of Steno's own protocol."""

    name = "stream"
    resumable = True
    captioned = True
    player = None

    def __init__(self) -> None:
        self._state = State.NEW
        self._offered: Offered | None = None
        self._peer_paused = False
        self._safe: ResumePoint | None = None
        self._last_ack: ResumePoint | None = None
        self._ack_due = 0.0
        self._close_at: float | None = None
        self._settled = False

    def receive_text(self, text: str, *, now: float) -> list[Action]:
        """Handles a message of the peer."""
        if self._state is State.CLOSED:
            return []
        try:
            return self._receive(message_of(text), now)
        except BadMessage as error:
            return self._fail(error.code, str(error))

    def receive_bytes(self, data: bytes, *, now: float) -> list[Action]:
        """Handles audio of the peer."""
        offered = self._offered
        if self._state is State.OPEN and offered is not None:
            frame = offered.format.frame_bytes(len(offered.channels))
            if len(data) % frame:
                return self._fail(
                    "broken_frame",
                    f"a binary frame of {len(data)} bytes is not a whole number of sample frames of {frame} bytes "
                    f"({len(offered.channels)} channels of {offered.format.codec})",
                )
            return [Audio(data=data)] if data else []
        if self._state in (State.NEW, State.OFFERED):
            return self._fail("audio_before_start", "audio came before the call was started; send `start`, await `started`")
        if self._state is State.ENDED:
            return self._fail("audio_after_end", "audio came after `end`")
        return []

    def lose_connection(self, *, closed: bool = False) -> list[Action]:
        """Handles the loss of the connection."""
        was_open, self._state = self._state is State.OPEN, State.CLOSED
        return [Ended(complete=False, reason="torn")] if was_open else []

    def accept(self, *, at: ResumePoint, now: float, paused_by_peer: bool = False) -> list[Action]:
        """Tells the peer to send from a point on."""
        assert self._offered is not None
        self._state = State.OPEN
        self._ack_due = now + _ACK_SECONDS
        self._peer_paused = paused_by_peer
        return [SendText(text=text_of("started", call_id=self._offered.call_id, sequence=at.sequence, position=at.position))]

    def refuse(self, reason: Refusal, *, now: float) -> list[Action]:
        """Tells the peer the reason, and whether to try again."""
        why = CloseReason.TRY_AGAIN if reason.temporary else CloseReason.REFUSED
        return self._leave(reason.value, _REFUSALS[reason], why=why)

    def acknowledge(self, *, sequence: int, position: int) -> list[Action]:
        """Keeps the position for the next `ack`."""
        self._safe = ResumePoint(sequence=sequence, position=position)
        return []

    def add_caption(self, caption: Hypothesis | Phrase, *, now: float) -> list[Action]:
        """Sends a hypothesis or phrase."""
        return [SendText(text=caption_of(caption))] if self._state in (State.OPEN, State.ENDED) else []

    def reach_captions(self, *, until_ms: int, now: float) -> list[Action]:
        """The protocol has no message for it."""
        return []

    def end_captions(self, *, phrase_count: int, now: float, failure: str = "") -> list[Action]:
        """Reports the end of the transcript, and closes the connection."""
        if self._state is not State.ENDED:
            return []
        # A complete transcript means that all of the call is on the log.
        settled = [] if self._settled else self.settle(now=now)
        return [*settled, SendText(text=text_of("completed", phrase_count=phrase_count)), *self._close(CloseReason.DONE)]

    def settle(self, *, now: float) -> list[Action]:
        """Tells the peer that the call is complete on the log."""
        if self._state is not State.ENDED:
            return []
        self._settled = True
        return [SendText(text=text_of("ended", complete=True))]

    def ask_pause(self) -> list[Action]:
        """Tells the peer that its audio is dropped; it need not react."""
        if self._state is not State.OPEN:
            return []
        self._ack_due = 0.0
        return [SendText(text=text_of("paused"))]

    def ask_resume(self) -> list[Action]:
        """Tells the peer that its audio is stored again, unless it paused itself."""
        if self._state is not State.OPEN or self._peer_paused:
            return []
        self._ack_due = 0.0
        return [SendText(text=text_of("resumed"))]

    def ask_to_leave(self, reason: str) -> list[Action]:
        """Tells the peer the reason, and closes the connection."""
        if self._state is State.CLOSED:
            return []
        told = self._ack()
        if reason in _ENDED:
            told.append(SendText(text=text_of("ended", complete=False, reason=_ENDED[reason])))
            return [*told, *self._close(CloseReason.DONE)]
        if reason == "replaced":
            message, why = "the call continues on another connection, or was ended there", CloseReason.REFUSED
        elif reason == KEY_REVOKED:
            message, why = "the API key of this connection was removed, expired or changed", CloseReason.REFUSED
        else:
            message, why = "the service is stopping; connect again and resume the call", CloseReason.RESTARTING
        return [*told, *self._leave(reason, message, why=why)]

    def reject(self, error: str, *, now: float) -> list[Action]:
        """Tells the peer that its message is not valid in this call."""
        return [] if self._state is State.CLOSED else self._fail("not_valid", error)

    def tick(self, *, now: float) -> list[Action]:
        """Sends an `ack` twice a second, and closes the connection after its time limit."""
        told: list[Action] = []
        if self._close_at is not None and now >= self._close_at:
            # A peer without the final `ended` keeps its audio and reconnects.
            told += self._close(CloseReason.DONE if self._settled else CloseReason.TRY_AGAIN)
        if now >= self._ack_due:
            self._ack_due = now + _ACK_SECONDS
            told += self._ack()
        return told

    def _receive(self, message: messages.Message, now: float) -> list[Action]:
        if isinstance(message, messages.Ping):
            return [SendText(text=text_of("pong"))]
        if isinstance(message, messages.Start):
            return self._start(message)
        if self._state in (State.NEW, State.OFFERED):
            raise BadMessage("not_started", f"`{message.type}` came before the call was started; send `start` first")
        if self._state is State.ENDED:
            raise BadMessage("already_ended", f"`{message.type}` came after `end`")
        if isinstance(message, messages.End):
            self._state, self._close_at = State.ENDED, now + _AFTER_END_SECONDS
            return [Ended(complete=True, reason="hangup")]
        return self._running(message)

    def _start(self, start: messages.Start) -> list[Action]:
        if self._state is not State.NEW:
            raise BadMessage("already_started", "`start` came twice; a connection carries one call")
        channels = channels_of(start.channels)
        if [entry.channel for entry in channels] != list(range(len(channels))):
            raise BadMessage("not_valid", "start.channels: the channels are numbered from 0, in order")
        self._state = State.OFFERED
        self._offered = Offered(
            call_id=start.call_id,
            format=AudioFormat(start.audio_codec, start.sample_rate),
            channels=channels,
            locale=start.locale,
            properties=start.properties,
            paused=start.paused,
            resume=None
            if start.resume is None
            else ResumePoint(sequence=start.resume.sequence, position=start.resume.position),
            phrases=0 if start.resume is None else start.resume.phrases,
        )
        return [self._offered]

    def _running(self, message: messages.Message) -> list[Action]:
        assert self._offered is not None
        rate, channels = self._offered.format.sample_rate, len(self._offered.channels)
        match message:
            case messages.Pause():
                self._peer_paused, self._ack_due = True, 0.0
                return [Paused(), SendText(text=text_of("paused"))]
            case messages.Resume():
                self._peer_paused, self._ack_due = False, 0.0
                # Sent before `Resumed` is handled: if the API still pauses the call, a `paused` follows.
                return [SendText(text=text_of("resumed")), Resumed(skipped=message.skipped_ms * rate // 1000)]
            case messages.Gap():
                return [Gap(length=message.length_ms * rate // 1000, reason=message.reason)]
            case messages.Key():
                if message.channel is not None and message.channel >= channels:
                    raise BadMessage("not_valid", f"dtmf.channel: the call has no channel {message.channel}")
                return [Dtmf(digit=message.digit, channel=message.channel)]
            case messages.Update():
                told = channels_of(message.channels)
                if unknown := [entry.channel for entry in told if entry.channel >= channels]:
                    raise BadMessage("not_valid", f"update.channels: the call has no channel {unknown[0]}")
                return [Updated(properties=message.properties, locale=message.locale, channels=told)]
            case _:
                raise AssertionError(f"{message.type} is handled elsewhere")

    def _ack(self) -> list[Action]:
        if self._state is not State.OPEN or self._safe is None or self._safe == self._last_ack:
            return []
        self._last_ack = self._safe
        return [SendText(text=text_of("ack", sequence=self._safe.sequence, position=self._safe.position))]

    def _fail(self, code: str, message: str) -> list[Action]:
        """Ends the call because of a fault of the peer."""
        ended = [Ended(complete=False, reason="protocol_error", error=message)] if self._state is State.OPEN else []
        return [*ended, *self._leave(code, message, why=CloseReason.REFUSED)]

    def _leave(self, error: str, message: str, *, why: CloseReason) -> list[Action]:
        return [SendText(text=text_of("error", code=error, message=message)), *self._close(why, error)]

    def _close(self, why: CloseReason, detail: str = "") -> list[Action]:
        if self._state is State.CLOSED:
            return []
        self._state, self._close_at = State.CLOSED, None
        return [Close(why=why, detail=detail)]
