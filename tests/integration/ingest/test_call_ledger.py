"""The ledger of calls: every accepted call ends once, whatever comes how often and in which order."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from steno_ingest.balance import read_balance
from steno_ingest.calls.ledger.call_ledger import CallLedger
from steno_ingest.calls.ledger.overdue_calls import OverdueCalls
from steno_ingest.calls.ledger.queries import CallQueries
from steno_ingest.calls.ledger.tables import call_entries, call_events, call_phrases
from steno_ingest.errors import CallAlreadyEnded, CallIdInUse, InvalidMetadata, NotThere, UnusableId
from steno_ingest.recordings.results import LivePass
from steno_ingest.recordings.tables import recordings
from steno_ingest.tables import outbox
from support.callers import OPERATOR
from support.calls import AT, CALL, CHANNELS, call_ended, call_started, live_completed, live_failed, live_phrase, live_started
from support.ingest import CODEC, Ingest, running_ingest

from steno.events import ids
from steno.events.catalogue import PHRASES, RECORDINGS, TRANSCRIPTS
from steno.events.observations import Observation
from steno.events.records import (
    CallChannel,
    CallEnded,
    CallRecord,
    CallState,
    CallStatus,
    RecordingCancelled,
    RecordingSubmitted,
    Role,
    RolesCorrected,
)
from steno.kafka.messages import Message

LIVE = ids.live_pass_id(CALL)
DOOR: dict[str, Any] = {"door": "stream", "instance": "ingest-1", "paused": False, "chunk_ms": 100}


@pytest.fixture
def ledger(ingest: Ingest) -> CallLedger:
    """The ledger of calls."""
    return ingest.calls


async def told_of(ingest: Ingest, topic: str = "calls") -> list[Any]:
    """What Kafka was told, in order."""
    rows = sorted(await ingest.rows(outbox), key=lambda row: row.id)
    return [CODEC.decode(row.value) for row in rows if row.topic == topic]


async def steps(ingest: Ingest) -> list[tuple[str | None, str]]:
    """The steps that calls made, in order."""
    return [(row.from_state, row.to_state) for row in sorted(await ingest.rows(call_entries), key=lambda row: row.id)]


async def test_a_call_goes_its_way(ingest: Ingest, ledger: CallLedger) -> None:
    """active, ending, completed; Kafka is told of each step once, the newest by `updated_at`."""
    for _ in range(2):
        await ledger.begin(call_started(), **DOOR)
        assert not await ledger.note_started(call_started())
    assert await ledger.end_audio(call_ended())
    assert not await ledger.end_audio(call_ended(reason="torn"))
    for record in (live_started(), live_completed(), live_completed(), live_failed()):
        await ledger.note_transcript(record)
    call = await ledger.call(CALL)
    assert (call.state, call.end_reason, call.complete, call.end_position) == (CallStatus.COMPLETED, "hangup", True, 480_000)
    assert (call.door, call.instance, call.current_recording_id) == ("stream", "ingest-1", LIVE)
    assert await steps(ingest) == [(None, "active"), ("active", "ending"), ("ending", "completed")]
    states = await told_of(ingest)
    assert [(state.state, state.current_recording_id) for state in states] == [
        (CallStatus.ACTIVE, ""),
        (CallStatus.ENDING, ""),
        (CallStatus.COMPLETED, LIVE),
    ]
    assert states[-1] == CallState(
        call_id=CALL,
        recording_id=LIVE,
        state=CallStatus.COMPLETED,
        channels=CHANNELS,
        protocol="stream",
        properties={"queue": "sales"},
        current_recording_id=LIVE,
        complete=True,
        reason="hangup",
        started_at=AT,
        ended_at=AT + timedelta(minutes=1),
        updated_at=call.updated_at,
    )
    assert [state.updated_at for state in states] == sorted({state.updated_at for state in states})
    assert await ledger.open_calls() == []


STORY: dict[str, Any] = {
    "begin": lambda ledger: ledger.note_started(call_started()),
    "ended": lambda ledger: ledger.end_audio(call_ended()),
    "transcribing": lambda ledger: ledger.note_transcript(live_started()),
    "completed": lambda ledger: ledger.note_transcript(live_completed()),
    "better": lambda ledger: ledger.note_transcript(live_completed(recording_id="better", supersedes=LIVE)),
    "phrase": lambda ledger: ledger.note_phrase(live_phrase(1)),
    "gap": lambda ledger: ledger.note_event(CALL, "gap_lost", position_ms=500, duration_ms=100),
    "heard": lambda ledger: ledger.note_heard({CALL: 4000}),
}


@pytest.mark.parametrize("rotation", range(len(STORY)))
async def test_the_order_plays_no_part(ingest: Ingest, ledger: CallLedger, rotation: int) -> None:
    """Every record twice, from any place in the story on: the same call, once each, and a balanced ledger."""
    names = list(STORY)
    turned = names[rotation:] + names[:rotation]
    # What happens to a call is told behind its start on one log, so only the results may be earlier.
    told = [*turned, *reversed(turned)]
    for name in told:
        if name in ("ended", "heard") and "begin" not in told[: told.index(name)]:
            continue
        await STORY[name](ledger)
    if not (await ledger.call(CALL)).ended_at:
        await ledger.end_audio(call_ended())
    call = await ledger.call(CALL)
    assert (call.state, call.current_recording_id, call.end_reason) == (CallStatus.COMPLETED, "better", "hangup")
    assert len(await ingest.rows(call_phrases)) == len(await ingest.rows(call_events)) == 1
    assert sum(1 for _, to in await steps(ingest) if to == "completed") == 1
    assert await ingest.rows(recordings) == []
    states = await told_of(ingest)
    assert [state.updated_at for state in states] == sorted({state.updated_at for state in states})
    assert (await read_balance(ingest.engine, OPERATOR)).balanced


async def test_everything_at_once_ends_once(ingest: Ingest, ledger: CallLedger) -> None:
    """All that is told of a call side by side, several times over, leaves one end, and Kafka the newest state last."""
    await ledger.note_started(call_started())
    tellings = list(STORY.values()) * 3 + [lambda ledger: ledger.note_transcript(live_failed())] * 2
    await asyncio.gather(*(tell(ledger) for tell in tellings))
    ends = [to for _, to in await steps(ingest) if to in ("completed", "failed")]
    assert len(ends) == 1
    call = await ledger.call(CALL)
    states = await told_of(ingest)
    assert call.state.value == ends[0] == states[-1].state.value
    assert [state.updated_at for state in states] == sorted({state.updated_at for state in states})
    assert states[-1].updated_at == call.updated_at
    assert (await read_balance(ingest.engine, OPERATOR)).balanced


async def test_a_call_id_is_used_once(ledger: CallLedger) -> None:
    """Another call with the id of one that runs, or has ended, is not taken; nor is the same by another instance."""
    await ledger.begin(call_started(), **DOOR)
    other = call_started(started_at=AT + timedelta(seconds=1))
    for attempt in (ledger.begin(other, **DOOR), ledger.begin(call_started(), **{**DOOR, "instance": "ingest-2"})):
        with pytest.raises(CallIdInUse, match="call-1 is in use"):
            await attempt
    await ledger.note_started(call_started())
    with pytest.raises(CallIdInUse):
        await ledger.note_started(other)
    await ledger.end_audio(call_ended())
    with pytest.raises(CallIdInUse):
        await ledger.begin(call_started(), **DOOR)
    assert not await ledger.note_started(call_started())


async def test_calls_that_begin_together_are_few_transactions(ingest: Ingest, ledger: CallLedger) -> None:
    """Each is told of once; one that cannot have its id costs the others nothing."""
    await ledger.begin(call_started("call-7", started_at=AT - timedelta(seconds=1)), **DOOR)
    begun = 0

    def count(*_: object) -> None:
        nonlocal begun
        begun += 1

    event.listen(ingest.engine.sync_engine, "begin", count)
    outcomes = await asyncio.gather(
        *(ledger.begin(call_started(f"call-{number}"), **DOOR) for number in range(200)), return_exceptions=True
    )
    event.remove(ingest.engine.sync_engine, "begin", count)
    assert [number for number, outcome in enumerate(outcomes) if outcome is not None] == [7]
    assert isinstance(outcomes[7], CallIdInUse)
    assert begun <= 4
    assert sorted(record.call_id for record in await told_of(ingest)) == sorted(f"call-{number}" for number in range(200))
    assert len(await steps(ingest)) == (await read_balance(ingest.engine, OPERATOR)).calls.accepted == 200


async def test_two_processes_begin_a_call(database_url: str, tmp_path: Path, ingest: Ingest) -> None:
    """Of instances that are offered the same call id at once, one gets it, on either database."""
    async with running_ingest(tmp_path, database_url) as other:
        for number in range(10):
            started = [call_started(f"call-{number}", started_at=AT + timedelta(seconds=place)) for place in range(6)]
            outcomes = await asyncio.gather(
                *(
                    (ingest, other)[place % 2].calls.begin(
                        record, door="stream", instance=f"ingest-{place % 2}", paused=False, chunk_ms=100
                    )
                    for place, record in enumerate(started)
                ),
                return_exceptions=True,
            )
            assert sorted(type(outcome).__name__ for outcome in outcomes) == ["CallIdInUse"] * 5 + ["NoneType"]
    assert len(await told_of(ingest)) == 10
    assert (await read_balance(ingest.engine, OPERATOR)).calls.accepted == 10


async def test_a_result_and_a_start_at_once_meet(ingest: Ingest, ledger: CallLedger) -> None:
    """A call that becomes known while its result is being kept ends, whichever comes first."""
    for number in range(20):
        call_id = f"call-{number}"
        await asyncio.gather(
            ledger.note_transcript(live_completed(call_id)), ledger.note_started(call_started(call_id, protocol="upstream"))
        )
        await ledger.end_audio(call_ended(call_id))
        assert (await ledger.call(call_id)).state is CallStatus.COMPLETED


async def test_an_end_and_a_result_at_once_meet(ingest: Ingest, ledger: CallLedger) -> None:
    """A call that ends while its result is being kept is over with both, whichever comes first, and with neither alone."""
    for number in range(20):
        call_id = f"call-{number}"
        await ledger.note_started(call_started(call_id, protocol="upstream"))
        await asyncio.gather(ledger.note_transcript(live_completed(call_id)), ledger.end_audio(call_ended(call_id)))
        call = await ledger.call(call_id)
        assert (call.state, call.complete) == (CallStatus.COMPLETED, True)
    await ledger.note_started(call_started("talking", protocol="upstream"))
    await ledger.note_transcript(live_completed("talking"))
    assert (await ledger.call("talking")).state is CallStatus.ACTIVE
    assert (await read_balance(ingest.engine, OPERATOR)).balanced


async def test_a_pause_is_kept_for_whoever_has_the_call(ingest: Ingest, ledger: CallLedger) -> None:
    """Who asked and why stands in the row; a peer that comes back elsewhere stays paused; a call that is over has no pause."""
    await ledger.begin(call_started(), **DOOR)
    for _ in range(2):
        paused = await ledger.set_paused(CALL, True, by="tester", reason="card number")
    assert (paused.paused, paused.pause_requested_by, paused.pause_reason) == (True, "tester", "card number")
    resumed = await ledger.resume(CALL, instance="ingest-2", caller=OPERATOR)
    assert (resumed.paused, resumed.instance) == (True, "ingest-2")
    assert [call.call_id for call in await ledger.open_calls(instance="ingest-2")] == [CALL]
    assert await ledger.open_calls(instance="ingest-1") == []
    await ledger.set_paused(CALL, False, by="tester")
    assert [state.paused for state in await told_of(ingest)] == [False, True, False]
    await ledger.end_audio(call_ended())
    with pytest.raises(CallAlreadyEnded):
        await ledger.set_paused(CALL, True, by="tester")
    with pytest.raises(CallAlreadyEnded):
        await ledger.resume(CALL, instance="ingest-2", caller=OPERATOR)
    with pytest.raises(NotThere):
        await ledger.resume("unknown", instance="ingest-2", caller=OPERATOR)


async def test_a_call_may_fail_before_its_audio_ends(ledger: CallLedger) -> None:
    """It can still be paused, and counts as open until its end comes, which changes no state."""
    await ledger.begin(call_started(), **DOOR)
    await ledger.note_transcript(live_failed())
    assert (await ledger.set_paused(CALL, True, by="tester")).paused
    assert len(await ledger.open_calls()) == 1
    assert await ledger.end_audio(call_ended(complete=False, reason="torn", error="the \0 socket is gone"))
    call = await ledger.call(CALL)
    assert (call.state, call.reason, call.end_reason) == (CallStatus.FAILED, "the codec is not known", "torn")
    assert call.end_error == "the \ufffd socket is gone"
    assert await ledger.open_calls() == []


async def test_a_call_that_never_got_onto_its_log_fails(ingest: Ingest, ledger: CallLedger) -> None:
    """Whoever finds it ends it, once."""
    await ledger.begin(call_started(), **DOOR)
    assert await ledger.fail(CALL, reason="ingest was killed before the call was on its log", error="never_logged")
    assert not await ledger.fail(CALL, reason="again", error="again")
    call = await ledger.call(CALL)
    assert (call.state, call.error, call.open) == (CallStatus.FAILED, "never_logged", False)
    assert (await read_balance(ingest.engine, OPERATOR)).balanced


async def test_roles_are_corrected_once_each(ingest: Ingest, ledger: CallLedger) -> None:
    """A correction goes onto the call's log while it is open; come back from there, or older, it changes nothing."""
    await ledger.begin(call_started(), **DOOR)
    swapped = [CallChannel(channel=0, role=Role.CUSTOMER), CallChannel(channel=1, role=Role.AGENT, participant="Bob")]
    for _ in range(2):
        call = await ledger.correct_roles(CALL, swapped, by="tester")
    assert [(entry.role, entry.participant) for entry in call.channels] == [(Role.CUSTOMER, "Ann"), (Role.AGENT, "Bob")]
    (logged,) = await told_of(ingest, "call-audio")
    assert isinstance(logged, RolesCorrected)
    assert (logged.channels, logged.corrected_by) == (call.channels, "tester")
    older = logged.model_copy(update={"channels": CHANNELS, "corrected_at": logged.corrected_at - timedelta(seconds=1)})
    assert (await ledger.note_roles(logged)).roles_revision == (await ledger.note_roles(older)).roles_revision == 1
    later = logged.model_copy(update={"channels": CHANNELS[:1], "corrected_at": logged.corrected_at + timedelta(hours=1)})
    assert [entry.role for entry in (await ledger.note_roles(later)).channels] == [Role.AGENT, Role.AGENT]
    assert [state.roles_revision for state in await told_of(ingest)] == [0, 1, 2]
    await ledger.end_audio(call_ended())
    after = await ledger.correct_roles(CALL, [CallChannel(channel=1, role=Role.IVR)], by="tester")
    assert (after.channels[1].role, after.roles_revision) == (Role.IVR, 3)
    assert len(await told_of(ingest, "call-audio")) == 1
    with pytest.raises(InvalidMetadata):
        await ledger.correct_roles(CALL, [CallChannel(channel=7)], by="tester")


