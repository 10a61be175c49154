"""The ledger: what comes back by Kafka is applied once, in any order, and the ledger balances."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from steno_ingest.balance import read_balance
from steno_ingest.balance_check import BalanceCheck
from steno_ingest.errors import UnusableId
from steno_ingest.metrics import LEDGER_UNBALANCED
from steno_ingest.recordings.ledger import Filters
from steno_ingest.recordings.tables import entries
from steno_ingest.tables import outbox
from support.callers import OPERATOR
from support.calls import NO_CALLS
from support.ingest import CODEC, Ingest, problem

from steno.events import ids
from steno.events.catalogue import RECORDINGS, TRANSCRIPTS
from steno.events.records import (
    CallRecord,
    ChannelRole,
    RecordingCancelled,
    RecordingSubmitted,
    Role,
    TranscriptCompleted,
    TranscriptFailed,
    TranscriptStarted,
)
from steno.kafka.messages import Message

AT = datetime(2030, 5, 4, 3, 2, 1, 123456, tzinfo=UTC)
IDS = {"call_id": "call-1", "recording_id": "recording-1"}


def started(**about: Any) -> TranscriptStarted:
    return TranscriptStarted(**{**IDS, "started_at": AT, **about})


def completed(**about: Any) -> TranscriptCompleted:
    return TranscriptCompleted(
        **{
            **IDS,
            "result_url": "file:///elsewhere/x.json",
            "phrase_count": 2,
            "channel_count": 2,
            "duration_ms": 20_000,
            "completed_at": AT + timedelta(seconds=5),
            **about,
        }
    )


def failed(**about: Any) -> TranscriptFailed:
    return TranscriptFailed(
        **{**IDS, "reason": "there is no audio in it", "error": "unreadable_audio", "failed_at": AT, **about}
    )


def submitted(**about: Any) -> RecordingSubmitted:
    return RecordingSubmitted(**{**IDS, "url": "https://audio.example/a.wav", **about})


async def apply(ingest: Ingest, *records: CallRecord) -> None:
    """Hands records over as the consumer does."""
    for record in records:
        topic = RECORDINGS if type(record).__name__ in RECORDINGS.records else TRANSCRIPTS
        message = Message(
            topic=topic, partition=0, offset=0, key=record.call_id, record=record, headers={}, timestamp=datetime.now(UTC)
        )
        await ingest.results.handle(message)


async def shown(ingest: Ingest, recording_id: str = "recording-1") -> Any:
    response = await ingest.client.get(f"/v1/recordings/{recording_id}")
    assert response.status_code == 200, response.text
    return response.json()


async def counts(ingest: Ingest) -> dict[str, Any]:
    response = await ingest.client.get("/v1/ledger")
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def test_a_recording_goes_its_way(ingest: Ingest) -> None:
    """accepted, running, completed: each with its time, and each applied once however often it comes."""
    await apply(ingest, submitted(), submitted(), started(), started(), completed(), completed(), started(), failed())
    recording = await shown(ingest)
    assert recording["state"] == "completed"
    assert recording["door"] == "kafka"
    assert datetime.fromisoformat(recording["started_at"]) == AT
    assert datetime.fromisoformat(recording["ended_at"]) == AT + timedelta(seconds=5)
    assert (recording["phrase_count"], recording["duration_ms"], recording["reason"]) == (2, 20_000, None)
    assert [(row.from_state, row.to_state) for row in sorted(await ingest.rows(entries), key=lambda row: row.id)] == [
        (None, "accepted"),
        ("accepted", "running"),
        ("running", "completed"),
    ]
    assert await ingest.rows(outbox) == []
    assert await counts(ingest) == {
        "accepted": 1,
        "in_progress": 0,
        "completed": 1,
        "no_speech": 0,
        "failed": 0,
        "cancelled": 0,
        "calls": NO_CALLS,
        "balanced": True,
    }


async def test_a_recording_says_what_was_wrong_with_it(ingest: Ingest) -> None:
    """How much of its audio was damaged, and how much missing, once that is known."""
    await apply(ingest, submitted(), started())
    assert [(await shown(ingest))[name] for name in ("damaged_ms", "missing_ms")] == [None, None]
    await apply(ingest, completed(damaged_ms=640, missing_ms=2_000))
    assert [(await shown(ingest))[name] for name in ("damaged_ms", "missing_ms")] == [640, 2_000]


async def test_no_phrase_is_no_speech(ingest: Ingest) -> None:
    """A completion without phrases is a result of its own, and its transcript is empty."""
    await apply(ingest, submitted(), completed(phrase_count=0, result_url=""))
    assert (await shown(ingest))["state"] == "no_speech"
    transcript = await ingest.client.get("/v1/recordings/recording-1/transcript")
    assert (transcript.status_code, transcript.json()["phrases"]) == (200, [])
    assert (await ingest.client.get("/v1/recordings/recording-1/transcript?format=vtt")).text == "WEBVTT\n"


async def test_a_failure_says_why(ingest: Ingest) -> None:
    """The reason is kept, NULs made harmless; the transcript is gone for good, with the reason."""
    await apply(ingest, submitted(), failed(reason="byte \0 is odd"))
    recording = await shown(ingest)
    assert (recording["state"], recording["error"]) == ("failed", "unreadable_audio")
    assert recording["reason"] == "byte \ufffd is odd"
    gone = problem(await ingest.client.get("/v1/recordings/recording-1/transcript"), 410)
    assert (gone["state"], gone["reason"]) == ("failed", "byte \ufffd is odd")


async def test_a_result_may_overtake_its_submission(ingest: Ingest) -> None:
    """The row is made from the result; what the submission says is filled in when it comes, and the state stays."""
    await apply(ingest, completed())
    assert (await shown(ingest))["url"] is None
    await apply(ingest, submitted(channels=(ChannelRole(channel=0, role=Role.AGENT),), properties={"a": "b"}))
    recording = await shown(ingest)
    assert (recording["state"], recording["url"]) == ("completed", "https://audio.example/a.wav")
    assert (recording["channels"], recording["properties"]) == ([{"channel": 0, "role": "agent"}], {"a": "b"})
    assert (await counts(ingest))["balanced"]


async def test_a_start_of_a_recording_that_nobody_submitted_is_ignored(ingest: Ingest) -> None:
    """Nothing would ever end it. Where its submission comes later, the recording is accepted then, and ends with its result."""
    await apply(ingest, started())
    assert (await counts(ingest))["accepted"] == 0
    await apply(ingest, submitted())
    assert (await shown(ingest))["state"] == "accepted"
    await apply(ingest, completed())
    assert (await shown(ingest))["state"] == "completed"
    assert (await counts(ingest))["balanced"]


@pytest.mark.parametrize("sha256", ["", "ab" * 32])
async def test_others_may_leave_the_id_out(ingest: Ingest, sha256: str) -> None:
    """It is derived from the call and the digest, or the URL, as the transcriber derives it."""
    record = submitted(recording_id="", sha256=sha256)
    await apply(ingest, record, record)
    (row,) = (await ingest.ledger.page(Filters(), caller=OPERATOR, after=None, limit=10)).entries
    assert row.recording_id == ids.recording_id("call-1", sha256 or record.url)


async def test_our_own_submission_comes_back_unnoticed(ingest: Ingest) -> None:
    """What the relay published is read again by our own consumer, and changes nothing."""
    answer = (await ingest.upload(b"audio", call_id="call-1")).json()
    (row,) = await ingest.rows(outbox)
    record = CODEC.decode(row.value)
    assert isinstance(record, RecordingSubmitted)
    before = await shown(ingest, answer["recording_id"])
    await apply(ingest, record)
    assert await shown(ingest, answer["recording_id"]) == before
    assert before["door"] == "rest"


async def test_everything_at_once_ends_once(ingest: Ingest) -> None:
    """Results of one recording applied side by side, several times over, leave one end and a balanced ledger."""
    cancelled = RecordingCancelled(**IDS, cancelled_at=AT)
    records: list[CallRecord] = [submitted(), started(), completed(), failed(), cancelled] * 4
    await asyncio.gather(*(apply(ingest, record) for record in records))
    ends = [row.to_state for row in await ingest.rows(entries) if row.to_state not in ("accepted", "running")]
    assert len(ends) == 1
    assert (await shown(ingest))["state"] == ends[0]
    assert (await counts(ingest))["balanced"]


async def test_ids_that_no_database_keeps_are_refused(ingest: Ingest) -> None:
    """A NUL in an id is the publisher's fault for ever, not a reason to try again."""
    with pytest.raises(UnusableId):
        await apply(ingest, submitted(recording_id="a\0b"))
    with pytest.raises(UnusableId):
        await apply(ingest, started(call_id="a\0b"))


