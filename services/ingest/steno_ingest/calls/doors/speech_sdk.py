"""The door of Azure's Speech SDK: its clients recognise against Steno (`docs/protocols/speech-sdk.md`). Pure.

A connection is a call; what a client calls a recognition is a turn of it.

```
client ── speech.config ── speech.context ── audio (RIFF header) ── audio … ── audio (empty) ──▶
       ◀─ turn.start ── speech.startDetected ── speech.hypothesis … speech.phrase … ── speech.endDetected ── turn.end ──
```

| what happens | what follows |
|---|---|
| the header of the first audio has come | the call is offered |
| a turn begins with audio that the call has | that audio is passed over |
| a turn for one phrase has its phrase | `turn.end`; what its client still sends is passed over |
| the audio of a turn ends | a gap of no length, so that open utterances end; after its last phrase, `turn.end` |
| nobody speaks | its audio is acknowledged, or the client would keep it, and give up after a minute |
| the connection is lost within a turn | the call waits for its client, who says where it continues |
"""

from collections import deque
from dataclasses import replace
from enum import Enum, auto

from steno.events.records import GapReason, Hypothesis, Phrase
from steno_ingest.calls.doors import speech_sdk_messages as messages
from steno_ingest.calls.doors.actions import (
    Action,
    Audio,
    Close,
    CloseReason,
    Ended,
    Gap,
    Offered,
    ResumePoint,
    Unusable,
    Updated,
)
from steno_ingest.calls.doors.port import Refusal
from steno_ingest.calls.doors.speech_sdk_audio import BadAudio
from steno_ingest.calls.doors.speech_sdk_messages import BadMessage, SdkMessage
from steno_ingest.calls.doors.speech_sdk_offer import offer_of
from steno_ingest.calls.doors.speech_sdk_options import Mode, NotServed, SdkOptions, read_config, read_context
from steno_ingest.calls.doors.speech_sdk_queue import PhraseQueue
from steno_ingest.calls.doors.speech_sdk_replies import TurnWriter
from steno_ingest.calls.doors.speech_sdk_turn import TICKS_PER_SECOND, InterruptedTurns, Stage, Token, Turn, read_token

_INITIAL_SILENCE_MS = 5000
"""After so much silence a turn for one phrase ends, as at Azure, where its client asks for nothing else."""

_MOST_UNACKNOWLEDGED = 30 * TICKS_PER_SECOND
"""Audio that is not acknowledged by phrases is acknowledged after this, since clients give up at 60 s."""

_ASK_AGAIN_SECONDS = 5.0

BREAK = Gap(length=0, reason=GapReason.DISCARDED)
"""Open utterances end here."""

_PAST_TURNS = 16
"""How many turns are remembered, of which late messages are passed over."""

_REFUSALS = {
    Refusal.CALL_ID_IN_USE: "a call with this id exists already; give each call its own id",
    Refusal.NOT_VALID: "the call is not valid: its id, language or properties contain something that is not allowed",
    Refusal.NO_SUCH_CALL: "there is no such call to continue",
    Refusal.CALL_ALREADY_ENDED: "the call has ended and cannot be continued",
    Refusal.NOT_AS_BEFORE: "a call that is continued must have the same audio format",
    Refusal.LEDGER_AWAY: "the call cannot be stored now; try again soon",
    Refusal.TOO_MANY_CALLS: "the limit of open calls is reached; try again soon",
    Refusal.SERVICE_STOPPING: "the service is stopping; try again soon",
}

_ANOTHER_CALL = frozenset({Refusal.CALL_ID_IN_USE, Refusal.NO_SUCH_CALL, Refusal.CALL_ALREADY_ENDED, Refusal.NOT_AS_BEFORE})
"""Refusals after which the audio becomes a call of its own."""

_LEAVING = {
    "ended_by_api": "the call was ended by a request of the API",
    "too_long": "the call has lasted longer than this service allows; start another recognition",
}
"""Reasons to leave after which a client must not continue."""


class State(Enum):
    """The states of a connection."""

    NEW = auto()
    OFFERED = auto()
    OPEN = auto()
    CLOSED = auto()


