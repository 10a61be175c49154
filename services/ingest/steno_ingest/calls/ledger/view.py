"""A call as read from the ledger, and its records for Kafka. Pure."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from steno.events import ids
from steno.events.properties import within_bounds
from steno.events.recognition import RecognitionDetails
from steno.events.records import AudioCodec, CallChannel, CallStarted, CallState, CallStatus
from steno_ingest.calls.ledger.pauses import GateState


@dataclass(frozen=True, kw_only=True, slots=True)
class CallView:
    """A call and its state."""

    call_id: str
    state: CallStatus
    #: The protocol of its door, or kafka if an upstream system publishes it.
    door: str
    #: The instance that has its connection; empty for a call of an upstream system.
    instance: str
    #: Digest of its CallStarted.
    fingerprint: str
    codec: AudioCodec
    sample_rate: int
    channels: tuple[CallChannel, ...]
    locale: str
    protocol: str
    properties: Mapping[str, str]
    #: Whether it is paused; who requested the last pause or resume by the API, and why (empty if its peer did).
    paused: bool
    pause_requested_by: str
    pause_reason: str
    #: Whether its peer pauses it, alone or together with the service.
    paused_by_peer: bool
    #: Who requested to resume a call that only its peer pauses; empty once the peer was asked.
    resume_asked_by: str
    #: Who requested its end; empty if nobody did. The instance with its connection ends it.
    end_requested_by: str
    roles_revision: int
    roles_corrected_at: datetime | None
    #: Samples of one channel that were read from the call log, and the time of the last update; None before the first record.
    heard_position: int
    heard_at: datetime | None
    #: The end of its audio; None until it has ended.
    end_position: int | None
    complete: bool
    #: How its audio ended, and the error then, if any. For an open call: the end reason if its peer does not return.
    end_reason: str
    end_error: str
    #: Why it failed, for a person and for programs.
    reason: str
    error: str
    #: The id of the pass with the current transcript; empty until a pass is complete.
    current_recording_id: str
    #: The recording made of its audio after its end; empty if there is none.
    audio_recording_id: str
    audio_url: str
    accepted_at: datetime
    started_at: datetime
    ended_at: datetime | None
    updated_at: datetime
    #: Its tenant; empty if it has none.
    tenant: str
    #: The writer in its CallStarted; empty for a call of an upstream system.
    writer: str
    #: Length of its chunks on the log in milliseconds; 0 for a call of an upstream system.
    chunk_ms: int
    #: What its CallStarted asks of the engine.
    recognition: RecognitionDetails

    @property
    def recording_id(self) -> str:
        """The id of the live pass."""
        return ids.live_pass_id(self.call_id)

    @property
    def gate(self) -> GateState:
        """The state of its pause gate."""
        return _gate(self)

    @property
    def open(self) -> bool:
        """Whether its audio has not ended; audio of a failed call may still arrive, too."""
        return self.ended_at is None

    @property
    def heard_ms(self) -> int:
        """Length of the audio received so far, in milliseconds."""
        # The end of a call with a lost peer may be after the last reported position.
        return max(self.heard_position, self.end_position or 0) * 1000 // self.sample_rate


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """The requests for an open call in the ledger."""

    call_id: str
    #: Whether it is paused; who requested that last by the API, and why.
    paused: bool
    pause_requested_by: str
    pause_reason: str
    #: See `CallView`.
    paused_by_peer: bool
    resume_asked_by: str
    #: Who requested its end; empty if nobody did.
    end_requested_by: str

    @property
    def gate(self) -> GateState:
        """The state of its pause gate."""
        return _gate(self)


def _gate(entry: CallView | Standing) -> GateState:
    # Processes of earlier versions write only `paused` and `pause_requested_by`.
    if not entry.paused:
        return GateState.OPEN
    if not entry.pause_requested_by:
        return GateState.BY_PEER
    return GateState.BY_BOTH if entry.paused_by_peer else GateState.BY_SERVICE


def record_of(view: CallView) -> CallState:
    """Makes the record of a call for Kafka."""
    return CallState(
        call_id=view.call_id,
        recording_id=view.recording_id,
        state=view.state,
        paused=view.paused,
        channels=view.channels,
        locale=view.locale,
        protocol=view.protocol,
        properties=within_bounds(view.properties),
        roles_revision=view.roles_revision,
        current_recording_id=view.current_recording_id,
        complete=view.complete,
        reason=view.reason or ("" if view.open else view.end_reason),
        started_at=view.started_at,
        ended_at=view.ended_at,
        updated_at=view.updated_at,
        tenant=view.tenant,
    )


def start_of(view: CallView) -> CallStarted:
    """Makes the start record of a call for its log."""
    return CallStarted(
        call_id=view.call_id,
        codec=view.codec,
        sample_rate=view.sample_rate,
        channels=view.channels,
        locale=view.locale,
        protocol=view.protocol,
        properties=within_bounds(view.properties),
        started_at=view.started_at,
        tenant=view.tenant,
        writer=view.writer,
        recognition=view.recognition,
    )


def fingerprint(started: CallStarted) -> str:
    """Returns the digest of a call's start. It is the same after a round trip through Kafka, and in earlier versions of Steno,
    which had no tenants and writers."""
    left_out = {"started_at"} | {name for name in ("tenant", "writer") if not getattr(started, name)}
    # What is not asked for is left out, so that a version with more options comes to the same.
    asked = started.recognition.model_dump_json(exclude_defaults=True)
    canonical = started.model_copy(update={"properties": dict(sorted(started.properties.items()))})
    text = f"{canonical.started_at.timestamp():.6f} {canonical.model_dump_json(exclude=left_out | {'recognition'})}"
    if asked != "{}":
        text += asked
    return hashlib.sha256(text.encode()).hexdigest()
