"""The life of a call is told in order, and what of it is missing is named with where to look."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.records import PHRASE, any_record

from steno.doctor.findings import Finding, Severity, exit_status
from steno.events.catalogue import CALL_AUDIO, DEAD_LETTERS, Topic, catalogue
from steno.events.ids import live_pass_id
from steno.events.records import (
    AudioChunk,
    AudioCodec,
    CallChannel,
    CallEnded,
    CallStarted,
    CallSummary,
    Insight,
    Record,
    RecordingSubmitted,
    TranscriptCompleted,
    TranscriptFailed,
    TranscriptStarted,
)
from steno.why.facts import Life, Seen
from steno.why.missing import missing
from steno.why.timeline import timeline, traces

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
LATER = BEGAN + timedelta(days=1)
CALL = "call-1"


def topic_of(record: Record) -> Topic:
    return next(topic for topic in catalogue().values() if type(record).__name__ in topic.records)


def seen(record: Record, second: int) -> Seen:
    topic = topic_of(record)
    return Seen(
        topic=topic,
        where=f"steno.{topic.name} 0:{second}",
        at=BEGAN + timedelta(seconds=second),
        record=record,
        headers={"traceparent": b"00-" + b"a" * 32 + b"-" + b"b" * 16 + b"-01"},
    )


def life(records: Sequence[Record], **fields: object) -> Life:
    made = Life(call_id=CALL, records=tuple(seen(record, second) for second, record in enumerate(records)))
    return replace(made, **fields)  # type: ignore[arg-type]


def after(recording_id: str) -> list[Record]:
    """What follows the audio in the pass of an id: a phrase, its transcript, its insight, the summary."""
    return [
        PHRASE.model_copy(update={"call_id": CALL, "recording_id": recording_id}),
        TranscriptCompleted(
            call_id=CALL,
            recording_id=recording_id,
            result_url="file:///r",
            phrase_count=1,
            channel_count=2,
            duration_ms=5000,
            completed_at=BEGAN,
        ),
        Insight(
            call_id=CALL,
            recording_id=recording_id,
            insight_id="i",
            phrase_id=PHRASE.phrase_id,
            sequence=0,
            channel=0,
            start_ms=0,
            sentiment=0,
        ),
        CallSummary(
            call_id=CALL,
            recording_id=recording_id,
            summary_id="s",
            phrase_count=1,
            duration_ms=5000,
            silence_ms=0,
            overlap_ms=0,
            summarised_at=BEGAN,
        ),
    ]


RECORDED: list[Record] = [
    RecordingSubmitted(call_id=CALL, recording_id="r-1", url="file:///a.wav"),
    TranscriptStarted(call_id=CALL, recording_id="r-1", started_at=BEGAN),
    *after("r-1"),
]
LIVE: list[Record] = [
    CallStarted(call_id=CALL, codec=AudioCodec.PCMU, sample_rate=8000, channels=(CallChannel(channel=0),), started_at=BEGAN),
    AudioChunk(call_id=CALL, sequence=0, position=0, audio=b"\xff" * 800),
    AudioChunk(call_id=CALL, sequence=1, position=800, audio=b"\xff" * 800),
    CallEnded(call_id=CALL, position=1600, complete=True, reason="hangup", ended_at=BEGAN),
    *after(live_pass_id(CALL)),
]
TOLD = {"notifier": "not asked in this test"}


def said(findings: Sequence[Finding]) -> str:
    assert all(finding.todo for finding in findings if finding.severity >= Severity.WARNING)
    return "\n".join(f"{finding.severity.name} {finding.where}: {finding.what} → {finding.todo}" for finding in findings)


@pytest.mark.parametrize("whole", [RECORDED, LIVE, RECORDED + LIVE])
def test_nothing_is_missing_of_a_whole_life(whole: list[Record]) -> None:
    findings = missing(life(whole, unasked=TOLD), now=LATER, prefix="steno.")
    assert [finding.what for finding in findings][1:] == ["nothing is missing of what could be seen"]


@given(whole=st.sampled_from([RECORDED, LIVE]), data=st.data())
def test_of_every_prefix_of_a_life_the_next_step_is_missing(whole: list[Record], data: st.DataObject) -> None:
    """A day later it is a warning that says where to look; within a second it may yet come."""
    until = data.draw(st.integers(1, len(whole) - 1))
    begun = life(whole[:until], unasked=TOLD)
    late = missing(begun, now=LATER, prefix="steno.")
    assert exit_status(late) == 1, said(late)
    soon = begun.records[-1].at + timedelta(seconds=1)
    assert exit_status(missing(begun, now=soon, prefix="steno.")) == 0


@pytest.mark.parametrize(
    ("records", "what"),
    [
        (RECORDED[:1], "no transcriber has started with r-1 since 24 h → look at the lag of group steno.transcriber "),
        (RECORDED[:2], "the transcript of r-1 has not been completed"),
        (RECORDED[:5], "there has been no CallSummary of r-1 since 24 h → look at the lag of group steno.enricher "),
        (RECORDED[:2] + RECORDED[3:], "only 0 of 1 phrases of r-1 are on the topic"),
        (LIVE[:2], "the call has not ended, and no audio of it has come"),
        (LIVE[:4], "the live transcript has not been completed since 24 h → look at the lag of group steno.transcriber-live "),
    ],
)
def test_what_is_missing_says_where_to_look(records: list[Record], what: str) -> None:
    text = said(missing(life(records), now=LATER, prefix="steno."))
    assert "WARNING" in text
    assert what in text


@given(records=st.lists(any_record(), max_size=8), now=st.datetimes(timezones=st.just(UTC)))
def test_whatever_records_a_call_has_it_is_judged(records: list[Record], now: datetime) -> None:
    """In any order, repeated, of any pass: nothing raises, and the events are in the order of time."""
    found = life([record for record in records if type(record).__name__ != "WebhookState"])
    said(missing(found, now=now, prefix="steno."))
    times = [event.at for event in timeline(found)]
    assert times == sorted(times)


def test_a_call_of_which_nothing_is_known_is_an_error() -> None:
    """What could not be asked is said first."""
    (unasked, unknown) = missing(Life(call_id="x", unasked={"Kafka": "no brokers"}), now=LATER, prefix="steno.")
    assert (unasked.where, unasked.what) == ("Kafka", "it was not asked: no brokers")
    assert (unknown.severity, unknown.what) == (Severity.ERROR, "nothing is known of this call")


def test_a_failed_transcript_says_its_reason_and_nothing_else_is_missed() -> None:
    failed = TranscriptFailed(
        call_id=CALL, recording_id="r-1", reason="it is no audio", error="not_audio", properties={}, failed_at=BEGAN
    )
    (finding,) = missing(life([*RECORDED[:2], failed]), now=LATER, prefix="steno.")
    assert (finding.severity, finding.what) == (Severity.ERROR, "the transcript failed: it is no audio")
    assert "not_audio" in finding.todo


def test_a_dead_letter_and_a_record_that_cannot_be_read_are_errors() -> None:
    headers = {
        "steno-service": b"ingest",
        "steno-error-class": b"wrong_record",
        "steno-origin-topic": b"steno.call-audio",
        "steno-origin-partition": b"2",
        "steno-origin-offset": b"7",
    }
    dead = Seen(topic=DEAD_LETTERS, where="steno.dead-letters 0:1", at=BEGAN, record=None, headers=headers)
    bad = Seen(topic=CALL_AUDIO, where="steno.call-audio 2:8", at=BEGAN, record=None, headers={}, fault="not Avro")
    found = Life(call_id=CALL, records=(dead, bad))
    text = said(missing(found, now=LATER, prefix="steno."))
    assert "ERROR steno.dead-letters 0:1: the ingest could not process the record at steno.call-audio 2 7: wrong_record" in text
    assert "ERROR steno.call-audio 2:8: the record cannot be read: not Avro" in text
    assert [event.what for event in timeline(found)] == ["dead letter of the ingest: wrong_record", "not readable: not Avro"]


def recording(**fields: object) -> dict[str, object]:
    made = {
        "recording_id": "r-1",
        "call_id": CALL,
        "state": "completed",
        "door": "rest",
        "accepted_at": BEGAN.isoformat(),
        "ended_at": None,
        "reason": None,
        "error": None,
    }
    return made | fields


def test_what_the_ledger_and_kafka_do_not_agree_in_is_named() -> None:
    accepted = life([], recordings=(recording(state="accepted"),))
    assert "accepted, and is not on Kafka" in said(missing(accepted, now=LATER, prefix="steno."))
    assert "not on Kafka" not in said(missing(replace(accepted, unasked={"Kafka": "away"}), now=LATER, prefix="steno."))
    running = life(RECORDED, recordings=(recording(state="running"),))
    assert "the ledger has r-1 as running, though it ended" in said(missing(running, now=LATER, prefix="steno."))
    unreadable = life(RECORDED, recordings=(recording(),), transcripts={"r-1": False})
    assert "its result document cannot be read" in said(missing(unreadable, now=LATER, prefix="steno."))


def test_deliveries_that_failed_or_wait_are_told_with_their_attempts() -> None:
    attempt = {"number": 1, "started_at": BEGAN.isoformat(), "status_code": 500, "error": None}
    delivery = {
        "delivery_id": "d",
        "event_type": "call.summarised",
        "webhook_id": "w",
        "state": "failed",
        "attempts": 9,
        "reason": "500",
        "due_at": None,
        "created_at": BEGAN.isoformat(),
        "attempt_log": [attempt],
    }
    found = life(RECORDED, deliveries=(delivery, delivery | {"state": "delivered"}, delivery | {"state": "queued"}))
    text = said(missing(found, now=LATER, prefix="steno."))
    assert "was given up after 9 attempts: 500" in text
    assert "is queued" in text
    assert "call.summarised for webhook w, attempt 1: 500" in [event.what for event in timeline(found)]


def test_many_records_of_a_kind_are_one_event_and_nothing_that_was_said_is_told() -> None:
    found = life(LIVE)
    events = [event.what for event in timeline(found)]
    assert events[:2] == ["CallStarted: no protocol, 1 channels", "AudioChunk: 2, the last at 00:00:02"]
    assert PHRASE.text not in str(events)
    assert traces(found) == ["a" * 32]
