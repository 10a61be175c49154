"""What webhooks are told."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from steno_notifier.outgoing import MAX_BODY_BYTES, EventType, OutgoingEvent, outgoing

from steno.events import ids
from steno.events.records import (
    CallSummary,
    Phrase,
    Role,
    SpeakerSummary,
    TranscriptCompleted,
    TranscriptFailed,
    TranscriptStarted,
)

NOW = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)


def completed(*, phrase_count: int = 7, properties: dict[str, str] | None = None) -> TranscriptCompleted:
    return TranscriptCompleted(
        call_id="call-1",
        recording_id="recording-1",
        result_url="file:///objects/transcripts/recording-1.json",
        phrase_count=phrase_count,
        channel_count=2,
        duration_ms=20_000,
        engine="whisper/tiny.en",
        properties=properties or {},
        completed_at=NOW,
    )


def summary(*, key_phrases: tuple[str, ...] = ("bank card",)) -> CallSummary:
    return CallSummary(
        call_id="call-1",
        recording_id="recording-1",
        summary_id="summary-1",
        phrase_count=7,
        duration_ms=20_000,
        silence_ms=3_000,
        overlap_ms=500,
        speakers=(
            SpeakerSummary(channel=0, role=Role.AGENT, talk_ms=9_000, phrase_count=4, sentiment=0.5, sentiment_trend=-0.25),
        ),
        key_phrases=key_phrases,
        properties={"campaign": "spring"},
        summarised_at=NOW,
    )


def told(event: OutgoingEvent | None) -> dict[str, Any]:
    assert event is not None
    body: dict[str, Any] = json.loads(event.body)
    return body


def test_a_completed_transcript_is_told_with_a_link() -> None:
    """The body has ids, counts, the publisher's properties and where the transcript is, at the public address."""
    event = outgoing(completed(properties={"campaign": "spring"}), public_url="https://steno.example/")
    assert told(event) == {
        "type": "transcript.completed",
        "timestamp": "2026-03-01T12:00:00.250000Z",
        "data": {
            "call_id": "call-1",
            "recording_id": "recording-1",
            "state": "completed",
            "transcript_url": "https://steno.example/v1/recordings/recording-1/transcript",
            "phrase_count": 7,
            "channel_count": 2,
            "duration_ms": 20_000,
            "engine": "whisper/tiny.en",
            "locale": "en-US",
            "properties": {"campaign": "spring"},
        },
    }


def test_no_speech_is_a_result() -> None:
    """A transcript without a phrase is told as no_speech."""
    assert told(outgoing(completed(phrase_count=0)))["data"]["state"] == "no_speech"


def test_without_a_public_address_the_link_is_a_path() -> None:
    """The link is relative to ingest."""
    assert told(outgoing(completed()))["data"]["transcript_url"] == "/v1/recordings/recording-1/transcript"


def test_a_failure_is_told_with_its_reason() -> None:
    """Error class and reason are there, and no link to a transcript that is not."""
    record = TranscriptFailed(
        call_id="call-1", recording_id="recording-1", reason="not audio", error="unreadable_audio", failed_at=NOW
    )
    body = told(outgoing(record))
    assert body["type"] == "transcript.failed"
    assert body["data"] == {
        "call_id": "call-1",
        "recording_id": "recording-1",
        "state": "failed",
        "error": "unreadable_audio",
        "reason": "not audio",
        "properties": {},
    }


def test_a_summary_is_told_whole() -> None:
    """Every field of the summary is in the body."""
    data = told(outgoing(summary()))["data"]
    assert data == summary().model_dump(mode="json", exclude={"summarised_at"})


def test_other_records_are_not_told() -> None:
    """What has no meaning outside makes no event."""
    started = TranscriptStarted(call_id="call-1", recording_id="recording-1", started_at=NOW)
    phrase = Phrase(
        call_id="c", recording_id="r", phrase_id="p", sequence=0, channel=0, start_ms=0, duration_ms=1, text="x", confidence=1
    )
    assert outgoing(started) is None
    assert outgoing(phrase) is None


def test_the_event_id_is_computed_from_type_and_recording() -> None:
    """A replay of the topic makes the same event; completed and failed are two."""
    event = outgoing(completed())
    assert event is not None
    assert event == outgoing(completed())
    assert event.event_id == ids.event_id(EventType.TRANSCRIPT_COMPLETED, "recording-1")


def test_times_are_told_in_utc() -> None:
    """A record's own zone does not get out."""
    moment = NOW.astimezone(timezone(timedelta(hours=5)))
    event = outgoing(completed().model_copy(update={"completed_at": moment}))
    assert told(event)["timestamp"] == "2026-03-01T12:00:00.250000Z"


@given(
    properties=st.dictionaries(st.text(max_size=20), st.text(max_size=50) | st.just("ü" * 30_000), max_size=5),
    key_phrases=st.lists(st.text(max_size=30) | st.just("x" * 25_000), max_size=5),
)
def test_a_body_is_never_too_big(properties: dict[str, str], key_phrases: list[str]) -> None:
    """Whatever the publisher hands along, the body stays under 20 kB, keeps its ids and says what it leaves out."""
    record = summary(key_phrases=tuple(key_phrases)).model_copy(update={"properties": properties})
    event = outgoing(record)
    assert event is not None
    assert len(event.body.encode()) < MAX_BODY_BYTES
    data = told(event)["data"]
    assert (data["call_id"], data["recording_id"]) == ("call-1", "recording-1")
    assert all(name not in data for name in data.get("omitted", []))
    assert "omitted" in data or (data["properties"], data["key_phrases"]) == (properties, key_phrases)
