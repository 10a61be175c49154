"""Makes webhook events of records: a short JSON body with ids and links instead of transcripts. Pure.

Only `phrase.final` has text that was said; it goes only to webhooks that name it.

Source: Standard Webhooks, "Payload structure" and "Payload size" (under 20 kB).
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from steno.events import ids
from steno.events.records import (
    CallState,
    CallStatus,
    CallSummary,
    Phrase,
    Record,
    TranscriptCompleted,
    TranscriptFailed,
)
from steno.events.webhook_events import EventType

MAX_BODY_BYTES = 20_000
# What is left out first where a body would be too big; none of it is needed to find the call again.
_EXPENDABLE = ("properties", "key_phrases", "reason", "speakers", "channels", "text", "error", "engine", "locale", "protocol")


@dataclass(frozen=True, kw_only=True, slots=True)
class OutgoingEvent:
    """A webhook event; its id and body are the same for every webhook and every attempt."""

    event_id: str
    type: EventType
    call_id: str
    recording_id: str
    occurred_at: datetime
    body: str
    #: Its tenant; empty: it belongs to none.
    tenant: str


def make_outgoing_event(record: Record, written_at: datetime, *, public_url: str = "") -> OutgoingEvent | None:
    """Makes the webhook event of a record; None where it has none.

    Args:
        written_at: when the record was written; the time of events without their own.
        public_url: the public URL of ingest, for links.
    """
    match record:
        case CallState():
            return _call(record, public_url)
        case Phrase():
            return _phrase(record, written_at) if is_outgoing(record) else None
        case TranscriptCompleted():
            data = _pass(record) | {"state": record.outcome, "transcript_url": _transcript_url(record, public_url)}
            names = ("supersedes", "phrase_count", "channel_count", "duration_ms", "damaged_ms", "missing_ms", "engine")
            data |= _fields(record, *names, "locale", "properties")
            return _event(EventType.TRANSCRIPT_COMPLETED, record, record.completed_at, data)
        case TranscriptFailed():
            data = _pass(record) | {"state": "failed"} | _fields(record, "error", "reason", "properties")
            return _event(EventType.TRANSCRIPT_FAILED, record, record.failed_at, data)
        case CallSummary():
            names = ("phrase_count", "duration_ms", "silence_ms", "overlap_ms", "speakers", "key_phrases", "properties")
            data = _fields(record, "summary_id", "revision", "supersedes", *names)
            subject = _revised(record.recording_id, record.revision)
            return _event(EventType.CALL_SUMMARISED, record, record.summarised_at, data, subject=subject)
        case _:
            return None


def is_outgoing(phrase: Phrase) -> bool:
    """Whether a phrase makes an event: only one of a live call does; those of a recording come with its transcript."""
    return ids.is_live_pass(phrase.call_id, phrase.recording_id)


def _call(state: CallState, public_url: str) -> OutgoingEvent:
    """Makes `call.started` of an active state, `call.ended` of a later one; the event id is the same for each such state."""
    data = {"call_url": f"{public_url.rstrip('/')}/v1/calls/{quote(state.call_id, safe='')}"}
    if state.state is CallStatus.ACTIVE:
        data |= _fields(state, "protocol", "locale", "channels", "properties")
        return _event(EventType.CALL_STARTED, state, state.started_at, data)
    data |= _fields(state, "complete", "reason", "started_at", "properties")
    return _event(EventType.CALL_ENDED, state, state.ended_at or state.updated_at, data)


def _phrase(phrase: Phrase, written_at: datetime) -> OutgoingEvent:
    names = ("phrase_id", "sequence", "revision", "channel", "role", "start_ms", "duration_ms", "text", "confidence", "locale")
    subject = _revised(phrase.phrase_id, phrase.revision)
    return _event(EventType.PHRASE_FINAL, phrase, written_at, _fields(phrase, *names), subject=subject)


def _pass(record: TranscriptCompleted | TranscriptFailed) -> dict[str, str]:
    return {"pass": "live" if ids.is_live_pass(record.call_id, record.recording_id) else "recording"}


def _transcript_url(record: TranscriptCompleted, public_url: str) -> str:
    if ids.is_live_pass(record.call_id, record.recording_id):
        path = f"/v1/calls/{quote(record.call_id, safe='')}/transcript?pass=live"
    else:
        path = f"/v1/recordings/{record.recording_id}/transcript"
    return public_url.rstrip("/") + path


def _revised(subject: str, revision: int) -> str:
    """The subject of an event, from which its id is computed; each revision makes its own event."""
    return f"{subject}#{revision}" if revision else subject


def _fields(record: Record, *names: str) -> dict[str, Any]:
    return record.model_dump(mode="json", include=set(names))


def _event(
    type_: EventType,
    record: CallState | Phrase | TranscriptCompleted | TranscriptFailed | CallSummary,
    occurred_at: datetime,
    data: dict[str, Any],
    *,
    subject: str = "",
) -> OutgoingEvent:
    return OutgoingEvent(
        event_id=ids.event_id(type_, subject or record.recording_id),
        type=type_,
        call_id=record.call_id,
        recording_id=record.recording_id,
        occurred_at=occurred_at.astimezone(UTC),
        body=_body(type_, occurred_at, {"call_id": record.call_id, "recording_id": record.recording_id} | data),
        tenant=record.tenant,
    )


def _body(type_: EventType, occurred_at: datetime, data: dict[str, Any]) -> str:
    """The JSON body; where it would be too large, the largest fields are left out and named in `data.omitted`."""
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
