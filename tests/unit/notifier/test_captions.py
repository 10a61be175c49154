"""What a reader of captions is told, wherever it is cut off and however the topics interleave."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from steno_notifier.captions import Caption, Captions, Cursor

from steno.events.catalogue import CALLS, HYPOTHESES, PHRASES, TRANSCRIPTS, Topic
from steno.events.ids import live_pass_id, phrase_id
from steno.events.records import (
    CallChannel,
    CallState,
    CallStatus,
    Hypothesis,
    Phrase,
    Record,
    TranscriptCompleted,
    TranscriptFailed,
)
from steno.kafka.messages import Message

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CALL = "call"
LIVE = live_pass_id(CALL)


def _state(state: CallStatus, *, revision: int = 0) -> CallState:
    return CallState(
        call_id=CALL,
        recording_id=LIVE,
        state=state,
        channels=(CallChannel(channel=0), CallChannel(channel=1)),
        roles_revision=revision,
        started_at=NOW,
        updated_at=NOW,
    )


def _phrase(sequence: int, *, recording: str = LIVE, revision: int = 0) -> Phrase:
    start_ms = sequence * 1000
    return Phrase(
        call_id=CALL,
        recording_id=recording,
        phrase_id=phrase_id(CALL, recording, sequence % 2, start_ms),
        sequence=sequence,
        channel=sequence % 2,
        start_ms=start_ms,
        duration_ms=800,
        text=f"phrase {sequence}",
        confidence=1,
        revision=revision,
    )


def _hypothesis(sequence: int, revision: int) -> Hypothesis:
    phrase = _phrase(sequence)
    return Hypothesis(
        call_id=CALL,
        recording_id=LIVE,
        phrase_id=phrase.phrase_id,
        revision=revision,
        channel=phrase.channel,
        start_ms=phrase.start_ms,
        duration_ms=400,
        text=f"phrase {revision}",
    )


def _completed(phrases: int) -> TranscriptCompleted:
    return TranscriptCompleted(
        call_id=CALL,
        recording_id=LIVE,
        result_url="",
        phrase_count=phrases,
        channel_count=2,
        duration_ms=9000,
        completed_at=NOW,
    )


def _captions(cursor: Cursor, *, tenant: str = "") -> Captions:
    """What a reader of a tenant is told."""
    return Captions(CALL, cursor, sees=lambda owner: owner == tenant)


def _log(topic: Topic, records: Sequence[Record], *, first: int = 7) -> list[Message]:
    """The records as they stand on a topic, other calls' between them."""
    return [
        Message(topic=topic, partition=0, offset=first + 3 * n, key=CALL, record=record, headers={}, timestamp=NOW)
        for n, record in enumerate(records)
    ]


@st.composite
def _topics(draw: st.DrawFn) -> Mapping[Topic, list[Message]]:
    """A call on its topics; a transcriber that took it over has published some phrases again."""
    count = draw(st.integers(0, 6), label="phrases")
    phrases = [_phrase(sequence) for sequence in range(count)]
    if count:
        again = draw(st.integers(0, count - 1), label="taken over after")
        back = draw(st.integers(0, again), label="from")
        phrases = [*phrases[: again + 1], *phrases[back:]]
    states = [_state(CallStatus.ACTIVE), _state(CallStatus.ACTIVE, revision=1), _state(CallStatus.ENDING, revision=1)]
    return {
        CALLS: _log(CALLS, [*states, _state(CallStatus.COMPLETED, revision=1)]),
        PHRASES: _log(PHRASES, phrases),
        TRANSCRIPTS: _log(TRANSCRIPTS, [_completed(count)]),
        HYPOTHESES: _log(HYPOTHESES, [_hypothesis(n, revision) for n in range(count) for revision in (0, 1)]),
    }


def _spoken(topics: Mapping[Topic, list[Message]]) -> int:
    (completed,) = topics[TRANSCRIPTS]
    assert isinstance(completed.record, TranscriptCompleted)
    return completed.record.phrase_count


def _connection(
    data: st.DataObject, topics: Mapping[Topic, list[Message]], cursor: Cursor | None, *, all_of_it: bool
) -> list[Caption]:
    """One connection as the shell has it: history up to where each topic is followed, then the rest in any order of topics."""
    followed = {topic: data.draw(st.integers(0, len(log)), label=f"{topic.name} from") for topic, log in topics.items()}
    states = topics[CALLS][: max(1, followed[CALLS])]
    cursor = cursor or Cursor(calls=states[-1].offset)
    captions, told = _captions(cursor), list[Caption]()
    begun = [message for message in topics[PHRASES][: followed[PHRASES]] if message.offset >= cursor.phrases]
    for message in [*states, *begun, *topics[TRANSCRIPTS][: followed[TRANSCRIPTS]]]:
        told += captions.handle(message)
    live = {topic: topics[topic][len(states) if topic is CALLS else followed[topic] :] for topic in topics}
    order = data.draw(st.permutations([topic for topic, rest in live.items() for _ in rest]), label="order")
    for topic in order:
        told += captions.handle(live[topic].pop(0))
    if all_of_it:
        return told
    return told[: data.draw(st.integers(0, len(told)), label="cut after")]


