"""The life of a call as a list of events in the order of time, without what was said. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from steno.events.catalogue import DEAD_LETTERS
from steno.events.records import (
    AudioChunk,
    CallCheckpoint,
    CallEnded,
    CallStarted,
    CallState,
    CallSummary,
    CaptionsReached,
    Hypothesis,
    Insight,
    Phrase,
    Record,
    RecordingSubmitted,
    TranscriptCompleted,
    TranscriptFailed,
)
from steno.why.facts import Life, Seen

_MANY = (AudioChunk, CallCheckpoint, CaptionsReached, Hypothesis, Insight, Phrase)
"""Records of which a call has many: one event for all of one pass."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """Something that happened to the call."""

    at: datetime
    what: str
    #: The topic with partition and offset, or the service that keeps it.
    where: str


def timeline(life: Life) -> list[Event]:
    """All events of a life, by time."""
    events = [
        *_of_records(life.records),
        *_of_call(life.call),
        *_of_recordings(life.recordings),
        *_of_deliveries(life.deliveries),
    ]
    return sorted(events, key=lambda event: event.at)


def traces(life: Life) -> list[str]:
    """The ids of the call's traces (W3C Trace Context), each once."""
    parents = (seen.headers.get("traceparent", b"").decode("ascii", "replace").split("-") for seen in life.records)
    return list(dict.fromkeys(parts[1] for parts in parents if len(parts) == 4))


def _of_records(records: Sequence[Seen]) -> Iterator[Event]:
    many: dict[tuple[str, str], list[Seen]] = {}
    for seen in records:
        if isinstance(seen.record, _MANY):
            many.setdefault((type(seen.record).__name__, getattr(seen.record, "recording_id", "")), []).append(seen)
        else:
            yield Event(at=seen.at, what=_said(seen), where=seen.where)
    for (name, recording_id), group in many.items():
        first, last = group[0], group[-1]
        of = f" of {recording_id}" if recording_id else ""
        yield Event(at=first.at, what=f"{name}{of}: {len(group)}, the last at {last.at:%H:%M:%S}", where=first.where)


def _said(seen: Seen) -> str:
    if seen.topic == DEAD_LETTERS:
        error, service = (
            seen.headers.get(f"steno-{name}", b"").decode("utf-8", "replace") for name in ("error-class", "service")
        )
        return f"dead letter of the {service}: {error}"
    if seen.record is None:
        return f"not readable: {seen.fault}"
    detail = _detail(seen.record)
    return type(seen.record).__name__ + (f": {detail}" if detail else "")


def _detail(record: Record) -> str:
    match record:
        case CallStarted():
            return f"{record.protocol or 'no protocol'}, {len(record.channels)} channels"
        case CallState():
            return str(record.state)
        case CallEnded():
            return f"{record.reason or 'no reason'}{'' if record.complete else ', not complete'}"
        case RecordingSubmitted():
            return record.recording_id
        case TranscriptCompleted():
            return f"{record.recording_id}: {record.phrase_count} phrases, {record.duration_ms / 1000:g} s, {record.result_url}"
        case TranscriptFailed():
            return f"{record.recording_id}: {record.error}"
        case CallSummary():
            return f"{record.recording_id}, revision {record.revision}"
        case _:
            return str(getattr(record, "recording_id", ""))


def _of_call(call: Mapping[str, Any] | None) -> Iterator[Event]:
    if call is None:
        return
    yield Event(at=_time(call["accepted_at"]), what=f"call accepted by {call['door']}", where="ledger of ingest")
    if call["ended_at"]:
        yield Event(
            at=_time(call["ended_at"]), what=f"call ended ({call['end_reason']}), now {call['state']}", where="ledger of ingest"
        )
    for event in call.get("events", ()):
        yield Event(at=_time(event["at"]), what=f"{event['kind']} at {event['position_ms']} ms", where="ledger of ingest")


def _of_recordings(recordings: Sequence[Mapping[str, Any]]) -> Iterator[Event]:
    for recording in recordings:
        name = recording["recording_id"]
        yield Event(
            at=_time(recording["accepted_at"]),
            what=f"recording {name} accepted by {recording['door']}",
            where="ledger of ingest",
        )
        if recording["ended_at"]:
            yield Event(
                at=_time(recording["ended_at"]), what=f"recording {name} {recording['state']}", where="ledger of ingest"
            )


def _of_deliveries(deliveries: Sequence[Mapping[str, Any]]) -> Iterator[Event]:
    for delivery in deliveries:
        what = f"{delivery['event_type']} for webhook {delivery['webhook_id']}"
        yield Event(at=_time(delivery["created_at"]), what=f"{what} queued", where="deliveries of the notifier")
        for attempt in delivery.get("attempt_log", ()):
            answer = attempt["status_code"] or attempt["error"]
            yield Event(
                at=_time(attempt["started_at"]),
                what=f"{what}, attempt {attempt['number']}: {answer}",
                where="deliveries of the notifier",
            )


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
