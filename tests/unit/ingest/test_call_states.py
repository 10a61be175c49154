"""The states of calls, the rule which transcript counts, and what is told of a call in any order."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from steno_ingest.calls.ledger.changes import apply_passes, correct_roles, end_audio, new_call
from steno_ingest.calls.ledger.passes import Pass, current_pass, pass_of
from steno_ingest.calls.ledger.states import ENDED, TRANSITIONS, may_become
from steno_ingest.calls.ledger.view import CallView, fingerprint, record_of
from steno_ingest.errors import InvalidMetadata
from support.calls import AT, CALL, CHANNELS, call_ended, call_started, live_completed, live_failed

from steno.events import ids
from steno.events.codec import Codec
from steno.events.records import CallChannel, CallEnded, CallStatus, Role, RolesCorrected, TranscriptCompleted, TranscriptFailed
from steno.events.schemas import ShippedSchemaIds

WISHES = st.lists(st.sampled_from(CallStatus), max_size=12)
LIVE = ids.live_pass_id(CALL)


@given(WISHES)
def test_a_call_ends_at_most_once_and_for_good(wishes: list[CallStatus]) -> None:
    """Whatever is asked of it in whatever order: the first end counts, no state comes twice, nothing follows an end."""
    states = [CallStatus.ACTIVE]
    for wish in wishes:
        if may_become(states[-1], wish):
            states.append(wish)
    first = next((wish for wish in wishes if wish in ENDED), None)
    assert len(set(states)) == len(states)
    assert not set(states[:-1]) & set(ENDED)
    assert states[-1] is first if first is not None else states[-1] in (CallStatus.ACTIVE, CallStatus.ENDING)


def test_every_state_is_in_the_table() -> None:
    """The ends are the three that the ledger counts; nothing leads back to active."""
    assert set(TRANSITIONS) == set(CallStatus)
    assert set(ENDED) == {CallStatus.COMPLETED, CallStatus.NO_SPEECH, CallStatus.FAILED}
    assert not any(CallStatus.ACTIVE in targets for targets in TRANSITIONS.values())


def call() -> CallView:
    """A call that has begun."""
    return new_call(call_started(), door="stream", instance="ingest-1", paused=False, chunk_ms=100, at=AT)


Told = CallEnded | TranscriptCompleted | TranscriptFailed | RolesCorrected


def model(told: Sequence[Told]) -> CallView:
    """The call once all this was told of it, as the ledger applies it but without a database."""
    view, passes = call(), dict[str, Pass]()
    for record in told:
        match record:
            case CallEnded():
                changes = end_audio(view, record, passes.values()) if view.open else {}
            case RolesCorrected():
                changes = correct_roles(view, record.channels, record.corrected_at)
            case _:
                outcome = pass_of(record)
                assert outcome is not None
                passes.setdefault(outcome.recording_id, outcome)
                changes = apply_passes(view, passes.values())
        view = replace(view, **changes)
    return view


def roles(minute: int, *channels: CallChannel) -> RolesCorrected:
    """A correction at this minute."""
    return RolesCorrected(call_id=CALL, channels=channels, corrected_at=AT + timedelta(minutes=minute))


STORY: list[Told] = [
    roles(1, CallChannel(channel=0, role=Role.CUSTOMER), CallChannel(channel=1, role=Role.AGENT)),
    call_ended(),
    live_completed(),
    roles(2, CallChannel(channel=0, role=Role.AGENT), CallChannel(channel=1, role=Role.IVR)),
    live_completed(recording_id="better", supersedes=LIVE, completed_at=AT + timedelta(minutes=5)),
    live_completed(recording_id="best", supersedes="better", completed_at=AT + timedelta(minutes=9)),
]


@given(st.permutations([*range(len(STORY)), *range(len(STORY))]))
def test_the_order_plays_no_part(order: list[int]) -> None:
    """Every record twice and in any order: the same state, end, roles and current pass."""
    view = model([STORY[place] for place in order])
    assert (view.state, view.end_reason, view.complete, view.ended_at) == (
        CallStatus.COMPLETED, "hangup", True, AT + timedelta(minutes=1),
    )  # fmt: skip
    assert [entry.role for entry in view.channels] == [Role.AGENT, Role.IVR]
    assert view.channels[0].participant == "Ann"
    assert view.current_recording_id == "best"
    assert 1 <= view.roles_revision <= 2


@given(st.permutations([live_failed(), call_ended(), call_ended()]))
def test_a_failed_call_says_why_and_how_it_ended(told: list[Told]) -> None:
    """Whichever comes first: why it failed counts for Kafka, how its audio ended is kept beside."""
    view = model(told)
    assert (view.state, view.reason, view.error, view.end_reason) == (
        CallStatus.FAILED, "the codec is not known", "unknown_codec", "hangup",
    )  # fmt: skip
    assert record_of(view).reason == "the codec is not known"
    assert view.current_recording_id == ""


def test_a_call_without_a_word_is_no_speech() -> None:
    """No phrase is a result too, and one that counts."""
    view = model([live_completed(phrase_count=0), call_ended()])
    assert (view.state, view.current_recording_id) == (CallStatus.NO_SPEECH, LIVE)


@given(st.permutations([live_completed(), call_ended(), roles(1, CallChannel(channel=0, role=Role.AGENT)), live_completed()]))
def test_a_call_that_is_over_has_all_that_is_known_of_its_end(told: list[Told]) -> None:
    """Whichever topic is read first: no moment shows a call as completed and not complete."""
    for count in range(len(told) + 1):
        view = model(told[:count])
        if view.state in ENDED:
            assert (view.complete, view.end_reason, view.ended_at) == (True, "hangup", AT + timedelta(minutes=1))


PASSES = st.lists(
    st.builds(
        Pass,
        call_id=st.just(CALL),
        recording_id=st.sampled_from([LIVE, "a", "b", "c", "d"]),
        supersedes=st.sampled_from(["", LIVE, "a", "b", "c", "d"]),
        state=st.sampled_from(ENDED),
        at=st.integers(0, 3).map(lambda hour: AT + timedelta(hours=hour)),
    ),
    unique_by=lambda entry: entry.recording_id,
)


@given(PASSES)
def test_one_pass_counts_whatever_they_claim(passes: list[Pass]) -> None:
    """Also of passes that supersede each other in a circle there is one, completed, and the same in any order."""
    current = current_pass(LIVE, passes)
    completed = {entry.recording_id for entry in passes if entry.state is not CallStatus.FAILED}
    assert current in completed | {""}
    assert current_pass(LIVE, list(reversed(passes))) == current
    if LIVE in completed or any(entry.supersedes == LIVE and entry.recording_id in completed - {LIVE} for entry in passes):
        assert current != ""


def test_a_failed_pass_takes_nobodys_place() -> None:
    """The live transcript counts on; a recording that supersedes nothing is none of the call's."""
    assert pass_of(live_failed(recording_id="better")) is None
    assert pass_of(live_completed(recording_id="other")) is None
    assert model([live_completed()]).current_recording_id == LIVE


def test_a_channel_that_is_not_there_has_no_role() -> None:
    """The fault is named by its place, with the channels there are."""
    with pytest.raises(InvalidMetadata, match="its channels are 0, 1") as error:
        correct_roles(call(), [CHANNELS[0], CallChannel(channel=5)], AT)
    assert error.value.faults[0].where == "channels.1.channel"


def test_the_same_start_is_the_same_after_kafka() -> None:
    """A start that comes back from the log is known again, whatever the order of its properties; another is not."""
    started = call_started(properties={"b": "1", "a": "2"})
    codec = Codec(ShippedSchemaIds())
    back = codec.decode(codec.encode(started))
    assert fingerprint(back) == fingerprint(started)  # type: ignore[arg-type]
    assert fingerprint(call_started(properties={"a": "2", "b": "1"})) == fingerprint(started)
    assert fingerprint(call_started(started_at=AT + timedelta(microseconds=1))) != fingerprint(call_started())