@given(st.data())
def test_cut_anywhere_and_resumed_each_phrase_comes_once(data: st.DataObject) -> None:
    """However often a reader is cut off, and to whichever process it comes back: every phrase, every state, one end."""
    topics = data.draw(_topics())
    cursor, told = None, list[Caption]()
    for _ in range(data.draw(st.integers(0, 4), label="cuts")):
        told += _connection(data, topics, cursor, all_of_it=False)
        cursor = Cursor.parse(str(told[-1].cursor)) if told else None
    if not (told and told[-1].cursor.ended):
        told += _connection(data, topics, cursor, all_of_it=True)
    phrases = [json.loads(caption.data)["sequence"] for caption in told if caption.event == "phrase"]
    assert phrases == list(range(_spoken(topics)))
    states = [CallState.model_validate_json(caption.data) for caption in told if caption.event == "state"]
    wanted = [message.record for message in topics[CALLS]]
    assert states == wanted[wanted.index(states[0]) :][: len(states)]
    assert [caption.event for caption in told].count("end") == 1
    assert told[-1].event == "end"
    assert json.loads(told[-1].data)["phrase_count"] == len(phrases)


@given(st.data())
def test_no_hypothesis_comes_after_its_phrase(data: st.DataObject) -> None:
    """Within a connection, a hypothesis that the phrase has overtaken is left out."""
    told = _connection(data, data.draw(_topics()), None, all_of_it=True)
    said = set[str]()
    for caption in told:
        if caption.event in ("phrase", "hypothesis"):
            identifier = json.loads(caption.data)["phrase_id"]
            assert caption.event == "phrase" or identifier not in said
            if caption.event == "phrase":
                said.add(identifier)


@given(
    st.builds(
        Cursor,
        calls=st.integers(0, 2**59),
        phrases=st.integers(0, 2**59),
        hypotheses=st.integers(0, 2**59),
        next_sequence=st.integers(0, 2**31),
        early=st.lists(st.integers(0, 2**31), max_size=190).map(tuple),
        ended=st.booleans(),
    )
)
def test_a_cursor_comes_back_as_it_was(cursor: Cursor) -> None:
    """As text and read again it is the same."""
    assert Cursor.parse(str(cursor)) == cursor


@pytest.mark.parametrize("text", ["", "1", "1-2-3", "1-2-3-x", "-1-2-3-4", "1-2-3-4-", "1-2-3-4\n", "9" * 19 + "-1-1-1"])
def test_what_is_no_cursor_is_said_to_be_none(text: str) -> None:
    """Anything else is refused, with what to do."""
    with pytest.raises(ValueError, match="take the id of the last event"):
        Cursor.parse(text)


def _take(captions: Captions, topic: Topic, *records: Record) -> list[str]:
    return [caption.event for message in _log(topic, records) for caption in captions.handle(message)]


def test_passes_of_recordings_are_not_captions() -> None:
    """A second pass over a call, while someone reads or later, says nothing here."""
    captions = _captions(Cursor())
    assert _take(captions, PHRASES, _phrase(0, recording="recording"), _phrase(0)) == ["phrase"]
    other = _completed(1).model_copy(update={"recording_id": "recording"})
    assert _take(captions, TRANSCRIPTS, other) == []
    assert _take(captions, CALLS, _state(CallStatus.ENDING)) == ["state"]


def test_a_corrected_phrase_comes_again() -> None:
    """A new revision is news; the same one published twice is not."""
    captions = _captions(Cursor())
    assert _take(captions, PHRASES, _phrase(0), _phrase(0), _phrase(0, revision=1)) == ["phrase", "phrase"]


def test_phrases_out_of_order_are_all_told() -> None:
    """One that comes before another of a lower sequence keeps it from nothing, across a cut."""
    told = [caption for message in _log(PHRASES, [_phrase(2), _phrase(0)]) for caption in _captions(Cursor()).handle(message)]
    assert len(told) == 2
    cursor = Cursor(next_sequence=0, early=(2,))
    assert _take(_captions(cursor), PHRASES, _phrase(0), _phrase(2), _phrase(1)) == ["phrase", "phrase"]


@pytest.mark.parametrize(
    ("records", "ends"),
    [
        ([_state(CallStatus.ACTIVE)], False),
        ([_state(CallStatus.ENDING)], False),
        ([_state(CallStatus.ENDING), _completed(3)], True),
        ([TranscriptFailed(call_id=CALL, recording_id=LIVE, reason="?", error="x", failed_at=NOW)], False),
        ([_state(CallStatus.FAILED)], True),
    ],
)
def test_silence_ends_a_call_that_is_over_and_lacks_phrases(records: list[Record], ends: bool) -> None:
    """A call that failed, or whose last phrases are gone, does not keep its readers for ever; one that goes on does."""
    captions = _captions(Cursor())
    for record in records:
        assert "end" not in _take(captions, CALLS if isinstance(record, CallState) else TRANSCRIPTS, record)
    assert [caption.event for caption in captions.end_if_over()] == (["end"] if ends else [])
    assert captions.ended is ends
    assert list(captions.end_if_over()) == []


def test_a_reader_is_told_nothing_of_another_ones_call_by_the_same_id() -> None:
    """Neither how it stands nor what is said in it."""
    captions = _captions(Cursor(), tenant="somebody-else")
    assert _take(captions, CALLS, _state(CallStatus.ACTIVE)) == []
    assert _take(captions, PHRASES, _phrase(0)) == []
    assert _take(captions, HYPOTHESES, _hypothesis(1, 0)) == []