class SpeechSdkDoor:
    """One connection of a Speech SDK client."""

    name = "speech_sdk"
    resumable = True
    captioned = True
    player = None

    def __init__(
        self,
        options: SdkOptions,
        *,
        connection_id: str,
        other_call_id: str,
        call_id: str = "",
        interrupted: InterruptedTurns | None = None,
    ) -> None:
        """
        Args:
            options: What the client asks for by its URL.
            connection_id: Identifies the client over all of its connections; the id of its call, unless it gives one.
            other_call_id: The id of the call if the client cannot continue the one it names.
            call_id: The id that the client gives the call, unless its context has another; empty: the connection id.
            interrupted: How far other connections of clients were.
        """
        self._options = replace(options, call_id=call_id)
        self.connection_id = connection_id
        self._other_call_id = other_call_id
        self._interrupted = interrupted or InterruptedTurns()
        self._state = State.NEW
        self._contexts: dict[str, SdkOptions] = {}
        self._turn: Turn | None = None
        self._past: deque[str] = deque(maxlen=_PAST_TURNS)
        self._early = b""
        self._offered: Offered | None = None
        #: What the client has of the call that it continues with its first turn.
        self._continuing: Token | None = None
        #: Where the call begins in the session of the client, in ticks.
        self._origin = 0
        #: Samples of one channel that were received of the call.
        self._received = 0
        #: Phrases that no turn awaits yet.
        self._phrases = PhraseQueue()
        #: What the client has of the call.
        self._token: Token | None = None
        self._paused = False
        #: The language of the last turn.
        self._locale = ""

    # Messages of the client

    def receive_text(self, text: str, *, now: float) -> list[Action]:
        """Handles a text message."""
        if self._state is State.CLOSED:
            return []
        try:
            message = messages.read_text(text)
            match message.path:
                case "speech.config":
                    self._options = read_config(self._options, message.body)
                case "speech.context":
                    return self._set_context(message)
                case "telemetry":
                    pass
                case other:
                    return [Unusable(reason="unknown_path", detail=f"a message with the path {other[:64]!r} was passed over")]
        except (BadMessage, NotServed) as error:
            return self._fail(str(error))
        return []

    def receive_bytes(self, data: bytes, *, now: float) -> list[Action]:
        """Handles a binary message: audio."""
        if self._state is State.CLOSED:
            return []
        try:
            message = messages.read_binary(data)
            if message.path != "audio":
                return [Unusable(reason="unknown_path", detail=f"a binary message with the path {message.path[:64]!r}")]
            if self._is_past(message.request_id):
                return []
            return self._add_audio(self._turn_of(message.request_id), message.payload)
        except (BadMessage, BadAudio, NotServed) as error:
            return self._fail(str(error))

    def lose_connection(self, *, closed: bool = False) -> list[Action]:
        """Handles the end of the connection. A client that closes it, or has no turn open, has finished its call."""
        was_open, self._state = self._state is State.OPEN, State.CLOSED
        if not was_open:
            return []
        if closed or self._turn is None:
            return [Ended(complete=True, reason="hangup")]
        if self._token is not None:
            self._interrupted.keep(self.connection_id, self._token)
        return [Ended(complete=False, reason="torn")]

    # Its call

    def accept(self, *, at: ResumePoint, now: float, paused_by_peer: bool = False) -> list[Action]:
        """Begins the turn for which the call was offered, with the audio that came with its header."""
        offered, turn = self._offered, self._turn
        assert offered is not None
        assert turn is not None
        self._state = State.OPEN
        self._received = at.position
        begin = 0 if offered.resume is None else offered.resume.position
        ticks = 0 if self._continuing is None else self._continuing.ticks
        if offered.resume is None:
            # The call begins where the client continues.
            self._origin = ticks
        self._token = Token(call_id=offered.call_id, phrases=offered.phrases, ticks=ticks)
        self._phrases = PhraseQueue(offered.phrases)
        turn.continued = offered.resume is not None
        early, self._early = self._early, b""
        return [*self._begin(turn, begin), *self._hear(turn, early)]

    def refuse(self, reason: Refusal, *, now: float) -> list[Action]:
        """Offers the audio as a call of its own if the client continues a call that cannot be, or closes the connection."""
        offered = self._offered
        if reason in _ANOTHER_CALL and offered is not None and offered.call_id != self._other_call_id:
            self._offered = replace(offered, call_id=self._other_call_id, resume=None, phrases=0)
            return [self._offered]
        why = CloseReason.TRY_AGAIN if reason.temporary else CloseReason.NOT_VALID
        return self._close(why, _REFUSALS[reason])

    def acknowledge(self, *, sequence: int, position: int) -> list[Action]:
        """Acknowledges audio that is on the log, if its phrases are late."""
        turn, token = self._turn, self._token
        if turn is None or token is None or turn.stage is Stage.NEW or not self._keeps_audio(turn):
            return []
        ticks = self._session_ticks(position)
        return self._acknowledge(turn, ticks) if ticks - token.ticks >= _MOST_UNACKNOWLEDGED else []

    def add_caption(self, caption: Hypothesis | Phrase, *, now: float) -> list[Action]:
        """Sends a hypothesis, or a phrase, of which one may wait for the next turn."""
        if isinstance(caption, Phrase):
            self._phrases.add(caption)
            return self._send_phrases()
        turn = self._turn
        if turn is None or turn.stage is Stage.NEW or self._is_before(caption, turn):
            return []
        writer = self._writer(turn)
        return [*self._report_speech(turn, caption), writer.hypothesis(caption)]

    def reach_captions(self, *, until_ms: int, now: float) -> list[Action]:
        """Handles that all phrases of audio before a time were sent, and nobody speaks at that time."""
        turn = self._turn
        if turn is None or turn.stage is Stage.NEW:
            return []
        ticks = min(self._ticks(self._received), until_ms * TICKS_PER_SECOND // 1000)
        if turn.stage is Stage.ENDING:
            return self._end_audio(turn) if until_ms >= turn.end_ms else []
        if self._is_silent(turn, ticks):
            turn.silence_reported = True
            told = self._writer(turn).silence(ticks)
            return [told, *(self._end_turn(turn) if turn.options.mode is Mode.ONCE else [])]
        return self._acknowledge(turn, ticks + self._origin) if turn.options.mode is Mode.CONTINUOUS else []

    def end_captions(self, *, phrase_count: int, now: float, failure: str = "") -> list[Action]:
        """Closes the connection if the call could not be transcribed, with the reason."""
        if self._state is not State.OPEN or not failure:
            return []
        return [Ended(complete=False, reason="transcript_failed", error=failure), *self._close(CloseReason.NOT_VALID, failure)]

    def settle(self, *, now: float) -> list[Action]:
        """The protocol has no message for it."""
        return []

    def ask_pause(self) -> list[Action]:
        """The protocol has no message for it: audio is passed over. What was said before is still sent."""
        self._paused = True
        return []

    def ask_resume(self) -> list[Action]:
        """The protocol has no message for it."""
        self._paused = False
        return []

    def ask_to_leave(self, reason: str) -> list[Action]:
        """Closes the connection, so that its client connects again, unless its call is over."""
        if (message := _LEAVING.get(reason)) is not None:
            return self._close(CloseReason.NOT_VALID, message)
        # A client whose key was removed is refused when it connects again.
        return self._close(CloseReason.RESTARTING, reason)

    def reject(self, error: str, *, now: float) -> list[Action]:
        """Closes the connection with a reason."""
        return self._close(CloseReason.NOT_VALID, error)

    def tick(self, *, now: float) -> list[Action]:
        """Asks again for the end of a turn's captions: what says it is not kept for a follower that was slow or not there."""
        turn = self._turn
        if turn is None or turn.stage is not Stage.ENDING or self._paused:
            return []
        if turn.ask_again_at is None or now < turn.ask_again_at:
            turn.ask_again_at = turn.ask_again_at or now + _ASK_AGAIN_SECONDS
            return []
        turn.ask_again_at = now + _ASK_AGAIN_SECONDS
        return [BREAK]

    # Turns

    def _set_context(self, message: SdkMessage) -> list[Action]:
        options = read_context(self._options, message.body)
        turn = self._turn
        if turn is not None and messages.same_turn(turn.request_id, message.request_id):
            return [
                Unusable(reason="late_context", detail="speech.context came after the audio of its turn, and was passed over")
            ]
        self._contexts = {message.request_id: options}
        return []

    def _turn_of(self, request_id: str) -> Turn:
        """The turn of an audio message, which may begin with it; a turn before it is over then."""
        turn = self._turn
        if turn is not None and messages.same_turn(turn.request_id, request_id):
            return turn
        if turn is not None:
            self._past.append(turn.request_id)
        if not request_id:
            raise BadMessage("a message with audio has no X-RequestId")
        options = next(
            (found for given, found in self._contexts.items() if messages.same_turn(given, request_id)), self._options
        )
        self._contexts = {}
        self._turn = Turn(request_id=request_id, options=options)
        return self._turn

    def _is_past(self, request_id: str) -> bool:
        return any(messages.same_turn(past, request_id) for past in self._past)

    def _add_audio(self, turn: Turn, payload: bytes) -> list[Action]:
        if turn.stage is Stage.ENDING:
            return []
        if not payload:
            return self._finish_audio(turn)
        audio = turn.audio.add(payload)
        if turn.stage is Stage.HEARD:
            return self._hear(turn, audio)
        if turn.audio.format is None:
            return []
        if self._state is State.NEW:
            self._continuing = self._continued(turn)
            self._offered = offer_of(turn, self._continuing, connection_id=self.connection_id)
            self._state, self._early, self._locale = State.OFFERED, audio, self._offered.locale
            return [self._offered]
        assert self._offered is not None
        if (turn.audio.format, turn.audio.channels) != (self._offered.format, len(self._offered.channels)):
            raise BadAudio("the audio of a turn has another format than that of the turn before it; open another connection")
        before = self._continued(turn)
        begin = self._received if before is None else self._samples(before.ticks - self._origin)
        return [*self._update(turn.options, self._offered), *self._begin(turn, begin), *self._hear(turn, audio)]

    def _update(self, options: SdkOptions, offered: Offered) -> list[Action]:
        """A later turn may be in another language; all else is as the first turn had it."""
        updated: list[Action] = []
        if options.locale and options.locale != self._locale:
            self._locale = options.locale
            updated.append(Updated(locale=options.locale))
        if options.recognition != offered.recognition:
            detail = "a turn asks for another phrase list, profanity, model or silence than the first one of its connection"
            updated.append(Unusable(reason="options_changed", detail=detail))
        return updated

    def _continued(self, turn: Turn) -> Token | None:
        """What the client has of its call at the beginning of a turn; None if the turn goes on behind all that was received."""
        said = turn.options.continuation
        known = self._interrupted.take(self.connection_id) if self._state is State.NEW else None
        if not said.said:
            return known
        token = read_token(said.token)
        if token is not None:
            return replace(token, ticks=max(token.ticks, said.ticks))
        # It got no message of its call. Nobody else chose the same connection id; an id that was given may be used twice.
        call_id = known.call_id if known is not None else "" if turn.options.call_id else self.connection_id
        return Token(call_id=call_id, phrases=0, ticks=said.ticks)

    def _begin(self, turn: Turn, begin: int) -> list[Action]:
        """Begins a turn whose audio begins at a place in the call; begins `turn.start`."""
        missing = max(0, begin - self._received)
        turn.stage = Stage.HEARD
        turn.begin, turn.begin_ticks = begin, self._ticks(begin)
        turn.known = self._received + missing - begin
        self._received += missing
        gap: list[Action] = [Gap(length=missing, reason=GapReason.LOST)] if missing else []
        return [*gap, self._writer(turn).start(), *self._send_phrases()]

    def _hear(self, turn: Turn, audio: bytes) -> list[Action]:
        """Adds audio to the call, except what the call has already."""
        assert self._offered is not None
        frame = self._offered.format.frame_bytes(len(self._offered.channels))
        passed_over = min(turn.known, len(audio) // frame)
        turn.known -= passed_over
        audio = audio[passed_over * frame :]
        self._received += len(audio) // frame
        return [Audio(data=audio)] if audio else []

    def _finish_audio(self, turn: Turn) -> list[Action]:
        """Handles the end of a turn's audio."""
        if turn.stage is Stage.NEW:
            raise BadAudio("the audio of a turn ended before it had a RIFF header")
        rest = self._hear(turn, turn.audio.finish())
        turn.stage, turn.end_ms = Stage.ENDING, self._received * 1000 // self._rate
        # While the call is paused nothing is written, and nothing more is said of what was not heard.
        return [*rest, *(self._end_audio(turn) if self._paused else [BREAK])]

    def _end_audio(self, turn: Turn) -> list[Action]:
        """Ends a turn after the last phrase of its audio."""
        ticks = self._ticks(self._received)
        writer = self._writer(turn)
        if turn.options.mode is Mode.ONCE and not turn.phrases and not turn.silence_reported:
            return [writer.no_match(ticks), *self._end_turn(turn)]
        # A client that is not told so would send the audio behind its last phrase again.
        return [*self._acknowledge(turn, ticks + self._origin), *self._end_turn(turn)]

    def _end_turn(self, turn: Turn) -> list[Action]:
        writer = self._writer(turn)
        self._past.append(turn.request_id)
        self._turn = None
        ended: list[Action] = [writer.end_detected(self._ticks(self._received)), writer.end()]
        if turn.stage is Stage.HEARD and not turn.options.continuation.said:
            # What was heard behind its phrase is of no turn: the next one begins with new audio.
            ended.append(BREAK)
        return ended

    # Replies

    def _send_phrases(self) -> list[Action]:
        """Sends phrases as long as a turn awaits them."""
        sent: list[Action] = []
        while (turn := self._turn) is not None and turn.stage is not Stage.NEW and (phrase := self._phrases.take()) is not None:
            if not (turn.options.continuation.said or turn.continued) and self._is_before(phrase, turn):
                continue
            turn.phrases += 1
            end = (phrase.start_ms + phrase.duration_ms) * TICKS_PER_SECOND // 1000
            self._note(ticks=end + self._origin)
            sent += [*self._report_speech(turn, phrase), self._writer(turn).phrase(phrase)]
            if turn.options.mode is Mode.ONCE:
                sent += self._end_turn(turn)
        return sent

    def _report_speech(self, turn: Turn, caption: Hypothesis | Phrase) -> list[Action]:
        if turn.speech_reported:
            return []
        turn.speech_reported = True
        return [self._writer(turn).start_detected(caption)]

    def _acknowledge(self, turn: Turn, ticks: int) -> list[Action]:
        """Acknowledges audio up to a place of the session."""
        assert self._token is not None
        if ticks <= self._token.ticks:
            return []
        self._note(ticks=ticks)
        return [self._writer(turn).acknowledgement(ticks - self._origin)]

    def _note(self, *, ticks: int) -> None:
        """Notes what the client has with the next message."""
        assert self._token is not None
        self._token = replace(self._token, ticks=max(self._token.ticks, ticks), phrases=self._phrases.had)

    def _is_silent(self, turn: Turn, ticks: int) -> bool:
        """Whether nobody has spoken for as long as the client waits for it."""
        asked = turn.options.initial_silence_ms
        limit = asked or (_INITIAL_SILENCE_MS if turn.options.mode is Mode.ONCE else 0)
        waited = ticks - turn.begin_ticks >= limit * TICKS_PER_SECOND // 1000
        return bool(limit) and waited and not (turn.speech_reported or turn.silence_reported)

    def _keeps_audio(self, turn: Turn) -> bool:
        """Whether the client keeps audio until it is acknowledged, and is not waiting for one phrase alone."""
        return turn.options.continuation.said and turn.options.mode is Mode.CONTINUOUS

    def _is_before(self, caption: Hypothesis | Phrase, turn: Turn) -> bool:
        return (caption.start_ms + caption.duration_ms) * TICKS_PER_SECOND // 1000 <= turn.begin_ticks

    def _writer(self, turn: Turn) -> TurnWriter:
        assert self._offered is not None
        return TurnWriter(turn, channels=len(self._offered.channels), origin=self._origin, token=self._token)

    # Places in the call

    @property
    def _rate(self) -> int:
        assert self._offered is not None
        return self._offered.format.sample_rate

    def _ticks(self, samples: int) -> int:
        """A place in the call, in ticks."""
        return samples * TICKS_PER_SECOND // self._rate

    def _samples(self, ticks: int) -> int:
        """A place in the call, in samples of one channel."""
        return max(0, ticks * self._rate // TICKS_PER_SECOND)

    def _session_ticks(self, samples: int) -> int:
        return self._ticks(samples) + self._origin

    # The end

    def _fail(self, message: str) -> list[Action]:
        """Ends the call because of a fault of the client."""
        ended = [Ended(complete=False, reason="protocol_error", error=message)] if self._state is State.OPEN else []
        return [*ended, *self._close(CloseReason.NOT_VALID, message)]

    def _close(self, why: CloseReason, detail: str) -> list[Action]:
        if self._state is State.CLOSED:
            return []
        self._state = State.CLOSED
        return [Close(why=why, detail=detail)]
