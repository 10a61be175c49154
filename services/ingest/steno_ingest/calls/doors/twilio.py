"""The door of Twilio-shaped media streams: JSON text frames, audio in base64, a message for each frame of each track. Pure.

Several platforms send the same messages in the same order (connected, start, media …, stop) under different names;
`twilio_dialects` has the table. The inbound track is what the platform hears of its caller: the customer, unless a custom
parameter says otherwise; outbound is what the caller hears: the agent.

Nothing is ever sent to the peer: on a one-way stream anything is an error to it (Twilio's error 31924). These streams cannot be
resumed, paused or told of captions; a stream that is over is closed. For a while, another one of the same call goes on with it.

A message that cannot be used costs itself and is told (`Unusable`); the call goes on. Only a start that cannot be taken, and a
peer that sends nothing else for a while, end the stream.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from steno.events.records import Hypothesis, Phrase
from steno_ingest.calls.doors.port import (
    KEY_REVOKED,
    Action,
    Audio,
    Close,
    Dtmf,
    Ended,
    Left,
    Offered,
    Refusal,
    ResumePoint,
    Unusable,
    Updated,
)
from steno_ingest.calls.doors.tracks import Interleaver
from steno_ingest.calls.doors.twilio_audio import Payloads
from steno_ingest.calls.doors.twilio_dialects import INBOUND
from steno_ingest.calls.doors.twilio_messages import UNUSABLE, Start, digits_or_none, event_of
from steno_ingest.calls.doors.twilio_values import BadMessage, StreamError, message_of, number, shown

_START_SECONDS = 10
"""How long a peer may be connected without a start."""

_IDLE_SECONDS = 1
"""After this long without a message, what waits for another track is given as it is."""

_MOST_HELD_SECONDS = 60
"""Audio of one track, or of half as much of two, that may come before the call is accepted."""

_MOST_UNUSABLE = 250
"""So many messages in a row that cannot be used end the stream: five seconds of a track."""

_DIGITS = frozenset("0123456789*#ABCD")


class TwilioDoor:
    """One stream of a Twilio-shaped platform."""

    name = "twilio"
    resumable = False
    captioned = False

    def __init__(self, *, rejoin_seconds: float = 0) -> None:
        """`rejoin_seconds`: how long after its end another stream may go on with the call; 0: the call ends with its stream."""
        self._rejoin_seconds = rejoin_seconds
        self._stream: _Stream | None = None
        self._accepted = False
        self._over = False
        self._closed = False
        self._opened_at: float | None = None
        #: What follows `Offered`, until the call is accepted.
        self._held: list[Action] = []
        self._held_bytes = 0
        self._unusable = 0
        self._unusable_in_a_row = 0

    def receive_text(self, text: str, *, now: float) -> Iterable[Action]:
        """A message; media before the call was accepted is kept until it is."""
        if self._over:
            return ()
        try:
            actions = self._receive(message_of(text), now)
        except BadMessage as error:
            return self._pass_over(error)
        except StreamError as error:
            return self._fail(str(error))
        self._unusable_in_a_row = 0
        return self._after_acceptance(actions)

    def receive_bytes(self, data: bytes, *, now: float) -> Iterable[Action]:
        """These streams are text."""
        if self._over:
            return ()
        return self._pass_over(BadMessage("json", "a binary frame came; every message of this stream is JSON text"))

    def connection_lost(self) -> Iterable[Action]:
        """The socket is gone: torn, unless `stop` came before."""
        self._closed = True
        return self._end(Ended(complete=False, reason="torn"))

    def accepted(self, *, at: ResumePoint, now: float) -> Iterable[Action]:
        """The ledger has the call: what came meanwhile follows."""
        self._accepted = True
        held, self._held = self._held, []
        return held

    def refused(self, reason: Refusal, *, now: float) -> Iterable[Action]:
        """A stream has no message for it: its socket is closed."""
        self._over, self._held = True, []
        return self._close(1013 if reason.temporary else 1008, reason)

    def acknowledged(self, *, sequence: int, position: int) -> Iterable[Action]:
        """These platforms keep no audio to send again."""
        return ()

    def caption(self, caption: Hypothesis | Phrase, *, now: float) -> Iterable[Action]:
        """These platforms take none."""
        return ()

    def transcribed(self, *, phrase_count: int, now: float) -> Iterable[Action]:
        """These platforms take no captions."""
        return ()

    def settled(self, *, now: float) -> Iterable[Action]:
        """All of the call is safe; a peer that waits for it sees the socket closed."""
        return self._close(1000, "")

    def ask_pause(self) -> Iterable[Action]:
        """A platform pauses by its own REST only; what waits for the other track was said before and goes out of here."""
        return self._stream.flush() if self._stream is not None and self._accepted and not self._over else ()

    def ask_resume(self) -> Iterable[Action]:
        """A platform goes on by its own REST only."""
        return ()

    def ask_to_leave(self, reason: str) -> Iterable[Action]:
        """A stream has no message for it: its socket is closed."""
        ended = self._end(Ended(complete=False, reason=reason))
        return [*ended, *self._close(1008 if reason == KEY_REVOKED else 1001, reason)]

    def violated(self, error: str, *, now: float) -> Iterable[Action]:
        """A stream has no message for it: its socket is closed."""
        return self._fail(error)

    def tick(self, *, now: float) -> Iterable[Action]:
        """Closes a connection without a start; gives what waits for a peer that says nothing."""
        if self._opened_at is None:
            self._opened_at = now
        if self._over:
            return ()
        if self._stream is not None:
            return self._after_acceptance(self._stream.idle(now))
        if now - self._opened_at >= _START_SECONDS:
            return self._fail(f"no start message came within {_START_SECONDS} s")
        return ()

    def _receive(self, message: Mapping[str, Any], now: float) -> Sequence[Action]:
        event = event_of(message)
        if event == "start":
            return self._begin(message)
        if event not in ("media", "dtmf", "stop"):
            return []
        if self._stream is None:
            if event == "stop":
                raise StreamError("stop came before start")
            raise BadMessage("order", f"{event} came before start")
        if event == "stop":
            self._stream.start.check(message)
            if self._rejoin_seconds:
                return self._last(Left(reason="hangup", complete=True))
            return self._last(Ended(complete=True, reason="hangup"))
        return self._stream.receive(message, event, now)

    def _begin(self, message: Mapping[str, Any]) -> list[Action]:
        if self._stream is not None:
            raise BadMessage("order", "a second start came; a connection carries one stream")
        try:
            self._stream = _Stream(Start.of(message))
        except BadMessage as error:
            # Without its start there is nothing that could go on.
            raise StreamError(str(error)) from None
        call = self._stream.start.call
        if not self._rejoin_seconds:
            return [call]
        return [replace(call, conversation=call.call_id, awaited_seconds=self._rejoin_seconds)]

    def _pass_over(self, error: BadMessage) -> list[Action]:
        """The stream goes on without a message, unless it consists of such."""
        self._unusable += 1
        self._unusable_in_a_row += 1
        told: list[Action] = [Unusable(reason=error.reason, detail=str(error))]
        if self._unusable_in_a_row < _MOST_UNUSABLE:
            return told
        return told + self._fail(f"{_MOST_UNUSABLE} messages in a row could not be used; the last: {error}")

    def _fail(self, error: str) -> list[Action]:
        ended = self._end(Ended(complete=False, reason="protocol_error", error=error))
        return [*ended, *self._close(1008, error)]

    def _end(self, ended: Ended) -> list[Action]:
        """The call's last actions, where one was begun and is not over."""
        if self._over:
            return []
        if self._stream is None:
            self._over = True
            return []
        return self._after_acceptance(self._last(ended))

    def _last(self, ended: Ended | Left) -> list[Action]:
        assert self._stream is not None
        self._over = True
        return [*self._stream.flush(), *self._stream.told_at_end(unusable=self._unusable), ended]

    def _close(self, code: int, reason: str) -> list[Action]:
        if self._closed:
            return []
        self._over = self._closed = True
        return [Close(code=code, reason=_shortened(reason))]

    def _after_acceptance(self, actions: Sequence[Action]) -> list[Action]:
        """What may be told now; the rest is held until the call is accepted."""
        if self._accepted:
            return list(actions)
        offered = [action for action in actions if isinstance(action, Offered | Unusable)]
        held = [action for action in actions if not isinstance(action, Offered | Unusable)]
        self._held += held
        self._held_bytes += sum(len(action.data) for action in held if isinstance(action, Audio))
        if self._stream is not None and self._held_bytes > self._stream.most_held and not self._over:
            self._end(Ended(complete=False, reason="not_accepted", error="the call was not accepted in time"))
            return [*offered, *self._close(1013, "the call cannot be taken now; try again")]
        return [*offered]


