"""The enricher killed between any two of its effects, over a table and topics kept in memory."""

import asyncio
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from steno_enricher.pass_state import PassState
from support.enricher_world import NOW, Killed, World, make_enricher, message, run

from steno.events.catalogue import CALL_SUMMARIES, INSIGHTS, TRANSCRIPTS
from steno.events.ids import insight_id
from steno.events.records import (
    CallRecord,
    CallSummary,
    Insight,
    Phrase,
    Record,
    TranscriptCompleted,
    TranscriptFailed,
    TranscriptStarted,
)
from steno.kafka.errors import WrongRecord
from steno.kafka.messages import Message


def _phrase(call: str, sequence: int) -> Phrase:
    return Phrase(
        call_id=call,
        recording_id=f"{call}-recording",
        phrase_id=f"{call}-phrase-{sequence}",
        sequence=sequence,
        channel=sequence % 2,
        start_ms=sequence * 1000,
        duration_ms=1500,
        text=f"word{sequence} refund",
        confidence=1.0,
    )


def _completed(call: str, phrases: int) -> TranscriptCompleted:
    return TranscriptCompleted(
        call_id=call,
        recording_id=f"{call}-recording",
        result_url="file:///result",
        phrase_count=phrases,
        channel_count=2,
        duration_ms=60_000,
        completed_at=NOW,
    )


def _by_id(records: list[Record]) -> dict[str, Record]:
    return {
        record.insight_id if isinstance(record, Insight) else record.summary_id: record
        for record in records
        if isinstance(record, Insight | CallSummary)
    }


@settings(max_examples=100)
@given(st.data())
def test_killed_between_any_two_effects_nothing_is_lost_or_counted_twice(data: st.DataObject) -> None:
    """In any order of two calls' records, with some again, killed anywhere: each insight and summary as undisturbed."""
    counts = {call: data.draw(st.integers(0, 5), label=call) for call in ("a", "b")}
    straight: list[CallRecord] = [_phrase(call, n) for call, count in counts.items() for n in range(count)]
    straight += [_completed(call, count) for call, count in counts.items()]
    again = data.draw(st.lists(st.sampled_from(straight), max_size=4))
    disturbed = data.draw(st.permutations([*straight, *again]))
    kills = data.draw(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 3)), max_size=6))

    undisturbed, world = World(), World()
    world.rows_first = data.draw(st.booleans())
    asyncio.run(run(undisturbed, straight, []))
    asyncio.run(run(world, disturbed, kills))

    assert len(undisturbed.of(INSIGHTS)) == sum(counts.values())
    assert len(undisturbed.of(CALL_SUMMARIES)) == 2
    for topic in (INSIGHTS, CALL_SUMMARIES):
        assert _by_id(world.of(topic)) == _by_id(undisturbed.of(topic))
        # What is published again is the same to the last field.
        assert all(record == _by_id(undisturbed.of(topic))[key] for key, record in _by_id(world.of(topic)).items())


async def test_an_insight_says_what_was_found() -> None:
    """Ids, place and findings of the phrase are in its insight."""
    world = World()
    await make_enricher(world)(message(_phrase("a", 3)))
    (insight,) = world.of(INSIGHTS)
    assert insight == Insight(
        call_id="a",
        recording_id="a-recording",
        insight_id=insight_id("a-phrase-3"),
        phrase_id="a-phrase-3",
        sequence=3,
        channel=1,
        start_ms=3000,
        sentiment=0.2,
        key_phrases=("refund", "word3"),
    )


async def test_an_insight_that_was_not_stored_with_its_row_comes_when_the_phrase_does_again() -> None:
    """Killed once the row was stored, and the phrase handled again: its insight is published, and it counts once."""
    world = World()
    world.rows_first = True
    world.lives = 1
    with pytest.raises(Killed):
        await make_enricher(world)(message(_phrase("a", 0)))
    assert (len(world.changelog), world.of(INSIGHTS)) == (1, [])
    world.lives = None
    for record in (_phrase("a", 0), _phrase("a", 0), _completed("a", 1)):
        await make_enricher(world)(message(record))
    assert set(_by_id(world.of(INSIGHTS))) == {insight_id("a-phrase-0")}
    (summary,) = world.of(CALL_SUMMARIES)
    assert isinstance(summary, CallSummary)
    assert summary.phrase_count == 1


async def test_other_records_and_tombstones_say_nothing() -> None:
    """A started transcript, a failed one without phrases and a tombstone leave no trace."""
    world = World()
    enricher = make_enricher(world)
    await enricher(message(TranscriptStarted(call_id="a", recording_id="r", started_at=NOW)))
    await enricher(message(TranscriptFailed(call_id="a", recording_id="r", reason="?", error="bad_audio", failed_at=NOW)))
    await enricher(Message(topic=TRANSCRIPTS, partition=0, offset=0, key="a", record=None, headers={}, timestamp=NOW))
    assert (world.published, world.changelog) == ([], {})


async def test_a_key_that_is_not_the_call_id_is_refused() -> None:
    """Such a record stands in a partition where the rest of its call is not."""
    with pytest.raises(WrongRecord, match="the key is 'b' but the call id is 'a'"):
        await make_enricher(World())(message(_phrase("a", 0), key="b"))


async def test_the_sweep_takes_only_what_is_over() -> None:
    """An hour after its summary a row is gone, also a failed one; a call under way stays for as long as its phrases do."""
    world = World()
    enricher = make_enricher(world)
    for record in (_completed("over", 0), _phrase("failed", 0), _phrase("open", 0)):
        await enricher(message(record))
    await enricher(
        message(
            TranscriptFailed(call_id="failed", recording_id="failed-recording", reason="?", error="bad_audio", failed_at=NOW)
        )
    )
    assert await make_enricher(world, now=NOW + timedelta(minutes=59)).sweep() == 0
    assert await make_enricher(world, now=NOW + timedelta(minutes=61)).sweep() == 2
    assert list(world.changelog) == [b'["open","open-recording"]']
    assert await make_enricher(world, now=NOW + timedelta(days=31)).sweep() == 1


async def test_a_failed_recording_that_is_tried_again_has_its_summary() -> None:
    """A failure is not the end of a call whose transcript is completed later."""
    world = World()
    enricher = make_enricher(world)
    await enricher(message(_phrase("a", 0)))
    await enricher(
        message(TranscriptFailed(call_id="a", recording_id="a-recording", reason="?", error="bad_audio", failed_at=NOW))
    )
    await enricher(message(_completed("a", 1)))
    assert len(world.of(CALL_SUMMARIES)) == 1
    state = PassState.from_bytes(next(iter(world.changelog.values())), call_id="a", recording_id="a-recording")
    assert state.summarised
