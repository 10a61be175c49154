"""The port of the doors: a door is the state machine of one call's protocol, and knows no transport. Pure.

A door is given messages and moments, and answers each with a list of actions (`doors.actions`), to be carried out in order.
Some are for the peer (`SendText`, `SendBytes`, `Close`), the others say what the peer told of the call. Nothing past the door
knows which protocol it was, and the door does not know what carries its messages.

```
peer ──▶ receive_text · receive_bytes · lose_connection ─┐
ledger ─▶ accept · refuse ───────────────────────────────┤
log ────▶ acknowledge · settle ──────────────────────────┼──▶ actions ──▶ SendText · SendBytes · Close        ──▶ peer
Kafka ──▶ add_caption · end_captions ────────────────────┤             └▶ Offered · Audio · Gap · Paused · …  ──▶ call
API ────▶ ask_pause · ask_resume · ask_to_leave ─────────┤
prompts ▶ player: play · mark · clear ───────────────────┤
call ───▶ reject ────────────────────────────────────────┤
clock ──▶ tick ──────────────────────────────────────────┘
```

One connection may carry several calls: its transport has a door for each, and tells them apart. One call may have several
connections (signalling and media): each has a `Receiver`, of which the door is the main one, and actions name the connection.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from steno.events.records import Hypothesis, Phrase
from steno.tenants import Caller
from steno_ingest.calls.doors.actions import Action, ResumePoint


class Refusal(StrEnum):
    """Why a call that was offered is not taken."""

    #: Another call has this id, or had it.
    CALL_ID_IN_USE = "call_id_in_use"
    #: The id, or what else is said of the call, cannot be kept.
    NOT_VALID = "not_valid"
    #: A call was to go on that is not known here.
    NO_SUCH_CALL = "no_such_call"
    #: A call was to go on that has ended.
    CALL_ALREADY_ENDED = "call_already_ended"
    #: A call was to go on with another codec, rate or number of channels than before.
    NOT_AS_BEFORE = "not_as_before"
    #: The ledger is away: the peer may try again.
    LEDGER_AWAY = "ledger_away"
    #: As many calls are open as the settings allow: the peer may try again.
    TOO_MANY_CALLS = "too_many_calls"
    #: The service stops: the peer may try again.
    SERVICE_STOPPING = "service_stopping"

    @property
    def temporary(self) -> bool:
        """Whether the same offer may be taken a little later."""
        return self in (Refusal.LEDGER_AWAY, Refusal.TOO_MANY_CALLS, Refusal.SERVICE_STOPPING)


class Receiver(Protocol):
    """Takes the messages of one connection. Times are seconds of a monotonic clock, given in."""

    def receive_text(self, text: str, *, now: float) -> list[Action]:
        """Handles a text message."""

    def receive_bytes(self, data: bytes, *, now: float) -> list[Action]:
        """Handles a binary message."""


class Player(Protocol):
    """Plays audio to the peer of a call; what it is given is paced (`hosting.playback`)."""

    def play(self, audio: bytes, *, now: float) -> list[Action]:
        """Sends the next piece of audio, of one channel, in the format of the call."""

    def mark(self, name: str, *, now: float) -> list[Action]:
        """Has the peer say when it has played all that it was sent so far; the door gives `Played` then."""

    def clear(self, *, now: float) -> list[Action]:
        """Has the peer throw away what it was sent and has not played."""


class Door(Receiver, Protocol):
    """The protocol of one call."""

    #: What `CallStarted.protocol` says: audiohook, twilio, stream.
    name: str
    #: Whether a call goes on when its connection is lost, and the peer may come back for it (`Offered.resume`).
    resumable: bool
    #: Whether `add_caption` and `end_captions` are of use to it; where not, nobody reads captions for it.
    captioned: bool

    @property
    def player(self) -> Player | None:
        """How the peer is played audio; None where its protocol takes none."""

    def lose_connection(self) -> list[Action]:
        """Handles that the peer is gone; nothing can be sent. Gives `Ended` where a call was open (a resumable one is kept)."""

    def accept(self, *, at: ResumePoint, now: float, paused_by_peer: bool = False) -> list[Action]:
        """Handles that the call which was offered is kept: the ledger has it.

        Args:
            at: Where its peer goes on: the beginning, or behind what was received before its connection was lost (only what was
                acknowledged is safe).
            paused_by_peer: Whether its peer offers it paused, or paused it on a connection before and has not resumed it.
        """

    def refuse(self, reason: Refusal, *, now: float) -> list[Action]:
        """Handles that the call which was offered is not taken. The door says so in its protocol, and closes."""

    def acknowledge(self, *, sequence: int, position: int) -> list[Action]:
        """Handles that all audio before this chunk and this sample is on the log, on all replicas."""

    def add_caption(self, caption: Hypothesis | Phrase, *, now: float) -> list[Action]:
        """Handles that something was understood of the call."""

    def end_captions(self, *, phrase_count: int, now: float) -> list[Action]:
        """Handles that the live transcript is complete, or has failed: no caption follows."""

    def settle(self, *, now: float) -> list[Action]:
        """Handles that the call has ended (by the peer or here), and all of it is on the log."""

    def ask_pause(self) -> list[Action]:
        """Asks the peer to pause, where the protocol can; audio is dropped from now on in any case."""

    def ask_resume(self) -> list[Action]:
        """Asks the peer to go on, where the protocol can."""

    def ask_to_leave(self, reason: str) -> list[Action]:
        """Asks the peer to end in its protocol's own way; the connection is closed soon after in any case.

        Args:
            reason: The service stops (`service_stopping`), the call was closed here (`ended_by_api`) or has gone on for too
                long (`too_long`), its peer came back on another connection (`replaced`), or the key it came in with is good no
                more (`key_revoked`).
        """

    def reject(self, error: str, *, now: float) -> list[Action]:
        """Handles that the call cannot take what the peer told of it: the peer is told as for any other fault, and its call is
        over."""

    def tick(self, *, now: float) -> list[Action]:
        """Handles that time has passed (called every 100 ms or so): paced captions, peers that said nothing for too long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entered:
    """A peer that may come in: its door, and whose it is."""

    door: Door
    caller: Caller
    #: Whether what it came in with is still good; asked again while the connection lasts.
    holds: Callable[[], bool]


KEY_REVOKED = "key_revoked"
"""Why a peer has to leave, and how its call ends, when what it came in with is good no more."""

KEY_REVOKED = "key_revoked"
"""Why a peer has to leave, and how its call ends, when what it came in with is good no more."""