class _Stream:
    """Where the messages of a stream are."""

    def __init__(self, start: Start) -> None:
        self.start = start
        self.most_held = _MOST_HELD_SECONDS * start.audio.sample_rate * start.audio.codec.sample_bytes
        self._heard_at: float | None = None
        self._key: int | None = None
        self._payloads = Payloads(start.audio.codec)
        self._interleaver = Interleaver(
            channels=len(start.tracks),
            silence=start.audio.silence,
            sample_rate=start.audio.sample_rate,
            ordered=start.dialect.ordered,
        )

    def receive(self, message: Mapping[str, Any], event: str, now: float) -> Sequence[Action]:
        """A message after `start`, other than its end. Raises `BadMessage`."""
        self.start.check(message)
        content = self.start.content(message, event)
        self._heard_at = now
        return self._media(message, content, now) if event == "media" else self._dtmf(message, content)

    def idle(self, now: float) -> Sequence[Action]:
        """What waits, once the peer has said nothing for a while."""
        if self._heard_at is None or now - self._heard_at < _IDLE_SECONDS or not self._interleaver.waiting:
            return []
        return self.flush()

    def flush(self) -> Sequence[Action]:
        """What waits for another track, or for a frame before it."""
        return self._interleaver.flush()

    def told_at_end(self, *, unusable: int) -> list[Action]:
        """What did not come in time of each track, or not at all, as properties of the call; nothing where all did."""
        counted = {"missing": self._interleaver.filled, "late": self._interleaver.late}
        found = {
            f"{what}_ms_{track}": str(samples * 1000 // self.start.audio.sample_rate)
            for what, counts in counted.items()
            for track, samples in zip(self.start.tracks, counts, strict=True)
            if samples
        }
        if unusable:
            found[UNUSABLE] = str(unusable)
        return [Updated(properties=found)] if found else []

    def _media(self, message: Mapping[str, Any], media: Mapping[str, Any], now: float) -> Sequence[Action]:
        track = media.get("track") or INBOUND
        channel = self.start.channel(track)
        if channel is None:
            raise BadMessage("track", f"media of track {shown(track)} came; start announced {', '.join(self.start.tracks)}")
        audio = self._payloads.audio(media.get("payload"))
        told: list[Action] = []
        try:
            timestamp_ms = number(media, "timestamp")
        except BadMessage as error:
            # Its audio stands behind the one before.
            timestamp_ms, told = None, [Unusable(reason="timestamp", detail=str(error))]
        chunk = (
            digits_or_none(message, self.start.dialect.sequence) if self.start.dialect.flat else digits_or_none(media, "chunk")
        )
        wrong_before = self._interleaver.wrong_timestamps
        told += self._interleaver.add(channel, audio, chunk=chunk, timestamp_ms=timestamp_ms, now=now)
        if self._interleaver.wrong_timestamps > wrong_before:
            told.append(Unusable(reason="timestamp", detail="a timestamp jumped, and the one behind it did not"))
        return told

    def _dtmf(self, message: Mapping[str, Any], dtmf: Mapping[str, Any]) -> Sequence[Action]:
        """What is no key of a telephone is nothing to tell."""
        key = digits_or_none(message, self.start.dialect.sequence)
        if key is not None and key == self._key:
            raise BadMessage("order", f"dtmf came again, with the number {key}")
        self._key = key
        digit = str(dtmf.get("digit", "")).upper()
        return [Dtmf(digit=digit, channel=self.start.channel(dtmf.get("track")))] if digit in _DIGITS else []


def _shortened(reason: str) -> str:
    """As much as a close frame takes (RFC 6455 §5.5.1)."""
    return reason.encode()[:120].decode("utf-8", "ignore")
