"""The passes over a call (each a transcript by one engine), and the rule which one is current (decision 0007). Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from steno.events import ids
from steno.events.records import CallStatus, TranscriptCompleted, TranscriptFailed
from steno.events.result_document import TranscriptObservation
from steno_ingest.nul_characters import without_nul


@dataclass(frozen=True, kw_only=True, slots=True)
class Pass:
    """A completed or failed pass over a call."""

    call_id: str
    recording_id: str
    #: completed, no_speech or failed.
    state: CallStatus
    at: datetime
    supersedes: str = ""
    result_url: str = ""
    phrase_count: int = 0
    duration_ms: int = 0
    observations: tuple[TranscriptObservation, ...] = ()
    engine: str = ""
    reason: str = ""
    error: str = ""
    #: Its tenant; None in rows of earlier versions of Steno.
    tenant: str | None = None


def pass_of(record: TranscriptCompleted | TranscriptFailed) -> Pass | None:
    """Converts a record to a pass; returns None for a recording that supersedes no pass, which does not concern a call."""
    live = ids.is_live_pass(record.call_id, record.recording_id)
    if isinstance(record, TranscriptFailed):
        if not live:
            return None
        return Pass(
            call_id=record.call_id,
            recording_id=record.recording_id,
            state=CallStatus.FAILED,
            at=record.failed_at,
            reason=without_nul(record.reason),
            error=without_nul(record.error),
            tenant=record.tenant,
        )
    if not live and not record.supersedes:
        return None
    return Pass(
        call_id=record.call_id,
        recording_id=record.recording_id,
        state=CallStatus(record.outcome),
        at=record.completed_at,
        supersedes=record.supersedes,
        result_url=without_nul(record.result_url),
        phrase_count=record.phrase_count,
        duration_ms=record.duration_ms,
        observations=tuple(TranscriptObservation.of(observation) for observation in record.observations),
        engine=without_nul(record.engine),
        tenant=record.tenant,
    )


def current_pass(live_pass_id: str, passes: Iterable[Pass]) -> str:
    """Returns the id of the pass with the current transcript; empty if none is complete.

    At first that is the live pass. A completed pass that names the current one in `supersedes` replaces it; of several, the one
    that completed last. The order in which they arrive does not matter.
    """
    completed = {entry.recording_id: entry for entry in passes if entry.state is not CallStatus.FAILED}
    current, passed = live_pass_id, {live_pass_id}
    while successors := [
        entry for entry in completed.values() if entry.supersedes == current and entry.recording_id not in passed
    ]:
        current = max(successors, key=lambda entry: (entry.at, entry.recording_id)).recording_id
        passed.add(current)
    return current if current in completed else ""
