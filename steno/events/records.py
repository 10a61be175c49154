"""The records of the topics, as frozen typed values. Pure.

Each mirrors one `schemas/records/NAME.avsc` field by field (a test holds the two together) and is validated when built,
so a record that exists is a record that may be sent. Times inside audio are milliseconds from the start of the call's audio;
wall-clock times are timezone-aware UTC datetimes.
"""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, Field

from steno.audio_files import plain_file_name
from steno.events.fields import (
    Confidence,
    Identifier,
    Index,
    Locale,
    Location,
    Milliseconds,
    Moment,
    Position,
    Properties,
    Sentiment,
    Tenant,
    Text,
    Writer,
)
from steno.events.observations import Observation
from steno.events.recognition import AsksForRecognition, RecognitionDetails
from steno.events.values import Value


class Record(Value):
    """What one message of a topic says."""


class CallRecord(Record):
    """A record about a call; the call id is its key."""

    call_id: Identifier


class Role(StrEnum):
    """Who speaks on a channel: from signalling or metadata, never guessed from channel order."""

    UNKNOWN = "unknown"
    AGENT = "agent"
    CUSTOMER = "customer"
    IVR = "ivr"


class ChannelRole(Value):
    """The role of one channel."""

    channel: Index
    role: Role = Role.UNKNOWN


class RecordingSubmitted(CallRecord, AsksForRecognition):
    """Finished audio of a call is to be transcribed."""

    url: Location
    recording_id: str = Field(default="", max_length=256)
    supersedes: str = Field(default="", max_length=256)
    channels: Annotated[tuple[ChannelRole, ...], Field(max_length=64)] = ()
    locale: Locale = "en-US"
    properties: Properties = {}
    sha256: str = Field(default="", pattern=r"^([0-9a-f]{64})?$")
    submitted_at: Moment | None = None
    tenant: Tenant = ""
    file_name: Annotated[str, AfterValidator(plain_file_name)] = ""
    format: str = Field(default="", max_length=64)
    recognition: RecognitionDetails = RecognitionDetails()

    def role_of(self, channel: int) -> Role:
        """The role given for a channel; unknown where none was given."""
        return next((entry.role for entry in self.channels if entry.channel == channel), Role.UNKNOWN)


class RecordingCancelled(CallRecord):
    """A recording is not wanted any more."""

    recording_id: Identifier
    cancelled_at: Moment


class TranscriptStarted(CallRecord):
    """A transcriber has taken up a recording."""

    recording_id: Identifier
    started_at: Moment


class Word(Value):
    """A word with its time in the call's audio."""

    text: str
    start_ms: Milliseconds
    duration_ms: Milliseconds
    confidence: Confidence


class Phrase(CallRecord):
    """The final text of one utterance."""

    recording_id: Identifier
    phrase_id: Identifier
    sequence: Index
    channel: Index
    role: Role = Role.UNKNOWN
    start_ms: Milliseconds
    duration_ms: Milliseconds
    text: str
    confidence: Confidence
    words: tuple[Word, ...] = ()
    locale: Locale = "en-US"
    revision: Index = 0
    tenant: Tenant = ""
    engine: str = ""


class TranscriptCompleted(CallRecord):
    """A recording has its transcript. No phrase at all is a result too: no speech."""

    recording_id: Identifier
    supersedes: str = Field(default="", max_length=256)
    result_url: str
    phrase_count: Index
    channel_count: Index
    duration_ms: Milliseconds
    damaged_ms: Milliseconds = 0
    missing_ms: Milliseconds = 0
    observations: tuple[Observation, ...] = ()
    engine: str = ""
    locale: Locale = "en-US"
    properties: dict[str, str] = {}
    completed_at: Moment
    tenant: Tenant = ""

    @property
    def outcome(self) -> Literal["completed", "no_speech"]:
        """The state that the recording or call ends in."""
        return "completed" if self.phrase_count else "no_speech"


class TranscriptFailed(CallRecord):
    """A recording could not be transcribed, and why."""

    recording_id: Identifier
    reason: Text
    error: Text
    properties: dict[str, str] = {}
    failed_at: Moment
    tenant: Tenant = ""


class Insight(CallRecord):
    """What the enricher made of a phrase."""

    recording_id: Identifier
    insight_id: Identifier
    phrase_id: Identifier
    sequence: Index
    channel: Index
    role: Role = Role.UNKNOWN
    start_ms: Milliseconds
    sentiment: Sentiment
    key_phrases: tuple[str, ...] = ()


