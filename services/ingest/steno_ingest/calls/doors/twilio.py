"""The door of Twilio-shaped media streams: JSON text frames, audio in base64, a message for each frame of each track. Pure.

Several platforms send the same messages in the same order (connected, start, media …, stop) under different names;
`twilio_dialects` has the table. The inbound track is what the platform hears of its caller: the customer, unless a custom
parameter says otherwise; outbound is what the caller hears: the agent.

Nothing is ever sent to the peer: on a one-way stream anything is an error to it (Twilio's error 31924). These streams cannot be
resumed, paused or told of captions; a stream that is over is closed. For a while, another one of the same call goes on with it;
those that come side by side are one call too (`twilio_stream_group`).

A message that cannot be used costs itself and is told (`Unusable`); the call goes on. Only a start that cannot be taken, and a
peer that sends nothing else for a while, end the stream.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from steno.events.records import Hypothesis, Phrase
from steno_ingest.calls.doors.actions import (
    Action,
    Audio,
    Close,
    CloseReason,
    Ended,
    Follows,
    Left,
    Offered,
    ResumePoint,
    Unusable,
)
from steno_ingest.calls.doors.port import KEY_REVOKED, Refusal
from steno_ingest.calls.doors.twilio_messages import Start, event_of
from steno_ingest.calls.doors.twilio_stream_group import StreamGroup, StreamGroups
from steno_ingest.calls.doors.twilio_tracks import Source
from steno_ingest.calls.doors.twilio_values import BadMessage, StreamError, message_of

_START_SECONDS = 10
"""How long a peer may be connected without a start."""

_MOST_HELD_SECONDS = 60
"""Audio of one track, or of half as much of two, that may come before the call is accepted."""

_MOST_UNUSABLE = 250
"""So many messages in a row that cannot be used end the stream: five seconds of a track."""


_AT_ONCE = (Offered, Follows, Unusable, Close)
"""What does not wait until the call is accepted."""


class TwilioDoor:
    """One stream of a Twilio-shaped platform."""

    name = "twilio"
    resumable = False
    captioned = False
    player = None

    def __init__(self, *, rejoin_seconds: float = 0, groups: StreamGroups | None = None, party: str = "") -> None:
        """
        Args:
            rejoin_seconds: How long after its end another stream may go on with the call; 0: the call ends with its stream.
            groups: Where streams of one call side by side find each other; None: this one waits for none.
            party: Whose stream it is.
        """
        self._rejoin_seconds = rejoin_seconds
        self._groups = groups or StreamGroups(gather_seconds=0)
        self._party = party
        self._source: Source | None = None
        self._group: StreamGroup | None = None
        #: The call is brought by another stream.
        self._follows = False
        self._accepted = False
        self._over = False
        self._closed = False
        self._opened_at: float | None = None
        #: What follows `Offered`, until the call is accepted.
        self._held: list[Action] = []
        self._held_bytes = 0
        self._unusable = 0
        self._unusable_in_a_row = 0

    def receive_text(self, text: str, *, now: float) -> list[Action]:
        """A message; media before the call was accepted is kept until it is."""
        if self._over:
            return []
        try:
            actions = self._receive(message_of(text), now)
        except BadMessage as error:
            return self._skip(error)
        except StreamError as error:
            return self._fail(str(error))
        self._unusable_in_a_row = 0
        return self._hold_until_accepted(actions)

    def receive_bytes(self, data: bytes, *, now: float) -> list[Action]:
        """These streams are text."""
        if self._over:
            return []
        return self._skip(BadMessage("json", "a binary frame came; every message of this stream is JSON text"))

    def lose_connection(self) -> list[Action]:
        """The connection is gone: torn, unless `stop` came before."""
        self._closed = True
        return self._end(Ended(complete=False, reason="torn"))

    def accept(self, *, at: ResumePoint, now: float, paused_by_peer: bool = False) -> list[Action]:
        """The ledger has the call: what came meanwhile follows."""
        self._accepted = True
        held, self._held = self._held, []
        return held

    def refuse(self, reason: Refusal, *, now: float) -> list[Action]:
        """A stream has no message for it: its connection is closed."""
        self._over, self._held = True, []
        return self._close(CloseReason.TRY_AGAIN if reason.temporary else CloseReason.REFUSED, reason)

    def acknowledge(self, *, sequence: int, position: int) -> list[Action]:
        """These platforms keep no audio to send again."""
        return []

    def add_caption(self, caption: Hypothesis | Phrase, *, now: float) -> list[Action]:
        """These platforms take none."""
        return []

    def end_captions(self, *, phrase_count: int, now: float) -> list[Action]:
        """These platforms take no captions."""
        return []

    def settle(self, *, now: float) -> list[Action]:
        """All of the call is safe; a peer that waits for it sees the connection closed."""
        return self._close(CloseReason.DONE)

    def ask_pause(self) -> list[Action]:
        """A platform pauses by its own REST only; what waits for the other track was said before and goes out of here."""
        if self._group is None or self._follows or self._over or not self._accepted:
            return []
        return self._group.flush()

    def ask_resume(self) -> list[Action]:
        """A platform goes on by its own REST only."""
        return []

    def ask_to_leave(self, reason: str) -> list[Action]:
        """A stream has no message for it: its connection is closed."""
        ended = self._end(Ended(complete=False, reason=reason))
        return [*ended, *self._close(CloseReason.REFUSED if reason == KEY_REVOKED else CloseReason.GOING_AWAY, reason)]

    def reject(self, error: str, *, now: float) -> list[Action]:
        """A stream has no message for it: its connection is closed."""
        return self._fail(error)

    def tick(self, *, now: float) -> list[Action]:
        """Closes a connection without a start; gives what waits for a peer that says nothing."""
        if self._opened_at is None:
            self._opened_at = now
        if self._over:
            return []
        if self._group is not None:
            if self._follows:
                return []
            self._group.tick(now)
            return self._hold_until_accepted(self._offer(self._group, now))
        if now - self._opened_at >= _START_SECONDS:
            return self._fail(f"no start message came within {_START_SECONDS} s")
        return []

    def _receive(self, message: Mapping[str, Any], now: float) -> Sequence[Action]:
        event = event_of(message)
        if event == "start":
            return self._begin(message, now)
        if event not in ("media", "dtmf", "stop"):
            return []
        if self._group is None or self._source is None:
            if event == "stop":
                raise StreamError("stop came before start")
            raise BadMessage("order", f"{event} came before start")
        self._source.start.check(message)
        if self._follows and (event == "stop" or not self._group.over):
            return self._follow(self._group, self._source, message, event, now)
        if self._follows:
            # Whoever brought the call is gone: it goes on with this stream.
            self._follows, self._group = False, self._group.hand_over(now)
        if event != "stop":
            self._group.handle(self._source, message, event, now)
            return self._offer(self._group, now)
        left = Left(reason="hangup", complete=True) if self._rejoin_seconds else Ended(complete=True, reason="hangup")
        self._group.until = now
        return [*self._offer(self._group, now), *self._final_actions(left)]

    def _begin(self, message: Mapping[str, Any], now: float) -> list[Action]:
        if self._group is not None:
            raise BadMessage("order", "a second start came; a connection carries one stream")
        try:
            start = Start.of(message)
        except BadMessage as error:
            # Without its start there is nothing that could go on.
            raise StreamError(str(error)) from None
        self._source = Source(start)
        self._group = self._groups.join(self._party, start)
        if self._group is not None:
            self._follows = True
            return [Follows()]
        self._group = self._groups.begin(self._party, start, now)
        return self._offer(self._group, now)

    def _offer(self, group: StreamGroup, now: float) -> list[Action]:
        """Offers the call once no other stream is waited for, and gives what came of it since."""
        if group.opened:
            return group.drain()
        if now < group.until and not group.full:
            return []
        self._groups.close(self._party, group)
        group.open()
        call = group.start.call
        if self._rejoin_seconds:
            call = replace(call, conversation=call.call_id, awaited_seconds=self._rejoin_seconds)
        return [call, *group.drain()]

    def _follow(self, group: StreamGroup, source: Source, message: Mapping[str, Any], event: str, now: float) -> list[Action]:
        """Gives the stream that brings the call what this one hears."""
        if event == "stop":
            group.leave(torn=False)
            return self._close(CloseReason.DONE)
        if group.full:
            raise StreamError("the stream sends faster than its call can be taken")
        group.handle(source, message, event, now)
        return []

    def _skip(self, error: BadMessage) -> list[Action]:
        """Goes on without a message, unless the stream consists of such."""
        self._unusable += 1
        self._unusable_in_a_row += 1
        told: list[Action] = [Unusable(reason=error.reason, detail=str(error))]
        if self._unusable_in_a_row < _MOST_UNUSABLE:
            return told
        return told + self._fail(f"{_MOST_UNUSABLE} messages in a row could not be used; the last: {error}")

    def _fail(self, error: str) -> list[Action]:
        ended = self._end(Ended(complete=False, reason="protocol_error", error=error))
        return [*ended, *self._close(CloseReason.REFUSED, error)]

    def _end(self, ended: Ended) -> list[Action]:
        """The call's last actions, where one was begun and is not over."""
        if self._over:
            return []
        group, self._over = self._group, True
        if group is None:
            return []
        if self._follows:
            group.leave(torn=True)
            return []
        self._groups.close(self._party, group)
        group.over = True
        group.torn |= not group.opened
        return self._hold_until_accepted(self._final_actions(ended)) if group.opened else []

    def _final_actions(self, ended: Ended | Left) -> list[Action]:
        group = self._group
        assert group is not None
        self._over = group.over = True
        if group.torn:
            ended = replace(ended, complete=False)
        return [*group.flush(), *group.final_updates(unusable=self._unusable), ended]

    def _close(self, why: CloseReason, detail: str = "") -> list[Action]:
        if self._closed:
            return []
        self._over = self._closed = True
        return [Close(why=why, detail=detail)]

    def _hold_until_accepted(self, actions: Sequence[Action]) -> list[Action]:
        """The actions that may be given now; the rest is held until the call is accepted."""
        if self._accepted:
            return list(actions)
        offered = [action for action in actions if isinstance(action, _AT_ONCE)]
        held = [action for action in actions if not isinstance(action, _AT_ONCE)]
        self._held += held
        self._held_bytes += sum(len(action.data) for action in held if isinstance(action, Audio))
        if self._source is not None and self._held_bytes > _most_held(self._source) and not self._over:
            self._end(Ended(complete=False, reason="not_accepted", error="the call was not accepted in time"))
            return [*offered, *self._close(CloseReason.TRY_AGAIN, "the call cannot be taken now; try again")]
        return [*offered]


def _most_held(source: Source) -> int:
    """Bytes of audio that may wait until the call of a stream is accepted."""
    audio_format = source.start.format
    return _MOST_HELD_SECONDS * audio_format.sample_rate * audio_format.sample_bytes
