"""The result document: the transcript of a recording as JSON, which the transcriber writes and everybody else reads. Pure.

Its JSON Schema is published as `schemas/result-document.schema.json`.
"""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from steno.events.observations import Observation
from steno.events.records import Role

RESULT_PREFIX = "transcripts"
"""The folder of the object store that has the result documents: an object elsewhere is not read as one."""


class _Part(BaseModel):
    # The schema requires every field, because all are written; documents of earlier versions have fewer and are read, too.
    model_config = ConfigDict(frozen=True, json_schema_serialization_defaults_required=True)


class TranscriptWord(_Part):
    """A word with its time in the call's audio."""

    text: str
    start_ms: int
    duration_ms: int
    confidence: float


class TranscriptPhrase(_Part):
    """The text of one utterance."""

    phrase_id: str
    channel: int
    role: Role = Role.UNKNOWN
    start_ms: int
    duration_ms: int
    text: str
    confidence: float
    words: tuple[TranscriptWord, ...] = ()
    engine: str = Field(default="", description="The engine that heard it; empty in transcripts of earlier versions.")


class TranscriptObservation(_Part):
    """A span of one channel of which there is something to tell besides what was said."""

    kind: str = Field(
        description="tone, music, same_on_both_channels, crosstalk_removed, too_quiet; later versions may tell of more."
    )
    channel: int
    start_ms: int
    duration_ms: int

    @classmethod
    def of(cls, observation: Observation) -> "TranscriptObservation":
        """As transcripts have it."""
        return cls.model_validate(observation, from_attributes=True)


class Transcript(_Part):
    """All phrases of a call by one pass, by time and then channel. Times are milliseconds from the start of the audio."""

    call_id: str
    recording_id: str
    locale: str = "en-US"
    duration_ms: int = 0
    damaged_ms: int = 0
    missing_ms: int = 0
    observations: tuple[TranscriptObservation, ...] = ()
    channels: int = 0
    engine: str = ""
    phrases: tuple[TranscriptPhrase, ...] = ()


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a result document. Later versions may add fields."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | Transcript.model_json_schema(mode="serialization")
