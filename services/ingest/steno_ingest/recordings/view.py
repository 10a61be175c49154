"""A recording as read from the ledger, its doors, and its steps. Pure."""

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
    """A recording and its state; unknown values are None."""

    recording_id: str
    call_id: str
    state: State
    door: Door
    #: Empty if a result came before the submission.
    url: str
    #: Empty if only the URL of the audio is known.
    sha256: str
    #: The name of its file; empty if it is known by URL only.
    file_name: str
    channels: tuple[ChannelRole, ...]
    locale: str
    properties: Mapping[str, str]
    #: Its tenant; empty if it has none.
    tenant: str
    accepted_at: datetime
    #: When it was published on Kafka; None while it is in the outbox.
    published_at: datetime | None
    #: When a transcriber started it.
    started_at: datetime | None
    ended_at: datetime | None
    #: Why it failed, for a person and for programs.
    reason: str | None
    error: str | None
    #: The URL of the result document; empty or None if there is none.
    result_url: str | None
    phrase_count: int | None
    duration_ms: int | None
    #: Length of the audio that could not be decoded, and that is missing in the file.
    damaged_ms: int | None
    missing_ms: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """A transition of a recording to a state, with the values that are known since then."""

    state: State
    at: datetime
    reason: str | None = None
    error: str | None = None
    result_url: str | None = None
    phrase_count: int | None = None
    duration_ms: int | None = None
    damaged_ms: int | None = None
    missing_ms: int | None = None
