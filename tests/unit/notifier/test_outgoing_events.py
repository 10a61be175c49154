"""What webhooks are told."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from steno_notifier.outgoing_event import MAX_BODY_BYTES, OutgoingEvent, make_outgoing_event
from support.records import PHRASE

from steno.events import ids
from steno.events.records import (
    CallChannel,
    CallState,
    CallStatus,
    CallSummary,
    Phrase,
    Role,
    SpeakerSummary,
    TranscriptCompleted,
    TranscriptFailed,
    TranscriptStarted,
)
from steno.events.webhook_events import EventType

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
    event = make_outgoing_event(completed(properties={"campaign": "spring"}), NOW, public_url="https://steno.example/")
    assert told(event) == {
        "type": "transcript.completed",
        "timestamp": "2026-03-01T12:00:00.250000Z",
        "data": {
            "call_id": "call-1",
            "recording_id": "recording-1",
            "pass": "recording",
            "supersedes": "",
            "state": "completed",
            "transcript_url": "https://steno.example/v1/recordings/recording-1/transcript",
            "phrase_count": 7,
            "channel_count": 2,
            "duration_ms": 20_000,
            "damaged_ms": 0,
            "missing_ms": 0,
            "engine": "whisper/tiny.en",
            "locale": "en-US",
            "properties": {"campaign": "spring"},
        },
    }


def test_no_speech_is_a_result() -> None:
    """A transcript without a phrase is told as no_speech."""
    assert told(make_outgoing_event(completed(phrase_count=0), NOW))["data"]["state"] == "no_speech"


def test_without_a_public_address_the_link_is_a_path() -> None:
    """The link is relative to ingest."""
    assert told(make_outgoing_event(completed(), NOW))["data"]["transcript_url"] == "/v1/recordings/recording-1/transcript"


def test_a_failure_is_told_with_its_reason() -> None:
    """Error class and reason are there, and no link to a transcript that is not."""
    record = TranscriptFailed(
        call_id="call-1", recording_id="recording-1", reason="not audio", error="unreadable_audio", failed_at=NOW
    )
    body = told(make_outgoing_event(record, NOW))
    assert body["type"] == "transcript.failed"
    assert body["data"] == {
        "call_id": "call-1",
        "recording_id": "recording-1",
        "pass": "recording",
        "state": "failed",
        "error": "unreadable_audio",
        "reason": "not audio",
        "properties": {},
    }


def test_a_summary_is_told_whole() -> None:
    """Every field of the summary is in the body."""
    data = told(make_outgoing_event(summary(), NOW))["data"]
    assert data == summary().model_dump(mode="json", exclude={"summarised_at", "tenant"})


def test_other_records_are_not_told() -> None:
    """What has no meaning outside makes no event."""
    started = TranscriptStarted(call_id="call-1", recording_id="recording-1", started_at=NOW)
    phrase = Phrase(
        call_id="c", recording_id="r", phrase_id="p", sequence=0, channel=0, start_ms=0, duration_ms=1, text="x", confidence=1
    )
    assert make_outgoing_event(started, NOW) is None
    assert make_outgoing_event(phrase, NOW) is None


LIVE = ids.live_pass_id("call-1")


def call(state: CallStatus, *, roles_revision: int = 0, at: datetime = NOW) -> CallState:
    return CallState(
        call_id="call-1",
        recording_id=LIVE,
        state=state,
        channels=(CallChannel(channel=0, role=Role.AGENT, participant="Ada"),),
        protocol="audiohook",
        properties={"campaign": "spring"},
        roles_revision=roles_revision,
        complete=state is not CallStatus.ACTIVE,
        reason="" if state is CallStatus.ACTIVE else "hung up",
        started_at=NOW,
        ended_at=None if state is CallStatus.ACTIVE else NOW + timedelta(minutes=3),
        updated_at=at,
    )


def test_a_call_starts_once() -> None:
    """Every active state of a call is the same event, at the moment the call began."""
    event = make_outgoing_event(call(CallStatus.ACTIVE), NOW, public_url="https://steno.example")
    later = make_outgoing_event(call(CallStatus.ACTIVE, roles_revision=1, at=NOW + timedelta(minutes=1)), NOW)
    assert event is not None
    assert later is not None
    assert event.event_id == later.event_id
    assert told(event) == {
        "type": "call.started",
        "timestamp": "2026-03-01T12:00:00.250000Z",
        "data": {
            "call_id": "call-1",
            "recording_id": LIVE,
            "call_url": "https://steno.example/v1/calls/call-1",
            "protocol": "audiohook",
            "locale": "en-US",
            "channels": [{"channel": 0, "role": "agent", "participant": "Ada"}],
            "properties": {"campaign": "spring"},
        },
    }


@pytest.mark.parametrize("state", [state for state in CallStatus if state is not CallStatus.ACTIVE])
def test_a_call_ends_once(state: CallStatus) -> None:
    """Whichever state comes after active, it is one event: whether all audio came, and how the call ended."""
    body = told(event := make_outgoing_event(call(state), NOW))
    assert event is not None
    assert event.event_id == ids.event_id("call.ended", LIVE)
    assert (body["type"], body["timestamp"]) == ("call.ended", "2026-03-01T12:03:00.250000Z")
    assert (body["data"]["complete"], body["data"]["reason"]) == (True, "hung up")


def test_a_live_phrase_is_told_with_its_text() -> None:
    """The moment is when it was written; a phrase of a recording is not told."""
    phrase = PHRASE.model_copy(update={"recording_id": ids.live_pass_id(PHRASE.call_id)})
    body = told(make_outgoing_event(phrase, NOW))
    assert (body["type"], body["timestamp"]) == ("phrase.final", "2026-03-01T12:00:00.250000Z")
    told_of = body["data"]
    assert (told_of["text"], told_of["role"], told_of["start_ms"]) == (PHRASE.text, "customer", PHRASE.start_ms)
    assert make_outgoing_event(PHRASE, NOW) is None


def test_the_live_pass_is_told_apart() -> None:
    """Its results say so, and link to the transcript of the call."""
    live = completed().model_copy(update={"recording_id": LIVE, "call_id": "call-1"})
    data = told(make_outgoing_event(live, NOW))["data"]
    assert (data["pass"], data["transcript_url"]) == ("live", "/v1/calls/call-1/transcript?pass=live")
    failed = TranscriptFailed(call_id="call-1", recording_id=LIVE, reason="?", error="engine", failed_at=NOW)
    assert told(make_outgoing_event(failed, NOW))["data"]["pass"] == "live"


def test_each_revision_of_a_summary_is_an_event() -> None:
    """Their ids differ, and that of the first is what it was before there were revisions."""
    events = [make_outgoing_event(summary().model_copy(update={"revision": revision}), NOW) for revision in range(3)]
    assert len({event.event_id for event in events if event}) == 3
    assert events[0] is not None
    assert events[0].event_id == ids.event_id("call.summarised", "recording-1")
    assert told(events[2])["data"]["revision"] == 2


def test_the_event_id_is_computed_from_type_and_recording() -> None:
    """A replay of the topic makes the same event; completed and failed are two."""
    event = make_outgoing_event(completed(), NOW)
    assert event is not None
    assert event == make_outgoing_event(completed(), NOW)
    assert event.event_id == ids.event_id(EventType.TRANSCRIPT_COMPLETED, "recording-1")


def test_times_are_told_in_utc() -> None:
    """A record's own zone does not get out."""
    moment = NOW.astimezone(timezone(timedelta(hours=5)))
    event = make_outgoing_event(completed().model_copy(update={"completed_at": moment}), NOW)
    assert told(event)["timestamp"] == "2026-03-01T12:00:00.250000Z"


