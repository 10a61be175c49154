"""The door of Genesys AudioHook v2: the server side of one session. Pure.

```
connected ──open──▶ opening ──accepted──▶ open ──close──▶ closing ──captions sent──▶ closed ──▶ gone
    │                  │                 ▲  │                                          ▲
    │                  └─ refused, late ─┼──┼──▶ leaving ────────────close─────────────┤
    └──────────── open of a probe ───────┘  └─ anything wrong ─▶ leaving ──close───────┘
```

The client opens and closes a session. The server asks it to close by `disconnect`, and answers its `close` with `closed`; then
the session is over. If a session is lost, or closed for an error, another session may continue its call: Genesys opens one if
`opened` came late.

Source: Genesys's reference implementation, github.com/purecloudlabs/audiohook-reference-implementation.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from steno.events.records import Hypothesis, Phrase
from steno_ingest.calls.doors import audiohook_messages as messages
from steno_ingest.calls.doors.actions import Action, Close, CloseReason, Dtmf, Ended, Left, Offered, ResumePoint, Updated
from steno_ingest.calls.doors.audiohook_captions import Captions
from steno_ingest.calls.doors.audiohook_media import MediaStream, choose
from steno_ingest.calls.doors.audiohook_messages import SAMPLE_RATE, BadMessage, ClientMessage
from steno_ingest.calls.doors.audiohook_sending import Outgoing, TokenBucket
from steno_ingest.calls.doors.port import KEY_REVOKED, Refusal

# The client gives up after 5 s without `opened`, and after 10 s without `closed`.
_OPENED_SECONDS = 4.5
_FLUSH_SECONDS = 8.0
# It pings one second after `opened` and expects the pong as our second message; we wait this long for its ping.
_GREETING_SECONDS = 3.0
# How long a peer may take to close after an error, or after `closed`.
_LEAVE_SECONDS = 5.0
# The length of a client's frames (Genesys' reference client).
_FRAME_MS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioHookOptions:
    """The options of sessions."""

    #: How many messages a client accepts per second, and in one burst.
    messages_per_second: float = 5
    message_burst: float = 25
    #: Whether captions are sent.
    events: bool = True
    #: Whether interim captions are sent.
    interim: bool = True
    #: The supported languages, for a client that asks for them.
    languages: tuple[str, ...] = ("en-US",)


class State(Enum):
    """The states of a session."""

    CONNECTED = auto()
    OPENING = auto()
    OPEN = auto()
    CLOSING = auto()
    CLOSED = auto()
    #: The client was asked to close; its call is over.
    LEAVING = auto()
    GONE = auto()


class AudioHookDoor:
    """One session. The id of its call is that of the conversation, unless another call has that id."""

    name = "audiohook"
    resumable = False  # a Genesys session does not report the position from which it continues a call
    player = None

    def __init__(self, *, session_id: str, organization_id: str, options: AudioHookOptions) -> None:
        """The ids are from the headers of the request."""
        self._session_id = session_id
        self._organization_id = organization_id
        self._options = options
        self.captioned = options.events
        self._outgoing = Outgoing(
            session_id,
            bucket=TokenBucket(rate=options.messages_per_second, burst=options.message_burst),
            captions=Captions(interim=options.interim, reserve=options.message_burst / 5),
        )
        self._actions: list[Action] = []
        self._state = State.CONNECTED
        self._now = 0.0
        # When the state ends if nothing happens.
        self._deadline: float | None = None
        # Until when only answers are sent.
        self._quiet_until = 0.0
        self._stream: MediaStream | None = None
        self._opened: dict[str, Any] = {}
        self._call_open = False
        self._start_paused = False
        self._transcribed = False
        self._closed_by = 0
        self._leave_reason = ""
        self._client_error = ""
        self._handlers: Mapping[str, Callable[[ClientMessage, Any], None]] = {
            "open": self._on_open,
            "ping": self._on_ping,
            "error": self._on_error,
            "close": self._on_close,
        }
        self._open_handlers: Mapping[str, Callable[[ClientMessage, Any, MediaStream], Sequence[Action]]] = {
            "ping": lambda message, _, stream: stream.note_position(message.position),
            "paused": lambda message, _, stream: stream.pause(message.position),
            "resumed": lambda message, _, stream: stream.resume(message.position),
            "discarded": lambda message, _, stream: stream.discard(message.position),
            "update": self._on_update,
            "dtmf": lambda _, dtmf, stream: [Dtmf(digit=dtmf.digit)] if dtmf.is_key else [],
        }

    def receive_text(self, text: str, *, now: float) -> list[Action]:
        """Handles a message of the client."""
        self._now = now
        if self._state not in (State.CLOSED, State.GONE):
            try:
                self._handle(messages.parse_message(text))
            except BadMessage as bad:
                self._reject(str(bad))
        return self._collect()

    def receive_bytes(self, data: bytes, *, now: float) -> list[Action]:
        """Handles audio of the client."""
        self._now = now
        try:
            if self._state in (State.CONNECTED, State.OPENING):
                raise BadMessage("audio came before the session was opened")
            if self._state is State.OPEN and self._call_open and self._stream is not None:
                self._actions += self._stream.add_audio(data)
        except BadMessage as bad:
            self._reject(str(bad))
        return self._collect()

    def lose_connection(self, *, closed: bool = False) -> list[Action]:
        """Handles the loss of the connection; the call ends unless another session continues it."""
        self._end(complete=False, reason="torn")
        self._enter(State.GONE)
        return self._collect()

    def accept(self, *, at: ResumePoint, now: float, paused_by_peer: bool = False) -> list[Action]:
        """Opens the session, since the call was accepted."""
        self._now = now
        if self._state is State.OPENING:
            self._outgoing.begin_at(at.position * 1000 // SAMPLE_RATE)
            self._answer_open()
        return self._collect()

    def refuse(self, reason: Refusal, *, now: float) -> list[Action]:
        """Refuses the session, since the call was refused."""
        self._now = now
        if self._state is State.OPENING:
            self._call_open = False
            self._disconnect("error", f"the call is refused: {reason}")
        return self._collect()

    def acknowledge(self, *, sequence: int, position: int) -> list[Action]:
        """Does nothing: the protocol has no message for it."""
        return []

    def settle(self, *, now: float) -> list[Action]:
        """Does nothing: the protocol has no message for it."""
        return []

    def add_caption(self, caption: Hypothesis | Phrase, *, now: float) -> list[Action]:
        """Sends a caption as a transcript event, when the rate limit allows it."""
        self._now = now
        self._outgoing.caption(caption)
        return self._collect()

    def reach_captions(self, *, until_ms: int, now: float) -> list[Action]:
        """The protocol has no message for it."""
        return []

    def end_captions(self, *, phrase_count: int, now: float, failure: str = "") -> list[Action]:
        """Answers a `close` that waits for the last captions."""
        self._now = now
        self._transcribed = True
        return self._collect()

    def ask_pause(self) -> list[Action]:
        """Asks the client to pause; may be repeated."""
        self._start_paused = True
        if self._state is State.OPEN:
            self._outgoing.request("pause")
        return self._collect()

    def ask_resume(self) -> list[Action]:
        """Asks the client to resume; may be repeated."""
        self._start_paused = False
        if self._state is State.OPEN:
            self._outgoing.request("resume")
        return self._collect()

    def ask_to_leave(self, reason: str) -> list[Action]:
        """Asks the client to close; the session continues until it does."""
        if reason == KEY_REVOKED:
            if self._state in (State.CONNECTED, State.OPENING, State.OPEN, State.CLOSING):
                self._end(complete=False, reason=reason)
                self._disconnect("unauthorized", reason)
        elif self._state is State.OPEN and not self._leave_reason:
            self._leave_reason = reason
            self._send("disconnect", {"reason": "completed", "info": reason})
        elif self._state in (State.CONNECTED, State.OPENING):
            self._end(complete=False, reason=reason)
            self._disconnect("completed", reason)
        return self._collect()

    def reject(self, error: str, *, now: float) -> list[Action]:
        """Asks the client to close because of an error."""
        self._now = now
        self._reject(error)
        return self._collect()

    def tick(self, *, now: float) -> list[Action]:
        """Sends captions that are due, and handles time limits."""
        self._now = now
        if self._deadline is not None and now >= self._deadline:
            self._on_deadline()
        return self._collect()

    def _handle(self, message: ClientMessage) -> None:
        if self._state is State.LEAVING:
            if message.type == "close":  # its number is not checked, since a wrong number may have been the error
                self._closed_by = message.sequence
                self._answer_close()
            return
        self._outgoing.check(message)
        if message.type in self._handlers:
            self._handlers[message.type](message, message.parameters)
        if self._state is State.OPEN and self._call_open and self._stream is not None and message.type in self._open_handlers:
            self._actions += self._open_handlers[message.type](message, message.parameters, self._stream)

    def _on_open(self, message: ClientMessage, wanted: messages.Open) -> None:
        if self._state is not State.CONNECTED:
            return
        if wanted.organizationId.lower() != self._organization_id.lower():
            self._disconnect("unauthorized", "organizationId is not that of the request")
            return
        media = choose(wanted.media)
        self._opened = {"media": [] if media is None else [media.model_dump()]}
        if wanted.supportedLanguages:
            self._opened["supportedLanguages"] = list(self._options.languages)
        if media is None or wanted.is_probe:
            self._answer_open()
            return
        properties = messages.properties_of(wanted, message.session_id)
        self._enter(State.OPENING, _OPENED_SECONDS)
        self._stream = MediaStream(media)
        self._call_open = True
        conversation = wanted.conversationId.lower()
        self._actions.append(
            Offered(
                call_id=conversation,
                conversation=f"{conversation}/{wanted.participant.id.lower()}",
                fallback_call_id=f"{conversation}.{self._session_id.lower()}",
                format=self._stream.format,
                channels=self._stream.channels(wanted.participant.aniName or wanted.participant.ani),
                locale=messages.locale_of(wanted.language or "en-US"),
                properties=properties,
                frame_ms=_FRAME_MS,
            )
        )

    def _on_ping(self, _: ClientMessage, __: object) -> None:
        self._send("pong", {})
        self._quiet_until = self._now

    def _on_update(self, _: ClientMessage, update: messages.Update, __: MediaStream) -> list[Action]:
        self._outgoing.request("updated")
        return [Updated(locale=messages.locale_of(update.language))] if update.language else []

    def _on_error(self, _: ClientMessage, error: messages.Error) -> None:
        self._client_error = f"{error.code}: {error.message}"
        if error.code == 429:
            self._outgoing.wait((error.retryAfter or SAMPLE_RATE) / SAMPLE_RATE, now=self._now)
        elif error.refuses_events:
            self.captioned = False
            self._outgoing.no_captions()

    def _on_close(self, message: ClientMessage, close: messages.Close) -> None:
        if self._state is State.CLOSING:
            return
        self._closed_by = message.sequence
        asked, ends = self._leave_reason, close.reason == "end"
        captioned = ends and not asked and self.captioned and self._state is State.OPEN and self._call_open
        if asked or ends:
            self._end(complete=not asked, reason=asked or "hangup")
        elif self._call_open:
            self._call_open = False
            reason = "reconnect" if close.reason == "reconnect" else "peer_error"
            self._actions.append(Left(reason=reason, error=self._client_error if close.reason == "error" else ""))
        self._outgoing.only_final()
        self._enter(State.CLOSING, _FLUSH_SECONDS)
        if not captioned:
            self._answer_close()

    def _on_deadline(self) -> None:
        if self._state is State.OPENING:
            self._end(complete=False, reason="not_opened", error="the call could not be stored in time")
            self._disconnect("error", "the server is not ready for the call")
        elif self._state is State.CLOSING:
            self._answer_close()
        elif self._state is State.CLOSED:
            self._close(CloseReason.DONE)
        elif self._state is State.LEAVING:
            self._close(CloseReason.PROTOCOL_ERROR)

    def _answer_open(self) -> None:
        if self._start_paused:
            self._opened["startPaused"] = True
        self._send("opened", self._opened)
        self._quiet_until = self._now + _GREETING_SECONDS
        self._enter(State.OPEN)

    def _answer_close(self) -> None:
        self._outgoing.client_sequence = self._closed_by
        self._send("closed", {})
        self._enter(State.CLOSED, _LEAVE_SECONDS)

    def _reject(self, what: str) -> None:
        """Ends the session because the client violated the protocol."""
        if self._state in (State.CONNECTED, State.OPENING, State.OPEN):
            self._end(complete=False, reason="protocol_error", error=what)
            self._disconnect("error", what)

    def _disconnect(self, reason: str, info: str) -> None:
        self._send("disconnect", {"reason": reason, "info": info})
        self._enter(State.LEAVING, _LEAVE_SECONDS)

    def _end(self, *, complete: bool, reason: str, error: str = "") -> None:
        if self._call_open:
            self._call_open = False
            self._actions.append(Ended(complete=complete, reason=reason, error=error))

    def _close(self, why: CloseReason) -> None:
        self._actions.append(Close(why=why))
        self._enter(State.GONE)

    def _enter(self, state: State, seconds: float | None = None) -> None:
        self._state = state
        self._deadline = None if seconds is None else self._now + seconds

    def _send(self, kind: str, parameters: Mapping[str, Any]) -> None:
        self._actions.append(self._outgoing.message(kind, parameters, now=self._now))

    def _collect(self) -> list[Action]:
        """Returns the collected actions, with messages that are due now."""
        if self._state is State.CLOSING or (self._state is State.OPEN and self._now >= self._quiet_until):
            self._actions += self._outgoing.due(self._now)
        if self._state is State.CLOSING and self._transcribed and self._outgoing.all_sent:
            self._answer_close()
        actions, self._actions = self._actions, []
        return actions