async def test_more_becomes_known_of_a_call(ingest: Ingest, ledger: CallLedger) -> None:
    """Properties are added, a locale replaces the one before, and what is known already is not told again."""
    await ledger.begin(call_started(), **DOOR)
    for _ in range(2):
        await ledger.update(CALL, properties={"agent": "Ann"}, locale="de-DE")
    await ledger.update(CALL, properties={})
    call = await ledger.call(CALL)
    assert (call.properties, call.locale) == ({"queue": "sales", "agent": "Ann"}, "de-DE")
    assert len(await told_of(ingest)) == 2


async def test_an_end_is_asked_for(ingest: Ingest, ledger: CallLedger) -> None:
    """Whoever has the socket finds the wish; the log of an upstream system's call gets its end, where it was heard last."""
    await ledger.begin(call_started(), **DOOR)
    assert (await ledger.request_end(CALL, by="tester")).state is CallStatus.ACTIVE
    assert [call.end_requested_by for call in await ledger.open_calls(instance="ingest-1")] == ["tester"]
    await ledger.note_started(call_started("foreign"))
    await ledger.note_heard({"foreign": 800, CALL: 400})
    await ledger.note_heard({"foreign": 400})
    call = await ledger.request_end("foreign", by="tester")
    assert (call.state, call.end_reason, call.complete, call.heard_position) == (CallStatus.ENDING, "closed", False, 800)
    (end,) = await told_of(ingest, "call-audio")
    assert isinstance(end, CallEnded)
    assert (end.call_id, end.position, end.reason) == ("foreign", 800, "closed")
    assert not await ledger.end_audio(end)
    with pytest.raises(CallAlreadyEnded):
        await ledger.request_end("foreign", by="tester")


