"""The requests and answers of the REST API about live calls, as the OpenAPI document shows them."""

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
    """Where to go from here, as paths."""

    self_: str = Field(alias="self", description="The call.")
    transcript: str = Field(description="Its transcript, also while people speak.")


class CallChannelAnswer(Answer):
    """Who speaks on a channel."""

    channel: int
    role: Role
    participant: str | None = Field(description="Who that is for whoever brought the call.")


class CallAnswer(Answer):
    """A live call and what became of it."""

    call_id: str
    state: CallStatus = Field(
        description="active: people speak; ending: the audio is over, the transcript is not; the others: it has ended."
    )
    paused: bool = Field(description="Whether its audio is to be dropped.")
    tenant: str | None = Field(description="The tenant it belongs to; null: none, and only keys with tenant=* see it.")
    door: str = Field(description="The way it came in: audiohook, twilio, stream, or kafka.")
    protocol: str = Field(description="What its publisher calls that.")
    recording_id: str = Field(description="The id of its live pass, which records of the live transcript carry.")
    current_recording_id: str | None = Field(description="The pass whose transcript counts; none while none is complete.")
    audio_recording_id: str | None = Field(description="The recording made of its audio once that is over, where one is.")
    audio_url: str | None = Field(description="Where that recording is.")
    codec: AudioCodec
    sample_rate: int
    channels: list[CallChannelAnswer]
    roles_revision: int = Field(description="How often the roles were corrected.")
    locale: str
    properties: dict[str, str]
    accepted_at: datetime
    started_at: datetime = Field(description="By the clock of its publisher.")
    ended_at: datetime | None = Field(description="When its audio ended.")
    updated_at: datetime
    heard_ms: int = Field(description="How much of it was heard so far, milliseconds.")
    complete: bool = Field(description="Whether all of its audio came; false while it has not ended.")
    end_reason: str | None = Field(description="How its audio ended: hangup, torn, inactive, ...")
    end_error: str | None = Field(description="What went wrong then.")
    reason: str | None = Field(description="Why it failed, for a person.")
    error: str | None = Field(description="Why it failed, for programs.")
    links: CallLinks


class CallEventAnswer(Answer):
    """Something that happened in a call."""

    kind: str = Field(description="gap_lost, gap_paused, one_way_audio, dtmf, language, tone, music, ...")
    position_ms: int = Field(description="When, in milliseconds of the call's audio.")
    duration_ms: int
    detail: str
    at: datetime = Field(description="When it was noted.")


class CallWithEvents(CallAnswer):
    """A live call, and what happened in it."""

    events: list[CallEventAnswer] = Field(description="By time.")


class CallPage(Answer):
    """Live calls, the newest first."""

    items: list[CallAnswer]
    next: str | None = Field(description="The cursor of the next page; none after the last.")


class PauseRequest(BaseModel):
    """Why a call is paused, or goes on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reason: str = Field(default="", max_length=256, description="Kept with the call's log.")


class PauseAnswer(Answer):
    """What was asked of a call's audio."""

    paused: bool = Field(description="Whether it is to be dropped.")
    in_effect: bool = Field(description="Whether that is so now; false while the process that has the call is being told.")


class RoleOfChannel(BaseModel):
    """Who speaks on a channel."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    channel: Annotated[int, Field(strict=True, ge=0, lt=MOST_CHANNELS, description="Index into the audio, from 0.")]
    role: Role = Field(description="Who speaks on it.")
    participant: Annotated[str, Field(max_length=256)] = Field(default="", description="Who that is; empty: as before.")


def _each_once(channels: list[RoleOfChannel]) -> list[RoleOfChannel]:
    if len({entry.channel for entry in channels}) < len(channels):
        raise ValueError("a channel is given twice; give each channel one role")
    return channels


class RolesRequest(BaseModel):
    """Who speaks on which channels; those left out stay."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    channels: Annotated[list[RoleOfChannel], Field(min_length=1, max_length=MOST_CHANNELS), AfterValidator(_each_once)]

    def corrected(self) -> tuple[CallChannel, ...]:
        """The channels as the records have them."""
        return tuple(
            CallChannel(channel=entry.channel, role=entry.role, participant=entry.participant) for entry in self.channels
        )


def call_answer(call: CallView) -> CallAnswer:
    """A call as an answer."""
    return CallAnswer(**_fields(call))


def call_with_events(call: CallView, events: Sequence[CallEvent]) -> CallWithEvents:
    """A call with its events as an answer."""
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
