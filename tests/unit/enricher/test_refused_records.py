"""What Kafka will never take of the enricher: it costs that record or that summary, and no other message waits for it."""

import pytest
from steno_enricher.finding import Finding
from steno_enricher.intervals import close_least_gap
from steno_enricher.pass_state import PassState
from steno_enricher.speaker import MOST_SPANS
from support.enricher_world import NOW, World, make_enricher, message

from steno.events.catalogue import CALL_SUMMARIES, INSIGHTS
from steno.events.records import CallSummary, Insight, Phrase, Role, TranscriptCompleted
from steno.kafka.errors import RecordRefused


def phrase(sequence: int, *, call: str = "c", channel: int = 0, text: str = "refund") -> Phrase:
    return Phrase(
        call_id=call,
        recording_id="r",
        phrase_id=f"p{sequence}",
        sequence=sequence,
        channel=channel,
        start_ms=sequence * 1000,
        duration_ms=500,
        text=text,
        confidence=1.0,
    )


def completed(phrases: int, *, call: str = "c", **properties: str) -> TranscriptCompleted:
    return TranscriptCompleted(
        call_id=call,
        recording_id="r",
        result_url="file:///result",
        phrase_count=phrases,
        channel_count=2,
        duration_ms=60_000,
        properties=properties,
        completed_at=NOW,
    )


def finding(sequence: int, *, channel: int = 0, start_ms: int | None = None) -> Finding:
    at = sequence * 1000 if start_ms is None else start_ms
    return Finding(sequence=sequence, channel=channel, role=Role.UNKNOWN, start_ms=at, duration_ms=1, sentiment=0)


async def test_an_insight_that_is_refused_costs_itself() -> None:
    """Its phrase goes to dead letters each time it comes, and the summary of the call does not wait for it."""
    world = World()
    world.refuses = lambda record: isinstance(record, Insight) and record.sequence == 1
    enricher = make_enricher(world)
    await enricher(message(phrase(0)))
    for _ in range(2):
        with pytest.raises(RecordRefused):
            await enricher(message(phrase(1)))
    await enricher(message(phrase(2)))
    await enricher(message(completed(3)))
    assert len(world.of(INSIGHTS)) == 2
    (summary,) = world.of(CALL_SUMMARIES)
    assert isinstance(summary, CallSummary)
    assert summary.phrase_count == 3


async def test_a_summary_that_is_refused_is_told_without_what_others_said() -> None:
    """Properties and key phrases are left out; the figures of the call are there."""
    world = World()
    world.refuses = lambda record: isinstance(record, CallSummary) and bool(record.properties)
    enricher = make_enricher(world)
    await enricher(message(phrase(0)))
    await enricher(message(completed(1, notes="x" * 2000)))
    (summary,) = world.of(CALL_SUMMARIES)
    assert isinstance(summary, CallSummary)
    assert (summary.phrase_count, summary.properties, summary.key_phrases) == (1, {}, ())


async def test_a_summary_that_is_refused_whatever_it_says_is_owed_no_more() -> None:
    """The messages behind it are handled, those of the same call too."""
    world = World()
    world.refuses = lambda record: isinstance(record, CallSummary)
    enricher = make_enricher(world)
    await enricher(message(phrase(0)))
    await enricher(message(completed(1)))
    await enricher(message(completed(1)))
    await enricher(message(phrase(0, call="d")))
    assert len(world.of(INSIGHTS)) == 2
    assert await enricher.sweep() == 0


async def test_a_pass_whose_row_is_refused_is_summed_up_no_more() -> None:
    """Its phrases have insights still, after a restart too; other calls have their summaries."""
    world = World()
    world.widest_row = 600
    enricher = make_enricher(world)
    for sequence in range(30):
        await enricher(message(phrase(sequence, text=f"word{sequence} " * 4)))
    enricher = make_enricher(world)
    await enricher(message(phrase(30)))
    await enricher(message(completed(31)))
    await enricher(message(phrase(0, call="d")))
    await enricher(message(completed(1, call="d")))
    assert len(world.of(INSIGHTS)) == 32
    assert [record.call_id for record in world.of(CALL_SUMMARIES) if isinstance(record, CallSummary)] == ["d"]
    assert max(map(len, world.changelog.values())) <= 600


def test_a_phrase_that_never_comes_is_awaited_by_a_thousand_others_at_most() -> None:
    """Then they count without it, and it does not count any more."""
    state = PassState(call_id="c", recording_id="r")
    for sequence in range(1, 1001):
        state.add(finding(sequence))
    assert not state.has_seen(0)
    state.add(finding(1001))
    state.add(finding(0))
    assert state.phrase_count == 1001
    assert len(state.to_bytes(at=NOW)) < 30_000
    assert PassState.from_bytes(state.to_bytes(at=NOW), call_id="c", recording_id="r").phrase_count == 1001


def test_no_run_of_phrases_outgrows_a_row() -> None:
    """Ten thousand channels, and spans without end: a row stays below what Kafka takes."""
    state = PassState(call_id="c", recording_id="r")
    for sequence in range(10_000):
        state.add(finding(sequence, channel=sequence))
    assert len(state.summary(at=NOW).speakers) == 64
    state = PassState(call_id="c", recording_id="r")
    for sequence in range(MOST_SPANS + 50):
        state.add(finding(sequence))
    assert state.phrase_count == MOST_SPANS + 50
    assert len(state.to_bytes(at=NOW)) < 100_000


def test_of_too_many_spans_those_become_one_that_have_the_least_silence_between() -> None:
    """Little is lost by it."""
    spans = [(0, 10), (50, 60), (61, 70), (100, 110)]
    close_least_gap(spans)
    assert spans == [(0, 10), (50, 70), (100, 110)]
