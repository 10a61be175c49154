"""The interface of doors: a door is the state machine of one call's protocol, independent of the transport. Pure.

A door gets messages, events and ticks, and answers each with a list of actions (`doors.actions`), which are carried out in
order. Some are for the peer (`SendText`, `SendBytes`, `Close`), the others are events of the call. The rest of ingest does not
depend on the protocol, and a door does not depend on the transport.

```
peer ──▶ receive_text · receive_bytes · lose_connection ─┐
ledger ─▶ accept · refuse ───────────────────────────────┤
log ────▶ acknowledge · settle ──────────────────────────┼──▶ actions ──▶ SendText · SendBytes · Close        ──▶ peer
Kafka ──▶ add_caption · reach_captions · …────────────────┤             └▶ Offered · Audio · Gap · Paused · …  ──▶ call
API ────▶ ask_pause · ask_resume · ask_to_leave ─────────┤
prompts ▶ player: play · mark · clear ───────────────────┤
call ───▶ reject ────────────────────────────────────────┤
clock ──▶ tick ──────────────────────────────────────────┘
```

One connection may carry several calls: its transport has a door for each. One call may have several connections (signalling and
media): each has a `Receiver`, the main one being the door itself, and actions name the connection.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from steno.events.records import Hypothesis, Phrase
from steno.tenants import Caller
from steno_ingest.calls.doors.actions import Action, ResumePoint


class Refusal(StrEnum):
    """Why an offered call is refused."""

    #: Another call has or had this id.
    CALL_ID_IN_USE = "call_id_in_use"
    #: The id or another value of the call is not valid.
    NOT_VALID = "not_valid"
    #: The call to be resumed is not known.
    NO_SUCH_CALL = "no_such_call"
    #: The call to be resumed has ended.
    CALL_ALREADY_ENDED = "call_already_ended"
    #: The call to be resumed has another codec, sample rate or number of channels.
    NOT_AS_BEFORE = "not_as_before"
    #: The ledger is unreachable; the peer may try again.
    LEDGER_AWAY = "ledger_away"
    #: The limit of open calls is reached; the peer may try again.
    TOO_MANY_CALLS = "too_many_calls"
    #: The service stops; the peer may try again.
    SERVICE_STOPPING = "service_stopping"

    @property
    def temporary(self) -> bool:
        """Whether the same offer may be accepted later."""
        return self in (Refusal.LEDGER_AWAY, Refusal.TOO_MANY_CALLS, Refusal.SERVICE_STOPPING)


class Receiver(Protocol):
    """Handles the messages of one connection. Times are parameters, in seconds of a monotonic clock."""

    def receive_text(self, text: str, *, now: float) -> list[Action]:
        """Handles a text message."""

    def receive_bytes(self, data: bytes, *, now: float) -> list[Action]:
        """Handles a binary message."""


class Player(Protocol):
    """Plays audio to the peer of a call; the caller sends it in real time (`hosting.playback`)."""

    def play(self, audio: bytes, *, now: float) -> list[Action]:
        """Sends the next piece of audio, of one channel, in the format of the call."""

    def mark(self, name: str, *, now: float) -> list[Action]:
        """Asks the peer to report when it has played everything sent so far; the door then returns `Played`."""

    def clear(self, *, now: float) -> list[Action]:
        """Asks the peer to discard audio that it has not played yet."""


class Door(Receiver, Protocol):
    """The protocol of one call."""

    #: Name of the protocol in `CallStarted.protocol`: audiohook, twilio, stream.
    name: str
    #: Whether a peer may resume a call after a lost connection (`Offered.resume`).
    resumable: bool
    #: Whether it uses `add_caption` and `end_captions`; if not, captions are not read for it.
    captioned: bool

    @property
    def player(self) -> Player | None:
        """Plays audio to the peer; None if its protocol cannot."""

    def lose_connection(self, *, closed: bool = False) -> list[Action]:
        """Handles the end of the connection.

        Returns `Ended` if a call was open. A resumable call survives that, unless its end is complete.

        Args:
            closed: Whether the peer closed the connection as its transport provides; if not, the connection was lost.
        """

    def accept(self, *, at: ResumePoint, now: float, paused_by_peer: bool = False) -> list[Action]:
        """Handles the acceptance of the offered call, which is in the ledger.

        Args:
            at: The point from which the peer must send: the beginning, or after the audio received before its connection was
                lost (of which only the acknowledged part is safe).
            paused_by_peer: Whether the peer offered the call paused, or paused it on an earlier connection without resuming it.
        """

    def refuse(self, reason: Refusal, *, now: float) -> list[Action]:
        """Handles the refusal of the offered call. The door reports it in its protocol, and closes the connection, or offers
        another call."""

    def acknowledge(self, *, sequence: int, position: int) -> list[Action]:
        """Handles the acknowledgement of all audio before this chunk and this sample by all replicas of the log."""

    def add_caption(self, caption: Hypothesis | Phrase, *, now: float) -> list[Action]:
        """Handles a caption of the call."""

    def reach_captions(self, *, until_ms: int, now: float) -> list[Action]:
        """Handles that all phrases of audio before a time were sent, and nobody speaks at that time."""

    def end_captions(self, *, phrase_count: int, now: float, failure: str = "") -> list[Action]:
        """Handles the end of the live transcript; no caption follows. `failure`: why there is none."""

    def settle(self, *, now: float) -> list[Action]:
        """Called when the call has ended (by the peer or here) and all of it is on the log."""

    def ask_pause(self) -> list[Action]:
        """Asks the peer to pause, if the protocol can; audio is dropped from now on in any case."""

    def ask_resume(self) -> list[Action]:
        """Asks the peer to resume, if the protocol can."""

    def ask_to_leave(self, reason: str) -> list[Action]:
        """Asks the peer to end the call as its protocol requires; the connection is closed soon after in any case.

        Args:
            reason: The service stops (`service_stopping`), the call was ended here (`ended_by_api`) or has lasted too long
                (`too_long`), its peer returned on another connection (`replaced`), or its key is no longer valid
                (`key_revoked`).
        """

    def reject(self, error: str, *, now: float) -> list[Action]:
        """Handles an event that is not valid in the call: the door reports a fault of the peer, and its call ends."""

    def tick(self, *, now: float) -> list[Action]:
        """Handles the passage of time, about every 100 ms: captions that are due, time limits of the peer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedPeer:
    """An authenticated peer: its door and its caller."""

    door: Door
    caller: Caller
    #: Whether its key is still valid; called repeatedly while it is connected.
    holds: Callable[[], bool]


KEY_REVOKED = "key_revoked"
"""The reason for which a peer must leave, and its call ends, when its key is no longer valid."""
