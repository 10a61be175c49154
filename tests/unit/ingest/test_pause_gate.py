"""The pause gate: who pauses a call, what the peer is asked, and what the ledger has of it."""

from hypothesis import given
from hypothesis import strategies as st
from steno_ingest.calls.hosting.gate import PAUSES, RESUMES, TRANSITIONS, Ask, GateInput, GateState, Holder, PauseGate


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
        by_service = gate.state in (GateState.BY_SERVICE, GateState.BY_BOTH)
        expected = {
            GateInput.PEER_PAUSES: None,
            GateInput.PEER_RESUMES: Ask.PAUSE if by_service else None,
            GateInput.SERVICE_PAUSES: None if by_service else Ask.PAUSE,
            GateInput.SERVICE_RESUMES: Ask.RESUME,
        }[told]
        assert gate.after(told).ask is expected
        gate.apply(told)


def test_the_ledger_is_told_while_it_has_it_otherwise() -> None:
    """Until it is known to have the call paused, and again once the call goes on."""
    gate = PauseGate()
    gate.apply(GateInput.PEER_PAUSES)
    assert gate.ledger_differs
    gate.note_ledger(paused=True)
    assert not gate.ledger_differs
    gate.apply(GateInput.PEER_RESUMES)
    assert gate.ledger_differs


def test_what_was_asked_elsewhere_is_read_from_the_ledger() -> None:
    """A pause by somebody's name is the service's; one without is the peer's and asks for nothing; a known pause is ended."""
    gate = PauseGate()
    assert gate.asked_by_ledger(paused=True, requested_by="desk") is GateInput.SERVICE_PAUSES
    assert gate.asked_by_ledger(paused=True, requested_by="") is None
    assert gate.asked_by_ledger(paused=False, requested_by="desk") is None
    gate.note_ledger(paused=True)
    assert gate.asked_by_ledger(paused=False, requested_by="desk") is GateInput.SERVICE_RESUMES


def test_an_answer_from_before_is_known_by_its_revision() -> None:
    """Whatever is learnt of the ledger makes what it was asked before out of date."""
    gate = PauseGate()
    before = gate.revision
    gate.note_ledger(paused=False)
    assert gate.revision > before