async def test_cancelling_tells_the_transcribers(ingest: Ingest) -> None:
    """A cancelled recording is published as such, behind its submission, and later results change nothing."""
    answer = (await ingest.upload(b"audio", call_id="call-1")).json()
    response = await ingest.client.post(answer["links"]["cancel"])
    assert (response.status_code, response.json()["state"]) == (200, "cancelled")
    records = [CODEC.decode(row.value) for row in sorted(await ingest.rows(outbox), key=lambda row: row.id)]
    assert [type(record).__name__ for record in records] == ["RecordingSubmitted", "RecordingCancelled"]
    again = problem(await ingest.client.post(answer["links"]["cancel"]), 409)
    assert again["state"] == "cancelled"
    await apply(ingest, completed(recording_id=answer["recording_id"]))
    assert (await shown(ingest, answer["recording_id"]))["state"] == "cancelled"
    problem(await ingest.client.get(answer["links"]["transcript"]), 410)
    problem(await ingest.client.post("/v1/recordings/unknown/cancel"), 404)
    assert (await counts(ingest))["cancelled"] == 1


async def test_a_transcript_that_is_not_there_yet_is_said(ingest: Ingest) -> None:
    """409 with the state and when to ask again."""
    await apply(ingest, submitted(), started())
    response = await ingest.client.get("/v1/recordings/recording-1/transcript")
    assert problem(response, 409)["state"] == "running"
    assert int(response.headers["retry-after"]) > 0


