"""The pause gate: who pauses a call, what the peer is asked, and what the ledger has of it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from steno_ingest.calls.hosting.gate import PauseGate
from steno_ingest.calls.ledger.changes import Changes, new_call, set_paused
from steno_ingest.calls.ledger.pauses import PAUSES, RESUMES, TRANSITIONS, Ask, GateInput, GateState, Holder
from steno_ingest.calls.ledger.view import CallView
from support.calls import AT, call_started


def test_the_table_is_complete() -> None:
    """Every input has an outcome in every state: nothing about a pause is decided elsewhere."""
    assert set(TRANSITIONS) == set(GateState)
    assert all(set(row) == set(GateInput) for row in TRANSITIONS.values())


@given(st.lists(st.sampled_from(GateInput)))
def test_a_call_is_paused_while_anybody_pauses_it(inputs: list[GateInput]) -> None:
    """In whatever order: the gate is closed as long as one of the two has paused and not resumed."""
    gate, pausing = PauseGate(), set[Holder]()
    for told in inputs:
        gate.apply(told)
        for holder in Holder:
            if told is PAUSES[holder]:
                pausing.add(holder)
            elif told is RESUMES[holder]:
                pausing.discard(holder)
        assert gate.closed is bool(pausing)
        assert gate.closed_by_peer is (Holder.PEER in pausing)


@given(st.lists(st.sampled_from(GateInput)))
def test_the_peer_is_asked_for_what_the_service_wants(inputs: list[GateInput]) -> None:
    """It is asked to pause when the service begins to, and when it resumes against that, to resume when the service does."""
    gate = PauseGate()
    for told in inputs:
        by_service = gate.state.by_service
        expected = {
            GateInput.PEER_PAUSES: None,
            GateInput.PEER_RESUMES: Ask.PAUSE if by_service else None,
            GateInput.SERVICE_PAUSES: None if by_service else Ask.PAUSE,
            GateInput.SERVICE_RESUMES: Ask.RESUME,
        }[told]
        assert gate.after(told).ask is expected
        gate.apply(told)


def test_the_ledger_is_told_while_it_has_it_otherwise() -> None:
    """Until it is known there that the peer pauses, and again once the peer goes on; what the service does stands there."""
    gate = PauseGate()
    gate.apply(GateInput.PEER_PAUSES)
    assert gate.ledger_differs
    gate.note_ledger(GateState.BY_PEER)
    gate.apply(GateInput.SERVICE_PAUSES)
    assert not gate.ledger_differs
    gate.apply(GateInput.PEER_RESUMES)
    assert gate.ledger_differs


def test_what_was_asked_elsewhere_is_read_from_the_ledger() -> None:
    """A pause of the service is applied, and ended where it was known to stand there; one of the peer asks for nothing."""
    gate, call = PauseGate(), new()
    paused = changed(call, set_paused(call, True, by="desk", reason=""))
    assert gate.change_from_ledger(paused) is GateInput.SERVICE_PAUSES
    assert gate.change_from_ledger(new(paused=True)) is None
    assert gate.change_from_ledger(new()) is None
    gate.note_ledger(GateState.BY_SERVICE)
    assert gate.change_from_ledger(new()) is GateInput.SERVICE_RESUMES


def test_the_peer_is_asked_once_to_go_on_by_what_was_asked_elsewhere() -> None:
    """The ledger has it until the peer was asked, and its process says how it stands."""
    gate, call = PauseGate(), new(paused=True)
    gate.apply(GateInput.PEER_PAUSES)
    gate.note_ledger(call.gate)
    call = changed(call, set_paused(call, False, by="desk", reason=""))
    assert call.gate is GateState.BY_PEER
    assert gate.change_from_ledger(call) is GateInput.SERVICE_RESUMES
    gate.note_ledger(call.gate, resume_requested=True)
    assert gate.ledger_differs
    call = changed(call, set_paused(call, True, by="", reason=""))
    assert gate.change_from_ledger(call) is None


def test_an_answer_from_before_is_known_by_its_revision() -> None:
    """Whatever is learnt of the ledger makes what it was asked before out of date."""
    gate = PauseGate()
    before = gate.revision
    gate.note_ledger(GateState.OPEN)
    assert gate.revision > before


@given(st.lists(st.sampled_from(GateInput)))
def test_the_ledger_goes_by_the_same_rule(inputs: list[GateInput]) -> None:
    """Whoever is told what: who pauses the call is the same in the row as at the gate, and who asked is known while they do."""
    gate, call = PauseGate(), new()
    for told in inputs:
        gate.apply(told)
        by = "desk" if told in (GateInput.SERVICE_PAUSES, GateInput.SERVICE_RESUMES) else ""
        pauses = told in (GateInput.PEER_PAUSES, GateInput.SERVICE_PAUSES)
        call = changed(call, set_paused(call, pauses, by=by, reason="card"))
        assert call.gate is gate.state
        assert call.paused is gate.closed
        assert not gate.state.by_service or call.pause_requested_by == "desk"


@pytest.mark.parametrize(
    ("paused", "requested_by", "state"),
    [(False, "desk", GateState.OPEN), (True, "", GateState.BY_PEER), (True, "desk", GateState.BY_SERVICE)],
)
def test_what_an_earlier_version_wrote_is_read(paused: bool, requested_by: str, state: GateState) -> None:
    """It says of a paused call either that somebody asked for it, or that its peer did."""
    assert replace(new(), paused=paused, pause_requested_by=requested_by).gate is state


def new(*, paused: bool = False) -> CallView:
    return new_call(call_started(), door="stream", instance="0", paused=paused, chunk_ms=100, at=AT)


def changed(call: CallView, changes: Changes) -> CallView:
    return replace(call, **changes)
