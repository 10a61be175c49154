"""The passes over a call, and the rule which transcript counts (decision 0007). Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from steno.events import ids
from steno.events.records import CallStatus, TranscriptCompleted, TranscriptFailed


@dataclass(frozen=True, kw_only=True, slots=True)
class Pass:
    """What became of one pass over a call; only what completed or failed is one."""

    call_id: str
    recording_id: str
    #: completed, no_speech or failed.
    state: CallStatus
    at: datetime
    supersedes: str = ""
    result_url: str = ""
    phrase_count: int = 0
    duration_ms: int = 0
    engine: str = ""
    reason: str = ""
    error: str = ""


def pass_of(record: TranscriptCompleted | TranscriptFailed) -> Pass | None:
    """The pass that a record ends; None where that is of no consequence for a call: a recording that takes nobody's place."""
    if isinstance(record, TranscriptFailed):
        if not is_live(record):
            return None
        return Pass(
            call_id=record.call_id,
            recording_id=record.recording_id,
            state=CallStatus.FAILED,
            at=record.failed_at,
            reason=record.reason,
            error=record.error,
        )
    if not is_live(record) and not record.supersedes:
        return None
    return Pass(
        call_id=record.call_id,
        recording_id=record.recording_id,
        state=CallStatus.COMPLETED if record.phrase_count else CallStatus.NO_SPEECH,
        at=record.completed_at,
        supersedes=record.supersedes,
        result_url=record.result_url,
        phrase_count=record.phrase_count,
        duration_ms=record.duration_ms,
        engine=record.engine,
    )


class OfPass(Protocol):
    """A record of a pass over a call."""

    @property
    def call_id(self) -> str: ...
    @property
    def recording_id(self) -> str: ...


def is_live(record: OfPass) -> bool:
    """Whether a record is of the live pass over its call."""
    return record.recording_id == ids.live_pass_id(record.call_id)


class Outcome(Protocol):
    """What the rule needs to know of a pass."""

    @property
    def recording_id(self) -> str: ...
    @property
    def supersedes(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def at(self) -> datetime: ...


def current_pass(live_pass_id: str, passes: Iterable[Outcome]) -> str:
    """The pass whose transcript counts; empty while none is complete.

    It begins with the live pass, and whatever completed pass names the current one in `supersedes` takes its place; of several,
    the one that completed last. The order in which they became known plays no part.
    """
    completed = {entry.recording_id: entry for entry in passes if entry.state != CallStatus.FAILED}
    current, seen = live_pass_id, {live_pass_id}
    while successors := [
        entry for entry in completed.values() if entry.supersedes == current and entry.recording_id not in seen
    ]:
        current = max(successors, key=lambda entry: (entry.at, entry.recording_id)).recording_id
        seen.add(current)
    return current if current in completed else ""
