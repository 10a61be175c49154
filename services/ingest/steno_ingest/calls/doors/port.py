"""The port of the doors: what a call protocol takes, and what it gives. Pure; one server stands around all of them.

A door is a state machine of one connection: it is given messages and moments, and gives actions in order. Some actions are
for the peer (`SendText`, `SendBytes`, `Close`), the others say what the peer told of the call. Nothing past the door knows
which protocol it was.

```
peer ──▶ receive_text / receive_bytes / connection_lost ─┐
ledger ─▶ accepted / refused ────────────────────────────┤
log ────▶ acknowledged / settled ────────────────────────┼──▶ actions ──▶ SendText · SendBytes · Close        ──▶ peer
Kafka ──▶ caption / transcribed ─────────────────────────┤             └▶ Offered · Audio · Gap · Paused · …  ──▶ call session
API ────▶ ask_pause / ask_resume / ask_to_leave ─────────┤
call ───▶ violated ──────────────────────────────────────┤
clock ──▶ tick ──────────────────────────────────────────┘
```
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from steno.events.records import AudioCodec, CallChannel, GapReason, Hypothesis, Phrase
from steno.tenants import Caller


@dataclass(frozen=True, slots=True, kw_only=True)
class Upgrade:
    """The request by which a peer asks for a WebSocket, as it came."""

    #: Always GET (RFC 6455 §4.1).
    method: str
    #: Path as it stands in the request line, percent-encoding untouched.
    path: str
    #: What stands behind the `?`; empty where there is none.
    query: str
    #: By lower-case name; of a header that came several times, all values joined by ", " (RFC 9110 §5.3).
    headers: Mapping[str, str]
    #: The `Host` header.
    host: str
    #: Address of the peer, or of the proxy before it; empty where it is not known.
    client: str = ""


class UpgradeRefused(Exception):
    """The peer may not open this door: the upgrade is answered with an HTTP status, and there is no WebSocket."""

    def __init__(
        self,
        status: int,
        reason: str,
        *,
        delay_seconds: float = 0,
        retry_seconds: int = 0,
        event: str = "",
        details: Mapping[str, str] | None = None,
    ) -> None:
        """
        Args:
            status: 401, 400, 503, ...
            reason: What was wrong, for the person who set up the peer; the body of the answer.
            delay_seconds: How long the answer is held back, against guessing.
            retry_seconds: When it may be tried again; 0 where that is not known.
            event: What the log of ingest calls it; empty where it is not logged. The server logs it, not the door: what a
                stranger is refused for is logged only as often as the rate of wrong keys allows.
            details: What the log says besides, each cut to a length.
        """
        super().__init__(reason)
        self.status, self.reason, self.delay_seconds, self.retry_seconds = status, reason, delay_seconds, retry_seconds
        self.event, self.details = event, details or {}


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


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumePoint:
    """Where a peer that lost its connection goes on: what it was told is safe."""

    #: The chunk it sends next.
    sequence: int
    #: The sample of one channel it sends next.
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SendText:
    """A text frame for the peer."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SendBytes:
    """A binary frame for the peer."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Close:
    """The connection is closed, with a code of RFC 6455 §7.4; nothing is sent afterwards."""

    code: int = 1000
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """The peer asks to bring a call. The server answers with `accepted` or `refused`; audio before that is an error."""

    call_id: str
    codec: AudioCodec
    sample_rate: int
    channels: tuple[CallChannel, ...]
    locale: str = "en-US"
    properties: Mapping[str, str] = field(default_factory=dict)
    #: The call begins paused.
    paused: bool = False
    #: The call was begun on another connection, and goes on here.
    resume: ResumePoint | None = None
    #: How many phrases its peer has of it; those that follow are told.
    phrases: int = 0
    #: For protocols whose peers come again without saying so: what they call the conversation. The call of it by the same key
    #: that was left (`Left`, or its connection lost) goes on; the time in between is missing of it. Empty: only the id tells.
    conversation: str = ""
    #: The id that a call of a conversation gets where another has `call_id`.
    id_of_its_own: str = ""
    #: How long the peer of a conversation is awaited; None: as long as others are.
    awaited_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Audio:
    """The next audio of the call: whole sample frames, channels interleaved."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """So many samples of one channel are missing before the next audio."""

    length: int
    reason: GapReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Paused:
    """The peer pauses: no audio is to be kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """The peer goes on after a pause; `skipped` samples of one channel went by that it did not send."""

    skipped: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Dtmf:
    """A key was pressed."""

    digit: str
    channel: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Updated:
    """The peer tells more of the call."""

    properties: Mapping[str, str] = field(default_factory=dict)
    #: Empty: as before.
    locale: str = ""
    #: Roles and participants, where they are told anew.
    channels: tuple[CallChannel, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The call is over. `error` says what the peer did wrong, where it did."""

    complete: bool
    #: hangup, torn, protocol_error, peer_error, ...
    reason: str
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Follows:
    """Another connection brings the call; this one adds to it there, and offers none unless the other is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unusable:
    """A message of the peer, or something in it, could not be used; the call goes on without it. It is counted and told."""

    #: What was wrong, one of a few words.
    reason: str
    #: For whoever set up the peer.
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """The peer is done here, and its call is over so, unless it comes again."""

    reason: str
    error: str = ""
    #: It ended what it brought as it should: nothing of that is missing.
    complete: bool = False


Action = (
    SendText | SendBytes | Close | Offered | Audio | Gap | Paused | Resumed | Dtmf | Updated | Left | Ended | Unusable | Follows
)


class Door(Protocol):
    """One connection's protocol. Times are seconds of a monotonic clock, given in."""

    #: What `CallStarted.protocol` says: audiohook, twilio, stream.
    name: str
    #: Whether a call goes on when its connection is lost, and the peer may come back for it (`Offered.resume`).
    resumable: bool
    #: Whether `caption` and `transcribed` are of use to it; where not, nobody reads captions for it.
    captioned: bool

    def receive_text(self, text: str, *, now: float) -> Iterable[Action]:
        """A text frame came."""

    def receive_bytes(self, data: bytes, *, now: float) -> Iterable[Action]:
        """A binary frame came."""

    def connection_lost(self) -> Iterable[Action]:
        """The socket is gone; nothing can be sent. Gives `Ended` where a call was open (the server keeps a resumable one)."""

    def accepted(self, *, at: ResumePoint, now: float) -> Iterable[Action]:
        """The call that was offered is kept: the ledger has it. `at` is where its peer goes on: the beginning, or behind what
        was received before its connection was lost (only what was `acknowledged` is safe)."""

    def refused(self, reason: Refusal, *, now: float) -> Iterable[Action]:
        """The call that was offered is not taken. The door says so in its protocol, and closes."""

    def acknowledged(self, *, sequence: int, position: int) -> Iterable[Action]:
        """All audio before this chunk and this sample is on the log, on all replicas."""

    def caption(self, caption: Hypothesis | Phrase, *, now: float) -> Iterable[Action]:
        """Something was understood of the call."""

    def transcribed(self, *, phrase_count: int, now: float) -> Iterable[Action]:
        """The live transcript is complete, or has failed: no caption follows."""

    def settled(self, *, now: float) -> Iterable[Action]:
        """The call has ended (by the peer or here), and all of it is on the log."""

    def ask_pause(self) -> Iterable[Action]:
        """Asks the peer to pause, where the protocol can; audio is dropped from now on in any case."""

    def ask_resume(self) -> Iterable[Action]:
        """Asks the peer to go on, where the protocol can."""

    def ask_to_leave(self, reason: str) -> Iterable[Action]:
        """The service stops (`service_stopping`), the call was closed here (`ended_by_api`), has gone on for too long
        (`too_long`), or its peer came back on another connection (`replaced`), or the key it came in with opens no
        more (`key_revoked`): asks the peer to end in its protocol's own way. The server closes soon after by
        itself."""

    def violated(self, error: str, *, now: float) -> Iterable[Action]:
        """The call cannot take what the peer told of it: the peer is told so as for any other fault, and its call is over."""

    def tick(self, *, now: float) -> Iterable[Action]:
        """Time has passed (called every 100 ms or so): paced captions, peers that said nothing for too long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entered:
    """A peer that may come in: its door, and whose it is."""

    door: Door
    caller: Caller
    #: Whether what it came in with is still good; asked again while the connection lasts.
    holds: Callable[[], bool]


KEY_REVOKED = "key_revoked"
"""Why a peer has to leave, and how its call ends, when what it came in with is good no more."""

DoorFactory = Callable[[Upgrade], Entered]
"""Makes the door of one connection, once the peer has shown that it may come in. Raises `UpgradeRefused`; does not wait."""