async def test_phrases_are_kept_once(ingest: Ingest, ledger: CallLedger) -> None:
    """Many at once, each twice; a newer revision replaces, an older one does not; a NUL in its id spoils no other."""
    phrases = [live_phrase(number) for number in range(100)]
    unusable = live_phrase(1, phrase_id="a\0b")
    corrected = live_phrase(5, revision=2, text="better \0")
    together = [*phrases, *reversed(phrases), corrected, unusable, live_phrase(5, revision=1, text="worse")]
    outcomes = await asyncio.gather(*(ledger.note_phrase(phrase) for phrase in together), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes if outcome is not None] == [UnusableId]
    await ledger.note_phrase(live_phrase(5, revision=1, text="worse"))
    rows = {row.sequence: row for row in await ingest.rows(call_phrases)}
    assert len(rows) == 100
    assert (rows[5].content["text"], rows[4].content["text"]) == ("better \ufffd", "phrase number 4")


async def test_a_live_pass_is_read_from_a_phrase_on(ingest: Ingest, ledger: CallLedger) -> None:
    """The phrases as they were published, in the order of their numbers, so many at once; and how many there are in the end."""
    queries = CallQueries(ingest.engine)
    said = [live_phrase(number, locale="en-IE", tenant="acme") for number in range(12)]
    for phrase in (*reversed(said), live_phrase(3, call_id="another")):
        await ledger.note_phrase(phrase)
    assert await queries.live_phrases(CALL, tenant="acme", first=0, limit=5) == (said[:5], None)
    assert await queries.live_phrases(CALL, tenant="acme", first=10, limit=5) == (said[10:], None)
    assert await queries.live_phrases("nobody", tenant="acme", first=0, limit=5) == ([], None)
    await handled(ingest, live_completed(tenant="acme"))
    assert (await queries.live_phrases(CALL, tenant="acme", first=12, limit=5))[1] == live_completed().phrase_count


