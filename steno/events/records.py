"""The records of the topics, as frozen typed values.

Each mirrors one `schemas/records/NAME.avsc` field by field (a test holds the two together) and is validated when built,
so a record that exists is a record that may be sent. Times inside audio are milliseconds from the start of the call's audio;
wall-clock times are timezone-aware UTC datetimes.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

Identifier = Annotated[str, Field(min_length=1, max_length=256)]
Location = Annotated[str, Field(min_length=1, max_length=4096)]
# As far as Avro's long and int go.
Milliseconds = Annotated[int, Field(ge=0, le=2**63 - 1)]
Index = Annotated[int, Field(ge=0, le=2**31 - 1)]
Confidence = Annotated[float, Field(ge=0, le=1)]
Sentiment = Annotated[float, Field(ge=-1, le=1)]


class Value(BaseModel):
    """A part of a record: frozen, no unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


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


class RecordingSubmitted(CallRecord):
    """Finished audio of a call is to be transcribed."""

    url: Location
    recording_id: str = Field(default="", max_length=256)
    channels: tuple[ChannelRole, ...] = ()
    locale: str = "en-US"
    properties: dict[str, str] = {}
    sha256: str = Field(default="", pattern=r"^([0-9a-f]{64})?$")
    submitted_at: AwareDatetime | None = None

    def role_of(self, channel: int) -> Role:
        """The role given for a channel; unknown where none was given."""
        return next((entry.role for entry in self.channels if entry.channel == channel), Role.UNKNOWN)


class RecordingCancelled(CallRecord):
    """A recording is not wanted any more."""

    recording_id: Identifier
    cancelled_at: AwareDatetime


class TranscriptStarted(CallRecord):
    """A transcriber has taken up a recording."""

    recording_id: Identifier
    started_at: AwareDatetime


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
    locale: str = "en-US"
    revision: Index = 0


class TranscriptCompleted(CallRecord):
    """A recording has its transcript. No phrase at all is a result too: no speech."""

    recording_id: Identifier
    result_url: str
    phrase_count: Index
    channel_count: Index
    duration_ms: Milliseconds
    engine: str = ""
    locale: str = "en-US"
    properties: dict[str, str] = {}
    completed_at: AwareDatetime


class TranscriptFailed(CallRecord):
    """A recording could not be transcribed, and why."""

    recording_id: Identifier
    reason: str
    error: str
    properties: dict[str, str] = {}
    failed_at: AwareDatetime


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
    summary_id: Identifier
    phrase_count: Index
    duration_ms: Milliseconds
    silence_ms: Milliseconds
    overlap_ms: Milliseconds
    speakers: tuple[SpeakerSummary, ...] = ()
    key_phrases: tuple[str, ...] = ()
    properties: dict[str, str] = {}
    summarised_at: AwareDatetime


class WebhookState(Record):
    """A webhook as registered; the newest record of a webhook id counts, a tombstone deletes it."""

    webhook_id: Identifier
    url: Location
    events: tuple[str, ...] = ()
    encrypted_secret: bytes = Field(repr=False)
    enabled: bool = True
    created_at: AwareDatetime
    updated_at: AwareDatetime


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
        WebhookState,
    )
}
"""Every record by its name, which is the name of its .avsc."""
