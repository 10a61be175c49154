"""The request and response models of the REST API for live calls."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import quote

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from steno.events.records import AudioCodec, CallChannel, CallStatus, Role
from steno_ingest.calls.ledger.queries import CallEvent
from steno_ingest.calls.ledger.view import CallView
from steno_ingest.rest.models import Answer

MOST_CHANNELS = 8


class CallLinks(Answer):
    """Paths of related resources."""

    self_: str = Field(alias="self", description="The call.")
    transcript: str = Field(description="Its transcript, also during the call.")


class CallChannelAnswer(Answer):
    """Who speaks on a channel."""

    channel: int
    role: Role
    participant: str | None = Field(description="The name of the participant in the system that published the call.")


class CallAnswer(Answer):
    """A live call and its state."""

    call_id: str
    state: CallStatus = Field(
        description="active: audio arrives; ending: the audio has ended, the transcript is not complete; others: it has ended."
    )
    paused: bool = Field(description="Whether it is paused, so that its audio is dropped.")
    tenant: str | None = Field(description="The tenant it belongs to; null: none, and only keys with tenant=* see it.")
    door: str = Field(description="The way it came in: audiohook, twilio, stream, or kafka.")
    protocol: str = Field(description="The protocol by which it came in, e.g. audiohook, or the name that its publisher gave.")
    recording_id: str = Field(description="The id of its live pass, which the records of the live transcript have.")
    current_recording_id: str | None = Field(
        description="The id of the pass with the current transcript; null until a pass is complete."
    )
    audio_recording_id: str | None = Field(description="The recording made of its audio after its end, if there is one.")
    audio_url: str | None = Field(description="The URL of that recording.")
    codec: AudioCodec
    sample_rate: int
    channels: list[CallChannelAnswer]
    roles_revision: int = Field(description="How often the roles were corrected.")
    locale: str
    properties: dict[str, str]
    accepted_at: datetime
    started_at: datetime = Field(description="Start time by the clock of its publisher.")
    ended_at: datetime | None = Field(description="When its audio ended.")
    updated_at: datetime
    heard_ms: int = Field(description="Length of the audio received so far, in milliseconds.")
    complete: bool = Field(description="Whether all of its audio was received; false until it has ended.")
    end_reason: str | None = Field(description="How its audio ended: hangup, torn, inactive, ...")
    end_error: str | None = Field(description="The error with which it ended, if any.")
    reason: str | None = Field(description="Why it failed, for a person.")
    error: str | None = Field(description="Why it failed, for programs.")
    links: CallLinks


class CallEventAnswer(Answer):
    """Something that happened in a call."""

    kind: str = Field(description="Kind of event: gap_lost, gap_paused, one_way_audio, dtmf, language, tone, music, ...")
    position_ms: int = Field(description="Position in the call's audio, in milliseconds.")
    duration_ms: int
    detail: str
    at: datetime = Field(description="When it was recorded.")


class CallWithEvents(CallAnswer):
    """A live call with its events."""

    events: list[CallEventAnswer] = Field(description="By time.")


class CallPage(Answer):
    """Live calls, the newest first."""

    items: list[CallAnswer]
    next: str | None = Field(description="The cursor of the next page; none after the last.")


class PauseRequest(BaseModel):
    """The reason for a pause or resume."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reason: str = Field(default="", max_length=256, description="The reason, kept with the events of the call.")


class PauseAnswer(Answer):
    """The result of a pause or resume."""

    paused: bool = Field(description="Whether the call is to be paused.")
    in_effect: bool = Field(description="Whether that is in effect; false until the process that has the call has applied it.")


class RoleOfChannel(BaseModel):
    """Who speaks on a channel."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    channel: Annotated[int, Field(strict=True, ge=0, lt=MOST_CHANNELS, description="Index into the audio, from 0.")]
    role: Role = Field(description="Who speaks on it.")
    participant: Annotated[str, Field(max_length=256)] = Field(
        default="", description="Name of the participant; empty: unchanged."
    )


def _each_once(channels: list[RoleOfChannel]) -> list[RoleOfChannel]:
    if len({entry.channel for entry in channels}) < len(channels):
        raise ValueError("a channel is given twice; give each channel one role")
    return channels


class RolesRequest(BaseModel):
    """The roles of channels; omitted channels are unchanged."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    channels: Annotated[list[RoleOfChannel], Field(min_length=1, max_length=MOST_CHANNELS), AfterValidator(_each_once)]

    def corrected(self) -> tuple[CallChannel, ...]:
        """Converts the channels to those of records."""
        return tuple(
            CallChannel(channel=entry.channel, role=entry.role, participant=entry.participant) for entry in self.channels
        )


def call_answer(call: CallView) -> CallAnswer:
    """Converts a call to a response."""
    return CallAnswer(**_fields(call))


def call_with_events(call: CallView, events: Sequence[CallEvent]) -> CallWithEvents:
    """Converts a call with its events to a response."""
    return CallWithEvents(**_fields(call), events=[CallEventAnswer(**asdict(event)) for event in events])


def _fields(call: CallView) -> dict[str, Any]:
    path = f"/v1/calls/{quote(call.call_id, safe='')}"
    return {
        "call_id": call.call_id,
        "state": call.state,
        "paused": call.paused,
        "tenant": call.tenant or None,
        "door": call.door,
        "protocol": call.protocol,
        "recording_id": call.recording_id,
        "current_recording_id": call.current_recording_id or None,
        "audio_recording_id": call.audio_recording_id or None,
        "audio_url": call.audio_url or None,
        "codec": call.codec,
        "sample_rate": call.sample_rate,
        "channels": [
            CallChannelAnswer(channel=entry.channel, role=entry.role, participant=entry.participant or None)
            for entry in call.channels
        ],
        "roles_revision": call.roles_revision,
        "locale": call.locale,
        "properties": dict(call.properties),
        "accepted_at": call.accepted_at,
        "started_at": call.started_at,
        "ended_at": call.ended_at,
        "updated_at": call.updated_at,
        "heard_ms": call.heard_ms,
        "complete": call.complete,
        "end_reason": None if call.open else call.end_reason or None,
        "end_error": call.end_error or None,
        "reason": call.reason or None,
        "error": call.error or None,
        "links": CallLinks(self=path, transcript=f"{path}/transcript"),
    }