class SpeakerSummary(Value):
    """One channel's share in a call."""

    channel: Index
    role: Role = Role.UNKNOWN
    talk_ms: Milliseconds
    phrase_count: Index
    sentiment: Sentiment
    sentiment_trend: Annotated[float, Field(ge=-2, le=2)]


class CallSummary(CallRecord):
    """What the enricher made of a call."""

    recording_id: Identifier
    supersedes: str = Field(default="", max_length=256)
    revision: Index = 0
    summary_id: Identifier
    phrase_count: Index
    duration_ms: Milliseconds
    silence_ms: Milliseconds
    overlap_ms: Milliseconds
    speakers: tuple[SpeakerSummary, ...] = ()
    key_phrases: tuple[str, ...] = ()
    properties: dict[str, str] = {}
    summarised_at: Moment
    tenant: Tenant = ""


class AudioCodec(StrEnum):
    """How live audio is coded; S16LE is linear 16 bit, least significant byte first, UNKNOWN a codec of a later version."""

    UNKNOWN = "UNKNOWN"
    PCMU = "PCMU"
    PCMA = "PCMA"
    S16LE = "S16LE"

    @property
    def sample_bytes(self) -> int:
        """Bytes of one sample of one channel."""
        return 2 if self is AudioCodec.S16LE else 1

    @property
    def silence(self) -> bytes:
        """One sample of silence (ITU-T G.711: positive zero, inverted as it is sent)."""
        return {AudioCodec.S16LE: b"\x00\x00", AudioCodec.PCMA: b"\xd5"}.get(self, b"\xff")


class GapReason(StrEnum):
    """Why a span of a call has no audio; a pause is told by `CallPaused` and `CallResumed`."""

    LOST = "lost"
    LATE = "late"
    DISCARDED = "discarded"


class CallStatus(StrEnum):
    """Where a live call stands."""

    ACTIVE = "active"
    ENDING = "ending"
    COMPLETED = "completed"
    NO_SPEECH = "no_speech"
    FAILED = "failed"


class CallChannel(Value):
    """One channel of a live call."""

    channel: Index
    role: Role = Role.UNKNOWN
    participant: Text = ""


Channels = Annotated[tuple[CallChannel, ...], Field(min_length=1, max_length=8)]
SampleRate = Literal[8000, 16000]


class CallStarted(CallRecord, AsksForRecognition):
    """A live call begins; its audio follows on the same topic."""

    codec: AudioCodec
    sample_rate: SampleRate
    channels: Channels
    locale: Locale = "en-US"
    protocol: Text = ""
    properties: Properties = {}
    started_at: Moment
    tenant: Tenant = ""
    writer: Writer = ""
    recognition: RecognitionDetails = RecognitionDetails()


class AudioChunk(CallRecord):
    """A tenth of a second of a live call, all channels interleaved sample by sample as they came.

    `position` counts samples of one channel.
    """

    sequence: Index
    position: Position
    audio: bytes = Field(repr=False)
    writer: Writer = ""


class AudioGap(CallRecord):
    """A span of a live call without audio, and why; a pause is told by CallPaused and CallResumed.

    With a length of 0 nothing is missing: what is being said ends there, and audio goes on.
    """

    position: Position
    length: Position
    reason: GapReason
    writer: Writer = ""


class CallPaused(CallRecord):
    """From here on no audio of the call is kept, until CallResumed."""

    position: Position
    requested_by: Text = ""
    reason: Text = ""
    paused_at: Moment
    writer: Writer = ""


class CallResumed(CallRecord):
    """Audio of the call is kept again; what lies between pause and here is a gap."""

    position: Position
    requested_by: Text = ""
    resumed_at: Moment
    writer: Writer = ""


MASKED_DIGIT = "x"
"""Stands for a key that is not kept: digits are often those of a card or a PIN."""


class DtmfPressed(CallRecord):
    """A key was pressed on the telephone."""

    position: Position
    digit: str = Field(pattern=r"^[0-9*#A-Dx]$")
    channel: Index | None = None
    pressed_at: Moment
    writer: Writer = ""


class CallUpdated(CallRecord):
    """More is known of a call than when it started."""

    properties: Properties = {}
    locale: Locale = ""
    updated_at: Moment
    writer: Writer = ""


class RolesCorrected(CallRecord):
    """Who speaks on which channel is known better than before."""

    channels: Channels
    corrected_by: Text = ""
    corrected_at: Moment