@given(
    properties=st.dictionaries(st.text(max_size=20), st.text(max_size=50) | st.just("ü" * 30_000), max_size=5),
    key_phrases=st.lists(st.text(max_size=30) | st.just("x" * 25_000), max_size=5),
)
def test_a_body_is_never_too_big(properties: dict[str, str], key_phrases: list[str]) -> None:
    """Whatever the publisher hands along, the body stays under 20 kB, keeps its ids and says what it leaves out."""
    record = summary(key_phrases=tuple(key_phrases)).model_copy(update={"properties": properties})
    event = make_outgoing_event(record, NOW)
    assert event is not None
    assert len(event.body.encode()) < MAX_BODY_BYTES
    data = told(event)["data"]
    assert (data["call_id"], data["recording_id"]) == ("call-1", "recording-1")
    assert all(name not in data for name in data.get("omitted", []))
    assert "omitted" in data or (data["properties"], data["key_phrases"]) == (properties, key_phrases)


def test_an_event_is_of_the_tenant_of_its_record() -> None:
    """Of whichever record it is; without one, of no tenant."""
    live = ids.live_pass_id("call-1")
    records = [
        completed(),
        summary(),
        TranscriptFailed(call_id="call-1", recording_id="r", reason="x", error="x", failed_at=NOW),
        PHRASE.model_copy(update={"call_id": "call-1", "recording_id": live}),
        CallState(
            call_id="call-1",
            recording_id=live,
            state=CallStatus.ACTIVE,
            channels=(CallChannel(channel=0),),
            started_at=NOW,
            updated_at=NOW,
        ),
    ]
    for record in records:
        for tenant in ("acme", ""):
            event = make_outgoing_event(record.model_copy(update={"tenant": tenant}), NOW)
            assert event is not None
            assert event.tenant == tenant
