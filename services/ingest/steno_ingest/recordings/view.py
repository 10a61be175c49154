"""A recording as the ledger shows it, and the ways in. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from steno.events.records import ChannelRole
from steno_ingest.recordings.states import State


class Door(StrEnum):
    """The way a recording came in."""

    REST = "rest"
    FOLDER = "folder"
    KAFKA = "kafka"
    #: The recording of a live call, submitted for a second pass.
    CALL = "call"


@dataclass(frozen=True, kw_only=True, slots=True)
class RecordingView:
    """A recording and what became of it; what is not known is None."""

    recording_id: str
    call_id: str
    state: State
    door: Door
    #: Empty where a result came before the submission.
    url: str
    #: Empty where only the URL of the audio is known.
    sha256: str
    #: What its submitter calls it; empty where only the URL tells.
    file_name: str
    channels: tuple[ChannelRole, ...]
    locale: str
    properties: Mapping[str, str]
    #: The tenant that owns it; empty: none does.
    tenant: str
    accepted_at: datetime
    #: When it was on Kafka; None while it waits in the outbox.
    published_at: datetime | None
    #: When a transcriber took it up.
    started_at: datetime | None
    ended_at: datetime | None
    #: Why it failed: for a person, and for programs.
    reason: str | None
    error: str | None
    #: The result document; empty or None where there is none.
    result_url: str | None
    phrase_count: int | None
    duration_ms: int | None
    #: How much of it could not be decoded, and for how much the file had no audio.
    damaged_ms: int | None
    missing_ms: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """A state that a recording came to, with what is known since."""

    state: State
    at: datetime
    reason: str | None = None
    error: str | None = None
    result_url: str | None = None
    phrase_count: int | None = None
    duration_ms: int | None = None
    damaged_ms: int | None = None
    missing_ms: int | None = None
