"""The door of Twilio-shaped media streams: JSON text frames with audio in base64, one message per frame and track. Pure.

Several platforms send the same messages in the same order (connected, start, media …, stop) with different names, which are in
the table of `twilio_dialects`. The inbound track is the audio of the caller: the customer, unless a custom parameter says
otherwise. The outbound track is what the caller hears: the agent.

Nothing is ever sent to the peer, since on a one-way stream any message is an error (Twilio's error 31924). These streams cannot
be resumed or paused, and get no captions; a finished stream is closed. For a while after it, another stream may continue its
call; simultaneous streams of a call are joined to one call (`twilio_stream_group`).

A message that cannot be used is ignored and reported (`Unusable`). Only an unusable start, or a long run of unusable messages,
ends the stream.
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
"""How many seconds of one track (of two: half as many) may come before the call is accepted."""

_MOST_UNUSABLE = 250
"""This many unusable messages in a row end the stream: five seconds of a track."""


_IMMEDIATE = (Offered, Follows, Unusable, Close)
"""The actions that do not wait until the call is accepted."""


class TwilioDoor:
    """One stream of a Twilio-shaped platform."""

    name = "twilio"
    resumable = False
    captioned = False
    player = None

    def __init__(self, *, rejoin_seconds: float = 0, groups: StreamGroups | None = None, owner: str = "") -> None:
        """
        Args:
            rejoin_seconds: How long after its end another stream may continue the call; 0: the call ends with its stream.
            groups: The groups that join simultaneous streams of a call; None: the stream waits for no other.
            owner: The key digest of the peer.
        """
        self._rejoin_seconds = rejoin_seconds
        self._groups = groups or StreamGroups(gather_seconds=0)
        self._owner = owner
        self._source: Source | None = None
        self._group: StreamGroup | None = None
        #: Whether another stream is the leader of the call.
        self._follows = False
        self._accepted = False
        self._over = False
        self._closed = False
        self._opened_at: float | None = None
        #: The actions after `Offered`, until the call is accepted.
        self._held: list[Action] = []
        self._held_bytes = 0
        self._unusable = 0
        self._unusable_in_a_row = 0

    def receive_text(self, text: str, *, now: float) -> list[Action]:
        """Handles a message; media before the acceptance of the call is kept until then."""
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
        """Reports an unusable message, since these streams are text."""
        if self._over:
            return []
        return self._skip(BadMessage("json", "a binary frame came; every message of this stream is JSON text"))

    def lose_connection(self, *, closed: bool = False) -> list[Action]:
        """Handles the loss of the connection, which tears the call unless `stop` came before."""
        self._closed = True
        return self._end(Ended(complete=False, reason="torn"))

    def accept(self, *, at: ResumePoint, now: float, paused_by_peer: bool = False) -> list[Action]:
        """Returns the actions that waited for the acceptance of the call."""
        self._accepted = True
        held, self._held = self._held, []
        return held

    def refuse(self, reason: Refusal, *, now: float) -> list[Action]:
        """Closes the connection, since a stream has no message for this."""
        self._over, self._held = True, []
        return self._close(CloseReason.TRY_AGAIN if reason.temporary else CloseReason.REFUSED, reason)

    def acknowledge(self, *, sequence: int, position: int) -> list[Action]:
        """Does nothing: these platforms do not resend audio."""
        return []

    def add_caption(self, caption: Hypothesis | Phrase, *, now: float) -> list[Action]:
        """Does nothing: these platforms accept no captions."""
        return []

    def reach_captions(self, *, until_ms: int, now: float) -> list[Action]:
        """The protocol has no message for it."""
        return []

    def end_captions(self, *, phrase_count: int, now: float, failure: str = "") -> list[Action]:
        """Does nothing: these platforms accept no captions."""
        return []

    def settle(self, *, now: float) -> list[Action]:
        """Closes the connection, since all of the call is on the log."""
        return self._close(CloseReason.DONE)

    def ask_pause(self) -> list[Action]:
        """Returns audio that waits for the other track. A platform can be paused only by its own REST API."""
        if self._group is None or self._follows or self._over or not self._accepted:
            return []
        return self._group.flush()

    def ask_resume(self) -> list[Action]:
        """Does nothing: a platform can be resumed only by its own REST API."""
        return []

    def ask_to_leave(self, reason: str) -> list[Action]:
        """Closes the connection, since a stream has no message for this."""
        ended = self._end(Ended(complete=False, reason=reason))
        return [*ended, *self._close(CloseReason.REFUSED if reason == KEY_REVOKED else CloseReason.GOING_AWAY, reason)]

    def reject(self, error: str, *, now: float) -> list[Action]:
        """Closes the connection, since a stream has no message for this."""
        return self._fail(error)

    def tick(self, *, now: float) -> list[Action]:
        """Closes a connection without a start, and returns waiting audio of a silent peer."""
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
            # The leader has ended, so this stream continues the call.
            self._follows, self._group = False, self._group.hand_over(now)
        if event != "stop":
            self._group.handle(self._source, message, event, now)
            return self._offer(self._group, now)
        left = Left(reason="hangup", complete=True) if self._rejoin_seconds else Ended(complete=True, reason="hangup")
        self._group.until = now
        return [*self._offer(self._group, now), *self._final_actions(left)]

    def _begin(self, message: Mapping[str, Any], now: float) -> list[Action]:
        if self._group is not None:
            raise BadMessage("order", "a second start came, but a connection carries one stream")
        try:
            start = Start.of(message)
        except BadMessage as error:
            # Without a valid start there is no call.
            raise StreamError(str(error)) from None
        self._source = Source(start)
        self._group = self._groups.join(self._owner, start)
        if self._group is not None:
            self._follows = True
            return [Follows()]
        self._group = self._groups.begin(self._owner, start, now)
        return self._offer(self._group, now)

    def _offer(self, group: StreamGroup, now: float) -> list[Action]:
        """Offers the call once it waits for no other stream, and returns the actions of the call."""
        if group.opened:
            return group.drain()
        if now < group.until and not group.full:
            return []
        self._groups.close(self._owner, group)
        group.open()
        call = group.start.call
        if self._rejoin_seconds:
            call = replace(call, conversation=call.call_id, awaited_seconds=self._rejoin_seconds)
        return [call, *group.drain()]

    def _follow(self, group: StreamGroup, source: Source, message: Mapping[str, Any], event: str, now: float) -> list[Action]:
        """Passes a message of a follower to the group."""
        if event == "stop":
            group.leave(torn=False)
            return self._close(CloseReason.DONE)
        if group.full:
            raise StreamError("the stream sends faster than its call is accepted")
        group.handle(source, message, event, now)
        return []

    def _skip(self, error: BadMessage) -> list[Action]:
        """Ignores an unusable message; ends the stream after too many."""
        self._unusable += 1
        self._unusable_in_a_row += 1
        actions: list[Action] = [Unusable(reason=error.reason, detail=str(error))]
        if self._unusable_in_a_row < _MOST_UNUSABLE:
            return actions
        return actions + self._fail(f"{_MOST_UNUSABLE} messages in a row could not be used; the last: {error}")

    def _fail(self, error: str) -> list[Action]:
        ended = self._end(Ended(complete=False, reason="protocol_error", error=error))
        return [*ended, *self._close(CloseReason.REFUSED, error)]

    def _end(self, ended: Ended) -> list[Action]:
        """Returns the last actions of the call, if there is one that is not over."""
        if self._over:
            return []
        group, self._over = self._group, True
        if group is None:
            return []
        if self._follows:
            group.leave(torn=True)
            return []
        self._groups.close(self._owner, group)
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
        """Returns the actions that are immediate; holds the others until the call is accepted."""
        if self._accepted:
            return list(actions)
        offered = [action for action in actions if isinstance(action, _IMMEDIATE)]
        held = [action for action in actions if not isinstance(action, _IMMEDIATE)]
        self._held += held
        self._held_bytes += sum(len(action.data) for action in held if isinstance(action, Audio))
        if self._source is not None and self._held_bytes > _most_held(self._source) and not self._over:
            self._end(Ended(complete=False, reason="not_accepted", error="the call was not accepted in time"))
            return [*offered, *self._close(CloseReason.TRY_AGAIN, "the call cannot be accepted now; try again")]
        return [*offered]


def _most_held(source: Source) -> int:
    """Returns how many bytes of audio may wait until the call is accepted."""
    audio_format = source.start.format
    return _MOST_HELD_SECONDS * audio_format.sample_rate * audio_format.sample_bytes
