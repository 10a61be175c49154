"""The one table of legal transitions."""

from hypothesis import given
from hypothesis import strategies as st
from steno_ingest.balance import LedgerBalance, Tally, tally_of_calls, tally_of_recordings
from steno_ingest.recordings.states import ENDED, TRANSITIONS, State, may_become

from steno.events.records import CallStatus

WISHES = st.lists(st.sampled_from(State), max_size=20)


def walk(wishes: list[State]) -> list[State]:
    """The states a recording comes to when these are asked of it one after the other."""
    states = [State.ACCEPTED]
    for wish in wishes:
        if may_become(states[-1], wish):
            states.append(wish)
    return states


@given(WISHES)
def test_a_recording_ends_at_most_once_and_for_good(wishes: list[State]) -> None:
    """Whatever is asked of it in whatever order, no state comes twice, and nothing follows an end."""
    states = walk(wishes)
    assert len(set(states)) == len(states)
    assert all(not state.ended for state in states[:-1])


@given(WISHES)
def test_the_first_end_that_is_asked_for_wins(wishes: list[State]) -> None:
    """Every recording may end from where it stands, and then stays there."""
    first = next((wish for wish in wishes if wish.ended), None)
    last = walk(wishes)[-1]
    assert last is first if first is not None else not last.ended


def test_every_state_is_in_the_table() -> None:
    """The ends are the four that the ledger counts; nothing leads back to accepted."""
    assert set(TRANSITIONS) == set(State)
    assert set(ENDED) == {State.COMPLETED, State.NO_SPEECH, State.FAILED, State.CANCELLED}
    assert not any(State.ACCEPTED in targets for targets in TRANSITIONS.values())


def kept(walks: list[list[State]]) -> Tally[State]:
    """The tally of recordings that went these ways."""
    steps: dict[tuple[State | None, State], int] = {}
    rows: dict[State, int] = {}
    for states in walks:
        for step in zip([None, *states], states, strict=False):
            steps[step] = steps.get(step, 0) + 1
        rows[states[-1]] = rows.get(states[-1], 0) + 1
    return tally_of_recordings(rows, steps)


def balance(recordings: Tally[State], *, calls: Tally[CallStatus] | None = None, unpublished: int = 0) -> LedgerBalance:
    """A balance with this tally of recordings."""
    return LedgerBalance(recordings=recordings, calls=calls or tally_of_calls({}, {}), unpublished=unpublished)


@given(st.lists(WISHES, max_size=10))
def test_books_of_legal_ways_balance(ways: list[list[State]]) -> None:
    """Whatever became of recordings, their ledger balances, and count all of them as accepted."""
    tally = kept([walk(way) for way in ways])
    assert tally.balanced
    assert tally.accepted == len(ways)
    assert balance(tally).balanced


@given(st.lists(WISHES, min_size=1, max_size=10), st.sampled_from(State), st.sampled_from([-1, 1]))
def test_a_row_too_many_or_too_few_shows(ways: list[list[State]], state: State, difference: int) -> None:
    """A ledger with one row more or less in any state does not balance, nor with a recording that nobody will publish."""
    tally = kept([walk(way) for way in ways])
    wrong = tally_of_recordings({**tally.rows, state: tally.rows.get(state, 0) + difference}, tally.steps)
    assert not wrong.balanced
    assert not balance(wrong).balanced
    assert not balance(tally, unpublished=1).balanced


def test_a_step_that_is_not_legal_shows() -> None:
    """Counts that add up do not make an illegal step legal."""
    steps = {(None, State.ACCEPTED): 1, (State.ACCEPTED, State.FAILED): 1, (State.FAILED, State.COMPLETED): 1}
    assert not tally_of_recordings({State.COMPLETED: 1}, steps).balanced


def test_a_call_that_ended_twice_shows() -> None:
    """The counts of both are needed to balance: recordings that do hide no call that does not."""
    steps = {
        (None, CallStatus.ACTIVE): 1,
        (CallStatus.ACTIVE, CallStatus.COMPLETED): 1,
        (CallStatus.COMPLETED, CallStatus.FAILED): 1,
    }
    assert not balance(kept([]), calls=tally_of_calls({CallStatus.FAILED: 1}, steps)).balanced
    assert balance(kept([]), calls=tally_of_calls({CallStatus.ACTIVE: 1}, {(None, CallStatus.ACTIVE): 1})).balanced