async def test_live_passes_make_no_recordings(ingest: Ingest) -> None:
    """What comes back by Kafka of a live pass goes to its call; of a second pass to the recording and to the call."""
    await ingest.calls.begin(call_started(), **DOOR)
    second = live_completed(recording_id="better", supersedes=LIVE)
    for record in (live_started(), live_phrase(0), live_phrase(0, recording_id="other"), live_completed(), second, second):
        await handled(ingest, record)
    assert [row.recording_id for row in await ingest.rows(recordings)] == ["better"]
    assert len(await ingest.rows(call_phrases)) == 1
    assert (await ingest.calls.call(CALL)).current_recording_id == "better"
    for pretender in (
        RecordingSubmitted(call_id=CALL, recording_id=LIVE, url="https://audio.example/a.wav"),
        RecordingCancelled(call_id=CALL, recording_id=LIVE, cancelled_at=AT),
    ):
        with pytest.raises(LivePass):
            await handled(ingest, pretender)
    for unusable in (live_completed("a\0b"), second.model_copy(update={"supersedes": "a\0b"})):
        with pytest.raises(UnusableId):
            await handled(ingest, unusable)
    with pytest.raises(UnusableId):
        await ingest.calls.note_started(call_started("a\0b"))


async def handled(ingest: Ingest, record: CallRecord) -> None:
    """Hands a record over as the consumer does."""
    topic = next(topic for topic in (PHRASES, TRANSCRIPTS, RECORDINGS) if type(record).__name__ in topic.records)
    await ingest.results.handle(
        Message(topic=topic, partition=0, offset=0, key=record.call_id, record=record, headers={}, timestamp=AT)
    )


