"""Ids of derived records, computed from what they describe, so that a replay writes the same ids and sinks keep one. Pure.

UUID version 5 (RFC 9562 §5.5) over the parts, each with its length in front so that no two lists of parts collide.
"""

from uuid import UUID, uuid5

from steno.events.records import RecordingSubmitted

_NAMESPACE = UUID("0b4c4f0e-6b1e-5f0a-9d55-7f2d9a6a5e3c")


def _derive(kind: str, *parts: str | int) -> str:
    return str(uuid5(_NAMESPACE, kind + "".join(f"|{len(str(part))}:{part}" for part in parts)))


def recording_id(call_id: str, audio: str, format: str = "") -> str:
    """The id of a recording: `audio` is its SHA-256 where ingest has the bytes, its URL otherwise.

    Read in another format it is another recording, so that one which failed for want of it can be submitted again.
    """
    return _derive("recording", call_id, audio, *([format] if format else []))


def recording_id_of(record: RecordingSubmitted) -> str:
    """The id of a submitted recording: its publisher's, or the derived one where its publisher gave none."""
    return record.recording_id or recording_id(record.call_id, record.sha256 or record.url, record.format)


def live_pass_id(call_id: str) -> str:
    """The id of the live pass over a call: it stands where a recording's id does, and tells a record of the live pass."""
    return _derive("live", call_id)


def is_live_pass(call_id: str, recording_id: str) -> bool:
    """Whether a record with these ids is of the live pass over its call."""
    return recording_id == live_pass_id(call_id)


def phrase_id(call_id: str, recording_id: str, channel: int, start_ms: int) -> str:
    """The id of a phrase within one pass over a call."""
    return _derive("phrase", call_id, recording_id, channel, start_ms)


def insight_id(phrase_id: str) -> str:
    """The id of the insight of a phrase."""
    return _derive("insight", phrase_id)


def summary_id(call_id: str, recording_id: str) -> str:
    """The id of the summary of one pass over a call."""
    return _derive("summary", call_id, recording_id)


def event_id(event_type: str, subject_id: str) -> str:
    """The id of an event told to the outside, e.g. `transcript.completed` of a recording."""
    return _derive("event", event_type, subject_id)
