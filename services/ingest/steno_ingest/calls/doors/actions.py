"""The actions of a door: what it has done for its peer, and what its peer told of the call. Pure values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from steno.events.records import CallChannel, GapReason
from steno_ingest.calls.doors.audio_format import AudioFormat


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumePoint:
    """Where a peer that lost its connection goes on: what it was told is safe."""

    #: The chunk it sends next.
    sequence: int
    #: The sample of one channel it sends next.
    position: int


class CloseReason(StrEnum):
    """Why a connection is closed, as far as its peer can make use of it."""

    #: All is done.
    DONE = "done"
    #: The service, or this call of it, goes away.
    GOING_AWAY = "going_away"
    #: The peer did not answer as its protocol asks.
    PROTOCOL_ERROR = "protocol_error"
    #: The peer may not do this; it would be refused again.
    REFUSED = "refused"
    #: The service restarts: the peer may connect again at once.
    RESTARTING = "restarting"
    #: What was refused may be taken a little later.
    TRY_AGAIN = "try_again"


@dataclass(frozen=True, slots=True, kw_only=True)
class SendText:
    """A text message for the peer."""

    text: str
    #: By which connection, where the call has several; empty: by its main one.
    connection: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendBytes:
    """A binary message for the peer."""

    data: bytes = field(repr=False)
    #: By which connection, where the call has several; empty: by its main one.
    connection: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Close:
    """All connections are closed; nothing is sent afterwards."""

    why: CloseReason = CloseReason.DONE
    #: For the peer's log.
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """The peer asks to bring a call. The answer is `Door.accept` or `Door.refuse`; audio before that is an error."""

    call_id: str
    format: AudioFormat
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
    fallback_call_id: str = ""
    #: How long the frames of the peer are, in milliseconds; 0 where its protocol does not say.
    frame_ms: int = 0
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
class Played:
    """The peer has played all that it was sent before a mark (`Player.mark`)."""

    mark: str


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
    SendText
    | SendBytes
    | Close
    | Offered
    | Audio
    | Gap
    | Paused
    | Resumed
    | Played
    | Dtmf
    | Updated
    | Left
    | Ended
    | Unusable
    | Follows
)
