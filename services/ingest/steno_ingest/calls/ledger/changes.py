"""Decides the changes of a call: each function returns the changed fields. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from steno.events.records import CallChannel, CallEnded, CallStarted, CallStatus
from steno_ingest.calls.ledger.passes import Pass, current_pass
from steno_ingest.calls.ledger.pauses import PAUSES, RESUMES, TRANSITIONS, GateInput, GateState, Holder
from steno_ingest.calls.ledger.states import may_become
from steno_ingest.calls.ledger.view import CallView, fingerprint
from steno_ingest.errors import CallAlreadyEnded, CallIdInUse, Fault, InvalidMetadata
from steno_ingest.nul_characters import without_nul

Changes = Mapping[str, Any]


def new_call(started: CallStarted, *, door: str, instance: str, paused: bool, chunk_ms: int, at: datetime) -> CallView:
    """Makes a call that was just accepted."""
    return CallView(
        call_id=started.call_id,
        state=CallStatus.ACTIVE,
        door=door,
        instance=instance,
        fingerprint=fingerprint(started),
        codec=started.codec,
        sample_rate=started.sample_rate,
        channels=started.channels,
        locale=started.locale,
        protocol=started.protocol,
        properties=started.properties,
        paused=paused,
        pause_requested_by="",
        pause_reason="",
        paused_by_peer=paused,
        resume_asked_by="",
        end_requested_by="",
        roles_revision=0,
        roles_corrected_at=None,
        heard_position=0,
        heard_at=None,
        end_position=None,
        complete=False,
        end_reason="",
        end_error="",
        reason="",
        error="",
        current_recording_id="",
        audio_recording_id="",
        audio_url="",
        accepted_at=at,
        started_at=started.started_at,
        ended_at=None,
        updated_at=at,
        tenant=started.tenant,
        writer=started.writer,
        chunk_ms=chunk_ms,
        recognition=started.recognition,
    )


def correct_roles(call: CallView, channels: Sequence[CallChannel], at: datetime) -> Changes:
    """Corrects the roles of channels; others are unchanged. The correction with the later time wins.

    Raises:
        InvalidMetadata: the call has no such channel.
    """
    corrected = {entry.channel: entry for entry in channels}
    existing = {entry.channel for entry in call.channels}
    if faults := [
        Fault(where=f"channels.{index}.channel", problem=f"the call has no channel {entry.channel}")
        for index, entry in enumerate(channels)
        if entry.channel not in existing
    ]:
        known = ", ".join(map(str, sorted(existing)))
        raise InvalidMetadata(f"{faults[0].problem}; its channels are {known}", faults=faults)
    if call.roles_corrected_at is not None and at <= call.roles_corrected_at:
        return {}
    after = tuple(
        entry if (new := corrected.get(entry.channel)) is None
        else new.model_copy(update={"participant": new.participant or entry.participant})
        for entry in call.channels
    )  # fmt: skip
    if after == call.channels:
        return {}
    return {"channels": after, "roles_revision": call.roles_revision + 1, "roles_corrected_at": at}


def set_paused(call: CallView, paused: bool, *, by: str, reason: str) -> Changes:
    """Pauses or resumes a call by the rule in `pauses`. With an empty `by` the peer does so, otherwise the service."""
    change = (PAUSES if paused else RESUMES)[Holder.SERVICE if by else Holder.PEER]
    before, to = call.gate, TRANSITIONS[call.gate][change].to
    changes = {"paused": to is not GateState.OPEN, "paused_by_peer": to.by_peer, "resume_asked_by": ""}
    if change is GateInput.SERVICE_RESUMES and before is GateState.BY_PEER:
        # The process that has the peer asks it to resume.
        return {**changes, "resume_asked_by": without_nul(by)}
    if to is before or (before.by_service and to.by_service):
        # The first requester and reason stay.
        return changes
    if to is GateState.BY_PEER:
        by = reason = ""
    return {**changes, "pause_requested_by": without_nul(by), "pause_reason": without_nul(reason)}


def end_audio(call: CallView, end: CallEnded, passes: Iterable[Pass]) -> Changes:
    """Ends the audio of an open call, and the call with it if its live pass has ended."""
    known: dict[str, Any] = {
        "state": CallStatus.ENDING if may_become(call.state, CallStatus.ENDING) else call.state,
        "end_position": end.position,
        "complete": end.complete,
        "end_reason": without_nul(end.reason),
        "end_error": without_nul(end.error),
        "ended_at": end.ended_at,
    }
    return {**known, **apply_passes(replace(call, **known), passes)}


def apply_passes(call: CallView, passes: Iterable[Pass]) -> Changes:
    """Decides by the passes over a call which transcript is current, and whether the call has ended.

    A live pass that completes before the end of the audio is known does not end the call yet; one that fails ends it
    immediately.
    """
    known = list(passes)
    changes: dict[str, Any] = {"current_recording_id": current_pass(call.recording_id, known)}
    live = next((entry for entry in known if entry.recording_id == call.recording_id), None)
    over = not call.open or (live is not None and live.state is CallStatus.FAILED)
    if live is not None and over and may_become(call.state, live.state):
        changes |= {"state": live.state, "reason": live.reason, "error": live.error}
    return changes


def gives_way(call: CallView) -> bool:
    """Whether a call loses its id to another one whose start is on the log, because no record of it was read there yet."""
    return call.open and call.state is CallStatus.ACTIVE and call.heard_at is None


def id_in_use(call: CallView) -> CallIdInUse:
    """Makes the error for another call with the id of a call."""
    return CallIdInUse(
        f"the call id {call.call_id} is in use: a call with it began at {call.started_at:%Y-%m-%dT%H:%M:%SZ} "
        f"({call.state.value}); give each call its own id",
        about={"state": call.state.value},
    )


def already_ended(call: CallView, change: str) -> CallAlreadyEnded:
    """Makes the error for a request about a call whose audio has ended."""
    return CallAlreadyEnded(
        f"the audio of call {call.call_id} has ended ({call.state.value}), so it cannot {change}",
        about={"state": call.state.value},
    )
