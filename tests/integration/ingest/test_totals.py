"""What has ended is counted once into totals, and the ledger that is read from them is that of a recount."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from steno_ingest import totals
from steno_ingest.balance import read_balance
from steno_ingest.recordings.states import State, may_become
from steno_ingest.recordings.view import Step
from steno_ingest.totals import RECORDINGS, Totals
from support.callers import OPERATOR
from support.ingest import Ingest

from steno.events.records import RecordingSubmitted
from steno.tenants import Caller

AT = datetime(2030, 5, 4, 3, 2, 1, tzinfo=UTC)


async def ended(ingest: Ingest, *, count: int, state: State = State.COMPLETED, tenant: str = "") -> None:
    """Recordings that came, were begun and ended."""
    for number in range(count):
        recording_id = f"{tenant}-{state}-{number}"
        await ingest.ledger.note_submission(
            RecordingSubmitted(call_id="call", recording_id=recording_id, url="https://e.example/a", tenant=tenant)
        )
        for step in (State.RUNNING, state):
            await ingest.ledger.note_step(recording_id, "call", Step(state=step, at=AT + timedelta(seconds=number)))


async def numbers(ingest: Ingest, caller: Caller, *, recount: bool) -> tuple[Any, ...]:
    balance = await read_balance(ingest.engine, caller, recount=recount)
    return balance.recordings.rows, balance.recordings.steps, balance.balanced


async def execute(ingest: Ingest, statement: str) -> None:
    async with ingest.engine.begin() as connection:
        await connection.execute(text(statement))


async def test_the_ledger_reads_the_same_before_and_after_counting(ingest: Ingest) -> None:
    """For whoever sees everything and for each tenant; what comes later is added, and nothing is counted twice."""
    callers = (OPERATOR, Caller("crm", tenant="acme"), Caller("pbx", tenant="other"))
    await ended(ingest, count=3, tenant="acme")
    await ended(ingest, count=2, state=State.FAILED)
    await ingest.ledger.note_submission(RecordingSubmitted(call_id="call", recording_id="open", url="https://e.example/a"))
    before = [await numbers(ingest, caller, recount=False) for caller in callers]
    assert [sum(rows.values()) for rows, _, _ in before] == [6, 3, 0]
    counter = Totals(ingest.engine)
    for _ in range(2):
        await counter.count()
        assert [await numbers(ingest, caller, recount=False) for caller in callers] == before
        assert [await numbers(ingest, caller, recount=True) for caller in callers] == before
    await ended(ingest, count=4, state=State.NO_SPEECH, tenant="other")
    await counter.count()
    assert [(await numbers(ingest, caller, recount=True))[0] for caller in callers] == [
        {State.COMPLETED: 3, State.FAILED: 2, State.NO_SPEECH: 4, State.ACCEPTED: 1},
        {State.COMPLETED: 3},
        {State.NO_SPEECH: 4},
    ]


async def test_one_whose_entries_do_not_lead_to_its_state_is_named_and_not_counted(ingest: Ingest) -> None:
    """The ledger does not balance until it is mended; the others are counted."""
    await ended(ingest, count=2)
    await execute(ingest, "UPDATE recordings SET state = 'failed' WHERE recording_id = '-completed-1'")
    counter = Totals(ingest.engine)
    with structlog.testing.capture_logs() as logs:
        await counter.count()
        await counter.count()
    assert [(line["event"], line["id"]) for line in logs] == [("ledger.disagrees", "-completed-1")]
    assert not (await read_balance(ingest.engine, OPERATOR)).balanced
    assert not (await read_balance(ingest.engine, OPERATOR, recount=True)).balanced
    await execute(ingest, "UPDATE recordings SET state = 'completed'")
    await counter.count()
    assert await numbers(ingest, OPERATOR, recount=True) == await numbers(ingest, OPERATOR, recount=False)
    assert (await read_balance(ingest.engine, OPERATOR, recount=True)).balanced


async def test_many_that_disagree_do_not_keep_others_from_being_counted(
    ingest: Ingest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are passed over, more of them than are looked at together."""
    monkeypatch.setattr(totals, "_BATCH", 2)
    await ended(ingest, count=5)
    await execute(ingest, "UPDATE recordings SET state = 'failed'")
    await ended(ingest, count=3, state=State.NO_SPEECH)
    await Totals(ingest.engine).count()
    async with ingest.engine.connect() as connection:
        counted = (await connection.execute(text("SELECT recording_id FROM recordings WHERE counted"))).scalars().all()
    assert sorted(counted) == [f"-no_speech-{number}" for number in range(3)]


async def test_a_recount_shows_what_was_changed_after_it_was_counted(ingest: Ingest) -> None:
    """A row past its entries, an entry that is gone: the totals do not contain that, a recount does, by REST as well."""
    await ended(ingest, count=2)
    await Totals(ingest.engine).count()
    for harm, repair in [
        ("UPDATE recordings SET state = 'failed'", "UPDATE recordings SET state = 'completed'"),
        ("UPDATE totals SET count = count + 1", "UPDATE totals SET count = count - 1"),
    ]:
        await execute(ingest, harm)
        answer = await ingest.client.get("/v1/ledger", params={"recount": "true"})
        assert answer.json()["balanced"] is False, harm
        await execute(ingest, repair)
        answer = await ingest.client.get("/v1/ledger", params={"recount": "true"})
        assert answer.json()["balanced"] is True, repair


async def test_a_recording_that_was_counted_before_its_submission_came_moves_to_its_tenant(ingest: Ingest) -> None:
    """Results came first; who submitted it is known only then."""
    acme = Caller("crm", tenant="acme")
    await ingest.ledger.note_step("recording", "call", Step(state=State.COMPLETED, at=AT))
    await Totals(ingest.engine).count()
    assert (await numbers(ingest, acme, recount=False))[0] == {}
    submitted = RecordingSubmitted(call_id="call", recording_id="recording", url="https://e.example/a", tenant="acme")
    await ingest.ledger.note_submission(submitted)
    for _ in range(2):
        for caller in (acme, OPERATOR):
            assert await numbers(ingest, caller, recount=True) == await numbers(ingest, caller, recount=False)
            assert (await numbers(ingest, caller, recount=True))[0] == {State.COMPLETED: 1}
        await Totals(ingest.engine).count()


@given(st.lists(st.sampled_from(State), max_size=6), st.sampled_from(State))
def test_entries_agree_with_a_state_if_they_lead_to_it_legally(wishes: list[State], state: State) -> None:
    """From nothing by the first state, each step from where the one before ended."""
    walk = [State.ACCEPTED]
    for wish in wishes:
        if may_become(walk[-1], wish):
            walk.append(wish)
    steps = list(zip([None, *walk], walk, strict=False))
    assert RECORDINGS.agrees(walk[-1], steps)
    assert RECORDINGS.agrees(state, steps) is (state is walk[-1])
    assert not RECORDINGS.agrees(walk[-1], steps[1:])
    assert not RECORDINGS.agrees(walk[-1], [*steps, steps[-1]])