async def test_a_call_that_nobody_ends_ends(ingest: Ingest, ledger: CallLedger) -> None:
    """One that never got onto its log, start first, after an hour; one without a transcript once its audio is gone."""
    for call_id in ("unheard", "heard", "running"):
        await ledger.begin(call_started(call_id), **DOOR)
    for call_id in ("heard", "running"):
        assert not await ledger.note_started(call_started(call_id))
    # By the clock of its publisher it ended years ago.
    await ledger.end_audio(call_ended("heard", ended_at=AT.replace(year=2020)))

    async def look(later: timedelta) -> None:
        overdue = OverdueCalls(ledger, CallQueries(ingest.engine), clock=lambda: datetime.now(UTC) + later)
        for _ in range(2):
            await overdue.check()

    await look(timedelta(minutes=59))
    assert [call.call_id for call in await ledger.open_calls()] == ["unheard", "running"]
    await look(timedelta(minutes=61))
    assert [call.call_id for call in await ledger.open_calls()] == ["running"]
    start, end = await told_of(ingest, "call-audio")
    assert start == call_started("unheard")
    assert isinstance(end, CallEnded)
    assert (end.call_id, end.position, end.complete, end.reason) == ("unheard", 0, False, "ingest_lost")
    assert not await ledger.note_started(start)
    await look(timedelta(hours=49))
    assert [(await ledger.call(name)).state.value for name in ("unheard", "heard", "running")] == ["failed", "failed", "active"]
    call = await ledger.call("heard")
    assert (call.error, call.end_reason) == ("not_transcribed", "hangup")
    assert (await read_balance(ingest.engine, OPERATOR)).balanced


