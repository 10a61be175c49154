"""Summaries of live calls: roles corrected, transcripts that do not come, calls that nobody ends; killed anywhere."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from support.enricher_world import GRACE, INACTIVE, NOW, World, run

from steno.events.catalogue import CALL_SUMMARIES
from steno.events.ids import live_pass_id, phrase_id
from steno.events.records import (
    CallChannel,
    CallRecord,
    CallState,
    CallStatus,
    CallSummary,
    Phrase,
    Role,
    TranscriptCompleted,
    TranscriptFailed,
)

CALL = 'a "call"'
LIVE = live_pass_id(CALL)
SECOND = "recording-of-the-call"
Step = CallRecord | timedelta
MOMENT = timedelta(seconds=1)


def _phrase(sequence: int, *, recording: str = LIVE, role: Role = Role.UNKNOWN) -> Phrase:
    return Phrase(
        call_id=CALL,
        recording_id=recording,
        phrase_id=phrase_id(CALL, recording, sequence % 2, sequence * 1000),
        sequence=sequence,
        channel=sequence % 2,
        role=role,
        start_ms=sequence * 1000,
        duration_ms=900,
        text=f"word{sequence} refund",
        confidence=1.0,
    )


def _completed(phrases: int, *, recording: str = LIVE, supersedes: str = "") -> TranscriptCompleted:
    return TranscriptCompleted(
        call_id=CALL,
        recording_id=recording,
        supersedes=supersedes,
        result_url="",
        phrase_count=phrases,
        channel_count=2,
        duration_ms=60_000,
        properties={"campaign": "spring"},
        completed_at=NOW,
    )


def _state(
    state: CallStatus = CallStatus.ACTIVE, *roles: Role, revision: int = 0, written: int = 0, **properties: str
) -> CallState:
    return CallState(
        call_id=CALL,
        recording_id=LIVE,
        state=state,
        channels=tuple(CallChannel(channel=number, role=role) for number, role in enumerate(roles or [Role.UNKNOWN] * 2)),
        roles_revision=revision,
        properties=properties,
        started_at=NOW,
        updated_at=NOW + timedelta(seconds=written),
    )


def _world(steps: Sequence[Step], *, kills: Sequence[tuple[int, int]] = ()) -> World:
    world = World()
    asyncio.run(run(world, steps, kills))
    return world


def _summaries(world: World, recording: str = LIVE) -> list[CallSummary]:
    """The revisions of a pass in their order. However often one came, it always said the same."""
    found: dict[int, CallSummary] = {}
    for summary in world.of(CALL_SUMMARIES):
        assert isinstance(summary, CallSummary)
        if summary.recording_id == recording:
            plain = summary.model_copy(update={"summarised_at": NOW})
            assert found.setdefault(summary.revision, plain) == plain
    assert list(found) == list(range(len(found)))
    return list(found.values())


def _roles(summary: CallSummary) -> list[Role]:
    return [speaker.role for speaker in summary.speakers]


def _plain(summary: CallSummary) -> CallSummary:
    return summary.model_copy(update={"revision": 0, "summarised_at": NOW})


@settings(max_examples=75)
@given(st.data())
def test_roles_corrected_at_any_moment_give_the_same_last_summary(data: st.DataObject) -> None:
    """States, phrases and completions of both passes in any order, some again, killed anywhere, time passing: one end."""
    count = data.draw(st.integers(0, 4), label="phrases")
    straight: list[CallRecord] = [
        _state(),
        *(_phrase(n) for n in range(count)),
        _state(CallStatus.ACTIVE, Role.AGENT, Role.CUSTOMER, revision=1, written=1),
        _state(CallStatus.ENDING, Role.AGENT, Role.CUSTOMER, revision=1, written=2),
        _completed(count),
        *(_phrase(n, recording=SECOND) for n in range(count)),
        _completed(count, recording=SECOND, supersedes=LIVE),
        _state(CallStatus.COMPLETED, Role.CUSTOMER, Role.AGENT, revision=2, written=3),
    ]
    again = data.draw(st.lists(st.sampled_from(straight), max_size=4), label="again")
    pauses = data.draw(st.lists(st.sampled_from([MOMENT, GRACE + MOMENT]), max_size=3), label="pauses")
    disturbed: list[Step] = data.draw(st.permutations([*straight, *again, *pauses]), label="disturbed")
    kills = data.draw(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 3)), max_size=6), label="kills")

    undisturbed, world = _world(straight), _world(disturbed, kills=kills)
    for recording in (LIVE, SECOND):
        wanted, found = _summaries(undisturbed, recording)[-1], _summaries(world, recording)[-1]
        assert _plain(found) == _plain(wanted)
        assert _roles(found) == [Role.CUSTOMER, Role.AGENT][:count]
        assert found.supersedes == (LIVE if recording == SECOND else "")


def test_a_correction_after_the_summary_is_a_revision_of_it() -> None:
    """Both passes are told again with the new roles and the same numbers, once; a state that says nothing new is not."""
    told: list[Step] = [
        _state(),
        _phrase(0),
        _phrase(1),
        _completed(2),
        _phrase(0, recording=SECOND),
        _completed(1, recording=SECOND, supersedes=LIVE),
    ]
    corrected = _state(CallStatus.COMPLETED, Role.AGENT, Role.CUSTOMER, revision=1, written=1)
    world = _world([*told, _state(CallStatus.COMPLETED, written=2), corrected, corrected])
    first, second = _summaries(world)
    assert (_roles(first), _roles(second)) == ([Role.UNKNOWN] * 2, [Role.AGENT, Role.CUSTOMER])
    assert second.model_copy(update={"speakers": first.speakers, "revision": 0}) == first
    assert [_roles(summary) for summary in _summaries(world, SECOND)] == [[Role.UNKNOWN], [Role.AGENT]]


def test_a_recording_that_takes_no_pass_s_place_keeps_its_own_roles() -> None:
    """Another recording of the call may have its channels the other way round: the call's roles are not its."""
    mine: list[Step] = [_phrase(0, recording=SECOND, role=Role.IVR), _completed(1, recording=SECOND)]
    (summary,) = _summaries(_world([*mine, _state(CallStatus.ACTIVE, Role.AGENT, Role.CUSTOMER, revision=1)]), SECOND)
    assert _roles(summary) == [Role.IVR]


