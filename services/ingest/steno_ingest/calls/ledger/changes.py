"""What changes in a call by what is told of it. Pure: from a call as it is to the fields that are new."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from steno.events.records import CallChannel, CallEnded, CallStarted, CallStatus
from steno_ingest.calls.ledger.passes import Pass, current_pass
from steno_ingest.calls.ledger.states import may_become
from steno_ingest.calls.ledger.view import CallView, fingerprint
from steno_ingest.errors import CallAlreadyEnded, CallIdInUse, Fault, InvalidMetadata
from steno_ingest.texts import clean

Changes = Mapping[str, Any]


def begun(started: CallStarted, *, door: str, instance: str, paused: bool, at: datetime) -> CallView:
    """A call that is accepted."""
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
    )


def corrected(call: CallView, channels: Sequence[CallChannel], at: datetime) -> Changes:
    """Who speaks on these channels is known better since `at`; of two corrections the later counts, channels not named stay.

    Raises:
        InvalidMetadata: the call has no such channel.
    """
    told = {entry.channel: entry for entry in channels}
    there = {entry.channel for entry in call.channels}
    if faults := [
        Fault(where=f"channels.{place}.channel", problem=f"the call has no channel {entry.channel}")
        for place, entry in enumerate(channels)
        if entry.channel not in there
    ]:
        known = ", ".join(map(str, sorted(there)))
        raise InvalidMetadata(f"{faults[0].problem}; its channels are {known}", faults=faults)
    if call.roles_corrected_at is not None and at <= call.roles_corrected_at:
        return {}
    after = tuple(
        entry if (new := told.get(entry.channel)) is None
        else new.model_copy(update={"participant": new.participant or entry.participant})
        for entry in call.channels
    )  # fmt: skip
    if after == call.channels:
        return {}
    return {"channels": after, "roles_revision": call.roles_revision + 1, "roles_corrected_at": at}


def gated(call: CallView, paused: bool, *, by: str, reason: str) -> Changes:
    """A call's audio is to be dropped from now on, or not any more. Nobody named in `by` is the call's own peer: what somebody
    else closed it does not open, and what it closed itself somebody else may close too."""
    changes = {"paused": paused, "pause_requested_by": clean(by), "pause_reason": clean(reason)}
    if paused:
        return {} if call.paused and (call.pause_requested_by or not by) else changes
    return {} if not call.paused or (call.pause_requested_by and not by) else changes


def ended(call: CallView, end: CallEnded, passes: Iterable[Pass]) -> Changes:
    """The audio of an open call is over, and with it the call, where the live pass is too."""
    known: dict[str, Any] = {
        "state": CallStatus.ENDING if may_become(call.state, CallStatus.ENDING) else call.state,
        "end_position": end.position,
        "complete": end.complete,
        "end_reason": clean(end.reason),
        "end_error": clean(end.error),
        "ended_at": end.ended_at,
    }
    return {**known, **settled(replace(call, **known), passes)}


def settled(call: CallView, passes: Iterable[Pass]) -> Changes:
    """What is known of the passes over a call decides which transcript counts, and the live pass where the call ends.

    Where the transcript overtook the end of the audio, it waits for that: what is shown as over has all that is known of it.
    A call that failed has failed at once.
    """
    known = list(passes)
    changes: dict[str, Any] = {"current_recording_id": current_pass(call.recording_id, known)}
    live = next((entry for entry in known if entry.recording_id == call.recording_id), None)
    over = not call.open or (live is not None and live.state is CallStatus.FAILED)
    if live is not None and over and may_become(call.state, live.state):
        changes |= {"state": live.state, "reason": live.reason, "error": live.error}
    return changes


def gives_way(call: CallView) -> bool:
    """Whether a call gives its id to another one whose start is read on the log: nothing of it is known to stand there."""
    return call.open and call.state is CallStatus.ACTIVE and call.heard_at is None


def in_use(call: CallView) -> CallIdInUse:
    """What is said to whoever brings another call by the id of this one."""
    return CallIdInUse(
        f"the call id {call.call_id} is in use: a call with it began at {call.started_at:%Y-%m-%dT%H:%M:%SZ} "
        f"({call.state.value}); give each call an id of its own",
        about={"state": call.state.value},
    )


def over(call: CallView, wish: str) -> CallAlreadyEnded:
    """What is said to whoever wants something of a call that is over."""
    return CallAlreadyEnded(
        f"the audio of call {call.call_id} is over ({call.state.value}), so it cannot {wish}", about={"state": call.state.value}
    )