async def test_a_call_that_was_left_says_so_only_at_its_end(ingest: Ingest, ledger: CallLedger) -> None:
    """While it may go on it has no reason, and none after its peer came back; else it ends for the reason it was left for."""
    for call_id, instance in (("back", "0"), ("gone", "0"), ("elsewhere", "1")):
        await ledger.begin(call_started(call_id), door="stream", instance=instance, paused=False, chunk_ms=100)
    await ledger.leave(instance="0", reason="service_stopping")
    answer = (await ingest.client.get("/v1/calls/gone")).json()
    assert (answer["state"], answer["end_reason"]) == ("active", None)
    await ledger.resume("back", instance="0", caller=OPERATOR)
    for call_id, instance in (("back", "0"), ("gone", "0"), ("elsewhere", "1")):
        assert await ledger.end_lost(call_id, instance=instance, reason="ingest_lost", error="killed")
    reasons = {call_id: (await ledger.call(call_id)).end_reason for call_id in ("back", "gone", "elsewhere")}
    assert reasons == {"back": "ingest_lost", "gone": "service_stopping", "elsewhere": "ingest_lost"}


async def test_a_call_of_a_door_gives_way_to_one_that_was_on_the_log_before(ingest: Ingest, ledger: CallLedger) -> None:
    """Its id, its owner and its place are that call's from then on; the ledger balances."""
    await ledger.begin(call_started(writer="door-1", tenant="squatter", properties={"mine": "1"}), **DOOR)
    assert await ledger.note_started(call_started(tenant="owner", protocol=""))
    assert not await ledger.note_started(call_started(tenant="owner", protocol=""))
    call = await ledger.call(CALL)
    assert (call.tenant, call.door, call.instance, call.writer) == ("owner", "kafka", "", "")
    assert call.properties == {"queue": "sales"}
    assert await ledger.standing(instance="ingest-1") == []
    with pytest.raises(NotThere):
        await ledger.set_paused(CALL, True, by="", instance="ingest-1")
    with pytest.raises(CallIdInUse):
        await ledger.note_started(call_started(writer="door-1", tenant="squatter", properties={"mine": "1"}))
    assert [state.tenant for state in await told_of(ingest)] == ["squatter", "owner"]
    await ledger.end_audio(call_ended())
    await ledger.note_transcript(live_completed(tenant="owner"))
    assert await steps(ingest) == [(None, "active"), ("active", "ending"), ("ending", "completed")]
    assert (await read_balance(ingest.engine, OPERATOR)).balanced


async def test_a_call_of_a_door_that_is_on_the_log_keeps_its_id(ledger: CallLedger) -> None:
    """Who was first on the log has it."""
    first = call_started(writer="door-1", tenant="owner")
    await ledger.begin(first, **DOOR)
    assert not await ledger.note_started(first)
    with pytest.raises(CallIdInUse):
        await ledger.note_started(call_started(tenant="squatter"))
    assert (await ledger.call(CALL)).tenant == "owner"


async def test_what_was_said_in_another_ones_call_by_the_same_id_is_not_shown(ingest: Ingest, ledger: CallLedger) -> None:
    """Neither its phrases nor its end, in the time before that is known to be the one that was first."""
    queries = CallQueries(ingest.engine)
    await ledger.begin(call_started(writer="door-1", tenant="squatter"), **DOOR)
    await ledger.note_phrase(live_phrase(0, tenant="owner"))
    ringing = Observation(kind="tone", channel=0, start_ms=0, duration_ms=900)
    await ledger.note_transcript(live_completed(tenant="owner", observations=(ringing,)))
    call, events = await queries.with_events(CALL, caller=OPERATOR)
    assert (call.state, await queries.phrases(call), events) == (CallStatus.ACTIVE, (), [])
    assert (await queries.with_passes(CALL, caller=OPERATOR))[1] == []
    assert await queries.live_phrases(CALL, tenant="squatter", first=0, limit=9) == ([], None)
    await ledger.note_started(call_started(tenant="owner"))
    await ledger.end_audio(call_ended())
    call, events = await queries.with_events(CALL, caller=OPERATOR)
    assert (call.state, len(await queries.phrases(call)), len(events)) == (CallStatus.COMPLETED, 1, 1)
    assert len((await queries.live_phrases(CALL, tenant="owner", first=0, limit=9))[0]) == 1