class CallEnded(CallRecord):
    """A live call is over: no audio follows."""

    position: Position
    complete: bool
    reason: Text = ""
    error: Text = ""
    ended_at: Moment
    writer: Writer = ""


LiveCallRecord = CallStarted | AudioChunk | AudioGap | CallPaused | CallResumed | DtmfPressed | CallUpdated | CallEnded
"""A record of the log of a live call, which is of the call whose `CallStarted` has the same writer.

A call that came in by a door of ingest has a writer of its own, one that is published on Kafka has none: so what is sent to a
door never becomes part of another call, whichever id its sender gave. `RolesCorrected` names none: it may come from anybody.
"""


class CallState(CallRecord):
    """What is known of a call; the newest record of a call counts."""

    recording_id: Identifier
    state: CallStatus
    paused: bool = False
    channels: Channels
    locale: Locale = "en-US"
    protocol: Text = ""
    properties: dict[str, str] = {}
    roles_revision: Index = 0
    current_recording_id: str = ""
    complete: bool = False
    reason: Text = ""
    started_at: Moment
    ended_at: Moment | None = None
    updated_at: Moment
    tenant: Tenant = ""


class Hypothesis(CallRecord):
    """What the engine thinks so far of an utterance that is being spoken.

    The next hypothesis replaces it, the phrase of the same id ends it.
    """

    recording_id: Identifier
    phrase_id: Identifier
    revision: Index
    channel: Index
    role: Role = Role.UNKNOWN
    start_ms: Milliseconds
    duration_ms: Milliseconds
    text: str
    stable_text: str = ""
    locale: Locale = "en-US"
    tenant: Tenant = ""


class CaptionsReached(CallRecord):
    """How far the captions of a live call are: all phrases before a time are published, and nobody speaks then.

    Written where the audio breaks off, and now and then while nobody speaks; it may be repeated.
    """

    recording_id: Identifier
    until_ms: Milliseconds
    phrase_count: Index
    tenant: Tenant = ""


class ChannelMark(Value):
    """How far a channel of a live call is: where its segmenter restarted, and before which start all utterances are done."""

    channel: Index
    restart_ms: Milliseconds
    final_ms: Milliseconds
    raised_restart_ms: Milliseconds | None = None
    raised: bool = False


class CallCheckpoint(CallRecord, AsksForRecognition):
    """From where a transcriber goes on with a live call when another one dies."""

    offset: Annotated[int, Field(ge=0, le=2**62)]
    position: Annotated[int, Field(ge=0, le=2**48)] = 0
    sequence: Index = 0
    codec: AudioCodec
    sample_rate: SampleRate
    channels: Channels
    locale: Locale = "en-US"
    properties: dict[str, str] = {}
    started_at: Moment
    marks: Annotated[tuple[ChannelMark, ...], Field(min_length=1, max_length=8)]
    next_sequence: Index
    missing: Position = 0
    elapsed_ms: Position = 0
    written_at: AwareDatetime | None = None
    paused_from: Position | None = None
    resumed_at: Position = 0
    observations: tuple[Observation, ...] = ()
    done: bool = False
    saved_at: Moment
    tenant: Tenant = ""
    writer: Writer = ""
    recognition: RecognitionDetails = RecognitionDetails()
    step_states: dict[str, str] = {}


class WebhookState(Record):
    """A webhook as registered; the newest record of a webhook id counts, a tombstone deletes it."""

    webhook_id: Identifier
    url: Location
    events: tuple[str, ...] = ()
    encrypted_secret: bytes = Field(repr=False)
    enabled: bool = True
    created_at: Moment
    updated_at: Moment
    tenant: Tenant = ""
    previous_encrypted_secret: bytes = Field(default=b"", repr=False)
    previous_expires_at: Moment | None = None


RECORDS: dict[str, type[Record]] = {
    record.__name__: record
    for record in (
        RecordingSubmitted,
        RecordingCancelled,
        TranscriptStarted,
        Phrase,
        TranscriptCompleted,
        TranscriptFailed,
        Insight,
        CallSummary,
        CallStarted,
        AudioChunk,
        AudioGap,
        CallPaused,
        CallResumed,
        DtmfPressed,
        CallUpdated,
        RolesCorrected,
        CallEnded,
        CallState,
        Hypothesis,
        CaptionsReached,
        CallCheckpoint,
        WebhookState,
    )
}
"""Every record by its name, which is the name of its .avsc."""
