"""A call as the ledger knows it, and the records about it for Kafka. Pure."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from steno.events import ids
from steno.events.properties import within_bounds
from steno.events.records import AudioCodec, CallChannel, CallStarted, CallState, CallStatus
from steno_ingest.calls.ledger.pauses import GateState


@dataclass(frozen=True, kw_only=True, slots=True)
class CallView:
    """A call as it is now."""

    call_id: str
    state: CallStatus
    #: The protocol of the door it came in by; kafka where an upstream system publishes it.
    door: str
    #: The instance that has its socket; empty where none of ours has.
    instance: str
    #: Digest of its CallStarted.
    fingerprint: str
    codec: AudioCodec
    sample_rate: int
    channels: tuple[CallChannel, ...]
    locale: str
    protocol: str
    properties: Mapping[str, str]
    #: Whether its audio is to be dropped; who asked by the API to pause or to go on last, and why: nobody where its peer did.
    paused: bool
    pause_requested_by: str
    pause_reason: str
    #: Whether its peer pauses it beside whoever asked.
    paused_by_peer: bool
    #: Who asked by the API to go on where only the peer pauses it; empty once the peer was asked.
    resume_asked_by: str
    #: Who asked for its end; empty where nobody did. Whoever has the socket ends it.
    end_requested_by: str
    roles_revision: int
    roles_corrected_at: datetime | None
    #: Samples of one channel that the call log has heard, and when it last said so; None: the call is not known to be on it.
    heard_position: int
    heard_at: datetime | None
    #: Where its audio ended; None while it has not.
    end_position: int | None
    complete: bool
    #: How its audio ended, and what went wrong then. Of an open call: how it ends if its peer does not come back.
    end_reason: str
    end_error: str
    #: Why it failed: for a person, and for programs.
    reason: str
    error: str
    #: The pass whose transcript counts now; empty while none is complete.
    current_recording_id: str
    #: The recording made of its audio once that was over; empty while there is none.
    audio_recording_id: str
    audio_url: str
    accepted_at: datetime
    started_at: datetime
    ended_at: datetime | None
    updated_at: datetime
    #: Its tenant; empty: it belongs to none.
    tenant: str
    #: Of its CallStarted; empty where it is published on Kafka.
    writer: str
    #: Length of its chunks on the log, milliseconds; 0 where no door of ours cuts them.
    chunk_ms: int

    @property
    def recording_id(self) -> str:
        """The id of the live pass."""
        return ids.live_pass_id(self.call_id)

    @property
    def gate(self) -> GateState:
        """Who pauses it."""
        return _gate(self)

    @property
    def open(self) -> bool:
        """Whether audio may still come: that of a call which has failed already does, until its end."""
        return self.ended_at is None

    @property
    def heard_ms(self) -> int:
        """How much of the call was heard so far, milliseconds."""
        # An end that was put there for a lost peer stands behind what was known to be heard by then.
        return max(self.heard_position, self.end_position or 0) * 1000 // self.sample_rate


@dataclass(frozen=True, kw_only=True, slots=True)
class Standing:
    """What others ask of a call whose audio comes in."""

    call_id: str
    #: Whether its audio is to be dropped; who said so last, where that was not its own peer, and why.
    paused: bool
    pause_requested_by: str
    pause_reason: str
    #: As in `CallView`.
    paused_by_peer: bool
    resume_asked_by: str
    #: Who asked for its end; empty where nobody did.
    end_requested_by: str

    @property
    def gate(self) -> GateState:
        """Who pauses it."""
        return _gate(self)


def _gate(entry: CallView | Standing) -> GateState:
    # Processes of earlier versions write only `paused` and `pause_requested_by`.
    if not entry.paused:
        return GateState.OPEN
    if not entry.pause_requested_by:
        return GateState.BY_PEER
    return GateState.BY_BOTH if entry.paused_by_peer else GateState.BY_SERVICE


def record_of(view: CallView) -> CallState:
    """What Kafka is told of a call."""
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
    """How a call began, as its log is told."""
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
    )


def fingerprint(started: CallStarted) -> str:
    """The digest of a call's start, the same after a way through Kafka, and as it was before calls had tenants and writers."""
    left_out = {"started_at"} | {name for name in ("tenant", "writer") if not getattr(started, name)}
    canonical = started.model_copy(update={"properties": dict(sorted(started.properties.items()))})
    text = f"{canonical.started_at.timestamp():.6f} {canonical.model_dump_json(exclude=left_out)}"
    return hashlib.sha256(text.encode()).hexdigest()
