"""What the outside is told: records become events with a thin JSON body, ids and links rather than what was said.

Source: Standard Webhooks, "Payload structure" and "Payload size" (under 20 kB).
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from steno.events import ids
from steno.events.records import CallSummary, Record, TranscriptCompleted, TranscriptFailed

MAX_BODY_BYTES = 20_000
# What is left out first where a body would be too big; none of it is needed to find the call again.
_EXPENDABLE = ("properties", "key_phrases", "reason", "speakers")


class EventType(StrEnum):
    """What a webhook can be told."""

    TRANSCRIPT_COMPLETED = "transcript.completed"
    TRANSCRIPT_FAILED = "transcript.failed"
    CALL_SUMMARISED = "call.summarised"


@dataclass(frozen=True, kw_only=True, slots=True)
class OutgoingEvent:
    """One event for the outside; its id and body are the same for every webhook and every attempt."""

    event_id: str
    type: EventType
    call_id: str
    recording_id: str
    occurred_at: datetime
    body: str


def outgoing(record: Record, *, public_url: str = "") -> OutgoingEvent | None:
    """The event that a record means to the outside, or None where it means none.

    Args:
        public_url: where users reach ingest, put in front of links.
    """
    match record:
        case TranscriptCompleted():
            state = "completed" if record.phrase_count else "no_speech"
            link = f"{public_url.rstrip('/')}/v1/recordings/{record.recording_id}/transcript"
            data = {"state": state, "transcript_url": link}
            data |= _fields(record, "phrase_count", "channel_count", "duration_ms", "engine", "locale", "properties")
            return _event(EventType.TRANSCRIPT_COMPLETED, record, record.completed_at, data)
        case TranscriptFailed():
            data = {"state": "failed"} | _fields(record, "error", "reason", "properties")
            return _event(EventType.TRANSCRIPT_FAILED, record, record.failed_at, data)
        case CallSummary():
            names = ("phrase_count", "duration_ms", "silence_ms", "overlap_ms", "speakers", "key_phrases", "properties")
            data = _fields(record, "summary_id", *names)
            return _event(EventType.CALL_SUMMARISED, record, record.summarised_at, data)
        case _:
            return None


def _fields(record: Record, *names: str) -> dict[str, Any]:
    return record.model_dump(mode="json", include=set(names))


def _event(
    type_: EventType,
    record: TranscriptCompleted | TranscriptFailed | CallSummary,
    occurred_at: datetime,
    data: dict[str, Any],
) -> OutgoingEvent:
    return OutgoingEvent(
        event_id=ids.event_id(type_, record.recording_id),
        type=type_,
        call_id=record.call_id,
        recording_id=record.recording_id,
        occurred_at=occurred_at.astimezone(UTC),
        body=_body(type_, occurred_at, {"call_id": record.call_id, "recording_id": record.recording_id} | data),
    )


def _body(type_: EventType, occurred_at: datetime, data: dict[str, Any]) -> str:
    """The JSON text, with the bulkiest fields left out (and named in `data.omitted`) where it would be too big."""
    timestamp = occurred_at.astimezone(UTC).isoformat().replace("+00:00", "Z")
    omitted: list[str] = []
    for expendable in (None, *_EXPENDABLE):
        if expendable is not None and expendable in data:
            omitted.append(expendable)
            data = {name: value for name, value in data.items() if name != expendable} | {"omitted": omitted}
        body = json.dumps({"type": type_, "timestamp": timestamp, "data": data}, ensure_ascii=False, separators=(",", ":"))
        if len(body.encode("utf-8")) < MAX_BODY_BYTES:
            break
    return body
