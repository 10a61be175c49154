"""The response models of the REST API for recordings and the ledger."""

from datetime import datetime
from typing import Annotated
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field

from steno.events.records import CallStatus, Role
from steno.validation import PRINTABLE
from steno_ingest.balance import LedgerBalance
from steno_ingest.recordings.states import State
from steno_ingest.recordings.view import Door, RecordingView

Identifier = Annotated[str, Field(min_length=1, max_length=256, pattern=PRINTABLE)]


class Answer(BaseModel):
    """The base class of response models."""

    model_config = ConfigDict(frozen=True)


class Links(Answer):
    """Paths of related resources."""

    self_: str = Field(alias="self", description="The recording.")
    transcript: str = Field(description="Its transcript.")
    cancel: str = Field(description="POST to this path to cancel it.")


class AcceptedRecording(Answer):
    """A recording that was accepted."""

    recording_id: str
    call_id: str
    state: State
    links: Links


class ChannelAnswer(Answer):
    """Who speaks on a channel."""

    channel: int
    role: Role


class RecordingAnswer(AcceptedRecording):
    """A recording and its state."""

    tenant: str | None = Field(description="The tenant it belongs to; null: none, and only keys with tenant=* see it.")
    door: Door = Field(description="The way it came in.")
    url: str | None = Field(description="The URL of its audio.")
    file_name: str | None = Field(description="The name of its file, if it was uploaded or put into the watched folder.")
    channels: list[ChannelAnswer]
    locale: str
    properties: dict[str, str]
    accepted_at: datetime
    started_at: datetime | None = Field(description="When a transcriber started it.")
    ended_at: datetime | None
    reason: str | None = Field(description="Why it failed, for a person.")
    error: str | None = Field(description="Why it failed, for programs.")
    phrase_count: int | None
    duration_ms: int | None = Field(description="Length of the audio, milliseconds.")
    damaged_ms: int | None = Field(description="Milliseconds that could not be decoded and were replaced with silence.")
    missing_ms: int | None = Field(description="Milliseconds that are missing in the file and were replaced with silence.")


class RecordingPage(Answer):
    """Recordings, the newest first."""

    items: list[RecordingAnswer]
    next: str | None = Field(description="The cursor of the next page; none after the last.")


class CallsLedgerAnswer(Answer):
    """The number of accepted live calls, in total and by state."""

    accepted: int = Field(description="All ever accepted.")
    active: int
    ending: int
    completed: int
    no_speech: int
    failed: int


class LedgerAnswer(Answer):
    """The numbers of accepted recordings and live calls, in total and by state."""

    accepted: int = Field(description="All ever accepted.")
    in_progress: int = Field(description="Accepted or running.")
    completed: int
    no_speech: int
    failed: int
    cancelled: int
    calls: CallsLedgerAnswer
    balanced: bool = Field(
        description="Whether all counts agree: no accepted recording or call is missing, in two states, or will never be "
        "published."
    )


def accepted_answer(recording: RecordingView) -> AcceptedRecording:
    """Converts a recording to the response to its submission."""
    return AcceptedRecording(
        recording_id=recording.recording_id,
        call_id=recording.call_id,
        state=recording.state,
        links=_links(recording.recording_id),
    )


def recording_answer(recording: RecordingView) -> RecordingAnswer:
    """Converts a recording to a response."""
    return RecordingAnswer(
        recording_id=recording.recording_id,
        call_id=recording.call_id,
        state=recording.state,
        links=_links(recording.recording_id),
        tenant=recording.tenant or None,
        door=recording.door,
        url=recording.url or None,
        file_name=recording.file_name or None,
        channels=[ChannelAnswer(channel=entry.channel, role=entry.role) for entry in recording.channels],
        locale=recording.locale,
        properties=dict(recording.properties),
        accepted_at=recording.accepted_at,
        started_at=recording.started_at,
        ended_at=recording.ended_at,
        reason=recording.reason,
        error=recording.error,
        phrase_count=recording.phrase_count,
        duration_ms=recording.duration_ms,
        damaged_ms=recording.damaged_ms,
        missing_ms=recording.missing_ms,
    )


def ledger_answer(balance: LedgerBalance) -> LedgerAnswer:
    """Converts the counts of the ledger to a response."""
    recordings, calls = balance.recordings.rows.get, balance.calls.rows.get
    return LedgerAnswer(
        accepted=balance.recordings.accepted,
        in_progress=recordings(State.ACCEPTED, 0) + recordings(State.RUNNING, 0),
        completed=recordings(State.COMPLETED, 0),
        no_speech=recordings(State.NO_SPEECH, 0),
        failed=recordings(State.FAILED, 0),
        cancelled=recordings(State.CANCELLED, 0),
        calls=CallsLedgerAnswer(accepted=balance.calls.accepted, **{state.value: calls(state, 0) for state in CallStatus}),
        balanced=balance.balanced,
    )


def location(recording_id: str) -> str:
    """Returns the path of a recording."""
    return f"/v1/recordings/{quote(recording_id, safe='')}"


def _links(recording_id: str) -> Links:
    path = location(recording_id)
    return Links(self=path, transcript=f"{path}/transcript", cancel=f"{path}/cancel")