def test_a_call_whose_transcript_does_not_come_is_summarised_after_the_grace() -> None:
    """What is there is told once after the silence, phrases behind a missing one too; and again when the rest has come."""
    ended = [_state(CallStatus.ENDING, Role.AGENT, written=1, team="blue"), _phrase(0), _phrase(2)]
    waiting: list[Step] = [_state(), *ended, GRACE - MOMENT]
    assert _summaries(_world(waiting)) == []
    partial: list[Step] = [*waiting, MOMENT, GRACE * 2]
    (summary,) = _summaries(_world(partial))
    assert (summary.phrase_count, summary.duration_ms, summary.silence_ms) == (2, 2900, 1100)
    assert (summary.properties, _roles(summary)) == ({"team": "blue"}, [Role.UNKNOWN])
    _, last = _summaries(_world([*partial, _completed(3), _phrase(1)]))
    assert (last.phrase_count, last.duration_ms, last.properties) == (3, 60_000, {"campaign": "spring"})


def test_phrases_that_come_after_the_grace_are_told_after_another() -> None:
    """A transcript that never completes: each silence ends in a summary of what came before it, and nothing is told twice."""
    over = _state(CallStatus.ENDING, written=1)
    failed = TranscriptFailed(call_id=CALL, recording_id=LIVE, reason="?", error="engine", failed_at=NOW)
    world = _world([_phrase(0), over, GRACE, _phrase(1), failed, GRACE, GRACE, INACTIVE, timedelta(hours=2)])
    assert [summary.phrase_count for summary in _summaries(world)] == [1, 2]
    assert list(world.changelog) == [b'["a \\"call\\""]']


def test_a_call_that_nobody_ends_is_summarised_and_closed() -> None:
    """After six hours without phrase and state, not before; an hour later its row is gone."""
    quiet: list[Step] = [_state(), _phrase(0), INACTIVE - MOMENT, _state(written=1), INACTIVE - MOMENT]
    assert _summaries(_world(quiet)) == []
    world = _world([*quiet, MOMENT, INACTIVE])
    (summary,) = _summaries(world)
    assert summary.phrase_count == 1
    assert list(world.changelog) == [b'["a \\"call\\""]']
    assert list(_world([*quiet, MOMENT, INACTIVE, timedelta(days=2)]).changelog) == []


def test_a_call_without_a_phrase_is_not_summarised_before_its_transcript() -> None:
    """A summary of nothing would tell nobody anything; the transcript without a phrase is the result."""
    silent: list[Step] = [_state(), _state(CallStatus.ENDING, written=1), GRACE, INACTIVE]
    assert _summaries(_world(silent)) == []
    (summary,) = _summaries(_world([*silent, _completed(0)]))
    assert (summary.phrase_count, summary.silence_ms) == (0, 60_000)


@settings(max_examples=100)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2)), max_size=8))
def test_timers_killed_anywhere_tell_each_revision_alike(kills: list[tuple[int, int]]) -> None:
    """A summary by the grace that was cut off says the same when it comes again, whatever came in between."""
    corrected = _state(CallStatus.ENDING, Role.AGENT, Role.CUSTOMER, revision=1, written=2)
    steps: list[Step] = [_state(), _phrase(0), _state(CallStatus.ENDING, written=1), GRACE, _phrase(1), corrected, GRACE]
    world = _world([*steps, _phrase(2), _completed(3), GRACE], kills=kills)
    last = _summaries(world)[-1]
    assert (last.phrase_count, last.duration_ms, _roles(last)) == (3, 60_000, [Role.AGENT, Role.CUSTOMER])
