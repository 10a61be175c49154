"""The actions of a door: messages to its peer, and events of its call. Pure values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from steno.events.recognition import RecognitionDetails
from steno.events.records import CallChannel, GapReason
from steno_ingest.calls.doors.audio_format import AudioFormat


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumePoint:
    """The point from which a peer resumes its call after a lost connection: the last acknowledged one."""

    #: The number of the next chunk.
    sequence: int
    #: The next sample of one channel.
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumePosition:
    """The point from which a peer resumes its call that does not know the number of the next chunk."""

    #: The next sample of one channel.
    position: int


class CloseReason(StrEnum):
    """Why a connection is closed, as far as it matters to the peer."""

    #: Everything is done.
    DONE = "done"
    #: The service stops, or ends this call.
    GOING_AWAY = "going_away"
    #: A message of the peer asks for something that is not valid, so that it must not repeat it.
    NOT_VALID = "not_valid"
    #: The peer violated its protocol.
    PROTOCOL_ERROR = "protocol_error"
    #: The request was refused, and would be refused again.
    REFUSED = "refused"
    #: The service restarts; the peer may reconnect immediately.
    RESTARTING = "restarting"
    #: The request was refused, but may be accepted later.
    TRY_AGAIN = "try_again"


@dataclass(frozen=True, slots=True, kw_only=True)
class SendText:
    """A text message for the peer."""

    text: str
    #: The connection, if the call has several; empty: its main one.
    connection: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SendBytes:
    """A binary message for the peer."""

    data: bytes = field(repr=False)
    #: The connection, if the call has several; empty: its main one.
    connection: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Close:
    """Closes all connections; nothing is sent afterwards."""

    why: CloseReason = CloseReason.DONE
    #: For the peer's log.
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """The peer offers a call. The answer is `Door.accept` or `Door.refuse`; audio before that is an error."""

    call_id: str
    format: AudioFormat
    channels: tuple[CallChannel, ...]
    locale: str = "en-US"
    recognition: RecognitionDetails = field(default_factory=RecognitionDetails)
    properties: Mapping[str, str] = field(default_factory=dict)
    #: Whether the call begins paused.
    paused: bool = False
    #: The point from which a call of another connection is resumed; None for a new call.
    resume: ResumePoint | ResumePosition | None = None
    #: Whether a call that was ended properly may be resumed once more, for its last acknowledgements.
    reopens: bool = True
    #: How many phrases of the call its peer has; later ones are sent.
    phrases: int = 0
    #: For protocols that cannot resume calls: the id of the conversation. A new session continues the call of the same
    #: conversation and key, if its last session ended (`Left`, or a lost connection); audio in between is missing. Empty: a
    #: call is identified by its id only.
    conversation: str = ""
    #: The id that the call of a conversation gets if another call has `call_id`.
    fallback_call_id: str = ""
    #: Length of the peer's frames in milliseconds; 0 if its protocol does not define it.
    frame_ms: int = 0
    #: How long a new session of the conversation is awaited; None: as long as other peers.
    awaited_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Audio:
    """The next audio of the call: whole sample frames, channels interleaved."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A number of samples of one channel is missing before the next audio; with a length of 0, what is being said ends here."""

    length: int
    reason: GapReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Paused:
    """The peer pauses, so that no audio may be stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """The peer resumes after a pause; it did not send `skipped` samples of one channel."""

    skipped: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """The peer has played everything that was sent before a mark (`Player.mark`)."""

    mark: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dtmf:
    """A key was pressed."""

    digit: str
    channel: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Updated:
    """The peer adds properties, a locale or roles to the call."""

    properties: Mapping[str, str] = field(default_factory=dict)
    #: Empty: unchanged.
    locale: str = ""
    #: The channels with new roles or participants.
    channels: tuple[CallChannel, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The call has ended. `error` describes a fault of the peer, if there was one."""

    complete: bool
    #: hangup, torn, protocol_error, peer_error, ...
    reason: str
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Follows:
    """This connection adds a track to the call of another connection, and offers no call of its own unless that one ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unusable:
    """A message of the peer, or a value in it, could not be used and was ignored; it is counted and logged."""

    #: The kind of fault, from a small set.
    reason: str
    #: Explanation for the person who set up the peer.
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """The peer's session has ended, and its call ends in this way unless the peer returns."""

    reason: str
    error: str = ""
    #: Whether the session ended properly, so that no audio of it is missing.
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