async def test_a_transcript_is_read_in_each_format(ingest: Ingest) -> None:
    """JSON is the result document byte for byte; the others are made of it."""
    document = (
        b'{"call_id": "call-1", "recording_id": "recording-1", "locale": "en-US", "duration_ms": 20000, "channels": 2,'
        b' "engine": "x", "phrases": [{"phrase_id": "p", "channel": 0, "role": "agent", "start_ms": 1200,'
        b' "duration_ms": 800, "text": "hello <you> & me", "confidence": 0.9, "words": [], "later": 1}]}'
    )
    url = await ingest.objects.put("transcripts/recording-1.json", document)
    await apply(ingest, submitted(), completed(result_url=url))
    path = "/v1/recordings/recording-1/transcript"
    assert (await ingest.client.get(path)).content == document
    texts = {name: await ingest.client.get(path, params={"format": name}) for name in ("txt", "vtt", "srt")}
    assert texts["txt"].text == "[00:01.2] agent: hello <you> & me\n"
    assert "<v Agent>hello &lt;you&gt; &amp; me" in texts["vtt"].text
    assert texts["srt"].text.startswith("1\n00:00:01,200 --> 00:00:02,000\nAgent: hello")
    assert [response.headers["content-type"] for response in texts.values()] == [
        "text/plain; charset=utf-8",
        "text/vtt; charset=utf-8",
        "application/x-subrip; charset=utf-8",
    ]
    problem(await ingest.client.get(path, params={"format": "pdf"}), 422)
    await ingest.objects.delete(url)
    problem(await ingest.client.get(path), 410)


@pytest.mark.parametrize("url", ["{store}/recordings/other/audio.wav", "{store}//etc/passwd", "file:///etc/passwd"])
async def test_a_record_cannot_have_another_object_handed_out(ingest: Ingest, url: str) -> None:
    """What is read as a transcript lies where transcripts are: 410 for anything else, as for what is gone."""
    await ingest.objects.put("recordings/other/audio.wav", b"another caller's audio")
    await apply(ingest, submitted(), completed(result_url=url.format(store=ingest.objects.url)))
    problem(await ingest.client.get("/v1/recordings/recording-1/transcript"), 410)


async def test_pages_are_stable(ingest: Ingest) -> None:
    """Walking through pages while recordings come in gives each that was there, once, the newest first."""
    for number in range(25):
        await apply(ingest, submitted(recording_id=f"r{number:02}", call_id=f"call-{number % 5}"))
    seen: list[str] = []
    cursor: str | None = None
    for page in range(10):
        parameters = {"limit": "7", **({"cursor": cursor} if cursor else {})}
        answer = (await ingest.client.get("/v1/recordings", params=parameters)).json()
        seen += [item["recording_id"] for item in answer["items"]]
        cursor = answer["next"]
        await apply(ingest, submitted(recording_id=f"new{page}"))
        if cursor is None:
            break
    assert seen == [f"r{number:02}" for number in reversed(range(25))]


async def test_lists_are_filtered(ingest: Ingest) -> None:
    """By state, call and time of acceptance, together."""
    for number in range(6):
        await apply(ingest, submitted(recording_id=f"r{number}", call_id=f"call-{number % 2}"))
    await apply(ingest, started(recording_id="r2"), started(recording_id="r3"))

    async def listed(**parameters: str) -> list[str]:
        response = await ingest.client.get("/v1/recordings", params=parameters)
        assert response.status_code == 200, response.text
        return sorted(item["recording_id"] for item in response.json()["items"])

    assert await listed(state="running") == ["r2", "r3"]
    assert await listed(call_id="call-0") == ["r0", "r2", "r4"]
    assert await listed(call_id="call-0", state="running") == ["r2"]
    moment = (await shown(ingest, "r3"))["accepted_at"]
    assert await listed(since=moment) == ["r3", "r4", "r5"]
    assert await listed(until=moment) == ["r0", "r1", "r2"]
    for parameters in ({"since": "yesterday"}, {"since": "2026-01-01T00:00:00"}, {"state": "lost"}, {"limit": "0"}):
        problem(await ingest.client.get("/v1/recordings", params=parameters), 422)
    problem(await ingest.client.get("/v1/recordings", params={"cursor": "nonsense"}), 404)


async def test_the_books_tell_when_they_do_not_balance(ingest: Ingest) -> None:
    """A row changed past its entries, a row gone, a submission that will never be published: each shows, and in the metric."""
    for number in range(3):
        await ingest.upload(b"audio", call_id=f"call-{number}")
    assert (await read_balance(ingest.engine, OPERATOR)).balanced
    check = BalanceCheck(ingest.engine)
    for harm, repair, part in [
        ("UPDATE recordings SET state = 'failed'", "UPDATE recordings SET state = 'accepted'", "recordings"),
        ("UPDATE entries SET to_state = 'running'", "UPDATE entries SET to_state = 'accepted'", "recordings"),
        ("UPDATE outbox SET recording_id = NULL", "UPDATE recordings SET published_at = accepted_at", "unpublished"),
    ]:
        await _execute(ingest, harm)
        assert not (await counts(ingest))["balanced"], harm
        assert await _unbalanced(check) == {part}, harm
        await _execute(ingest, repair)
        assert (await counts(ingest))["balanced"], repair
        assert await _unbalanced(check) == set(), repair
    with pytest.raises(IntegrityError):
        await _execute(ingest, "DELETE FROM recordings")


async def _unbalanced(check: BalanceCheck) -> set[str]:
    """The parts of the ledger that the metric shows as unbalanced after a check."""
    await check.check()
    return {sample.labels["part"] for sample in next(iter(LEDGER_UNBALANCED.collect())).samples if sample.value}


async def _execute(ingest: Ingest, statement: str) -> None:
    async with ingest.engine.begin() as connection:
        await connection.execute(text(statement))
