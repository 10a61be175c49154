"""The enricher as a process, on a real Kafka: killed, poisoned, its broker restarted."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress

import pytest
from aiokafka import AIOKafkaProducer
from steno_enricher.pass_state import PassState
from steno_enricher.phrase_analyser import PhraseAnalyser
from support.enricher_process import EnricherProcess, Steno, interleaved, make_call
from support.kafka import create_topic

from steno.broker import LocalCluster
from steno.events.catalogue import CALL_SUMMARIES, DEAD_LETTERS, ENRICHER_CHANGELOG, INSIGHTS, PHRASES, TRANSCRIPTS
from steno.events.records import CallSummary, Insight, Phrase, TranscriptCompleted
from steno.kafka.topics import create_topics, topic_name

Calls = Sequence[tuple[list[Phrase], TranscriptCompleted]]


@pytest.fixture
async def steno(kafka: str, topic_prefix: str) -> AsyncIterator[Steno]:
    async with Steno(kafka, topic_prefix) as steno:
        yield steno


@pytest.fixture
async def enricher(kafka: str, topic_prefix: str) -> AsyncIterator[EnricherProcess]:
    async with EnricherProcess(kafka, topic_prefix) as enricher:
        yield enricher


def _expected(calls: Calls) -> tuple[dict[str, Insight], dict[str, CallSummary]]:
    """What the pure functions make of the calls, undisturbed."""
    analysis, insights, summaries = PhraseAnalyser(), {}, {}
    for phrases, completed in calls:
        state = PassState(call_id=completed.call_id, recording_id=completed.recording_id)
        for phrase in phrases:
            analysed = analysis.analyse(phrase)
            insights[analysed.insight.insight_id] = analysed.insight
            state.add(analysed.finding)
        state.complete(completed)
        summary = state.summary(at=completed.completed_at)
        summaries[summary.summary_id] = summary
    return insights, summaries


async def _check(steno: Steno, calls: Calls) -> None:
    """Each insight and summary is there by its id, as undisturbed, and a replay wrote the same."""
    insights, summaries = _expected(calls)
    found_insights: dict[str, Insight] = {}
    for raw in await steno.read(INSIGHTS):
        insight = steno.codec.decode(raw.value)
        assert isinstance(insight, Insight)
        assert found_insights.setdefault(insight.insight_id, insight) == insight
        assert dict(raw.headers)["ce_id"].decode() == insight.insight_id
    assert found_insights == insights
    found_summaries: dict[str, CallSummary] = {}
    for raw in await steno.read(CALL_SUMMARIES):
        summary = steno.codec.decode(raw.value)
        assert isinstance(summary, CallSummary)
        summary = summary.model_copy(update={"summarised_at": summaries[summary.summary_id].summarised_at})
        assert found_summaries.setdefault(summary.summary_id, summary) == summary
    assert found_summaries == summaries


async def test_phrases_become_insights_and_a_summary(steno: Steno, enricher: EnricherProcess) -> None:
    """Calls at once: every insight and every summary, the calls' ids in the log; then it stops cleanly."""
    await enricher.ready()
    calls = [make_call("first", 6), make_call("second", 9), make_call("silent", 0)]
    await steno.publish(interleaved(calls))
    await steno.wait_for(CALL_SUMMARIES, 3)
    await _check(steno, calls)
    assert await steno.read(DEAD_LETTERS) == []
    assert "steno_enricher_summaries_total 3.0" in await enricher.metrics()
    assert await enricher.stop() == 0
    assert not [line for line in enricher.lines if line.get("level") == "error" and line["logger"].startswith("steno")]
    told = [line for line in enricher.lines if line["event"] == "call.summarised"]
    assert {line["call_id"] for line in told} == {"first", "second", "silent"}


async def test_the_trace_goes_on(steno: Steno, enricher: EnricherProcess) -> None:
    """The insight carries the trace of its phrase, the summary that of the record that completed the call."""
    await enricher.ready()
    phrases, completed = make_call("traced", 1)
    for topic, record, trace in ((PHRASES, phrases[0], "a" * 32), (TRANSCRIPTS, completed, "b" * 32)):
        await steno.producer.send(topic, record, headers={"traceparent": f"00-{trace}-{'c' * 16}-01".encode()})
        await steno.wait_for(INSIGHTS, 1)
    await steno.wait_for(CALL_SUMMARIES, 1)
    for topic, trace in ((INSIGHTS, "a" * 32), (CALL_SUMMARIES, "b" * 32)):
        (raw,) = await steno.read(topic)
        assert dict(raw.headers)["traceparent"].decode().split("-")[1] == trace


async def test_killed_at_any_moment_the_totals_come_out_right(steno: Steno, enricher: EnricherProcess) -> None:
    """Six calls with 240 phrases, the process killed four times on the way: each insight and summary as undisturbed."""
    await enricher.ready()
    calls = [make_call(f"call-{number}", 40) for number in range(6)]
    records = interleaved(calls)
    await steno.publish(records[:150])
    for moment in (5, 60, 120):
        await steno.wait_for(INSIGHTS, moment)
        await enricher.kill()
        await enricher.start()
    await steno.publish(records[150:])
    await steno.wait_for(CALL_SUMMARIES, 1)
    await enricher.kill()
    await enricher.start()
    await steno.wait_for(CALL_SUMMARIES, len(calls))
    await steno.wait_for(INSIGHTS, 240)
    await _check(steno, calls)
    assert await steno.read(DEAD_LETTERS) == []


async def test_the_completion_may_come_first(steno: Steno, enricher: EnricherProcess) -> None:
    """The two topics keep no order between them: a call completed before its phrases are seen has its summary."""
    phrases, completed = make_call("hasty", 5)
    await create_topics(steno.kafka, steno.topics)
    await steno.publish([completed])
    await enricher.ready()
    await steno.publish(phrases)
    await steno.wait_for(CALL_SUMMARIES, 1)
    await _check(steno, [(phrases, completed)])


async def test_poison_goes_to_dead_letters_and_the_rest_goes_on(steno: Steno, enricher: EnricherProcess) -> None:
    """Bytes that are no record, an unknown schema and a wrong key are put aside as they came; the call around them is whole."""
    await enricher.ready()
    phrases, completed = make_call("whole", 8)
    poison = {b"not avro at all": "undecodable", b"\x00\x00\x00\x99\x99rest": "unknown_schema"}
    await steno.publish(phrases[:4])
    for value in poison:
        await steno.producer.send_raw(PHRASES, key=b"whole", value=value, headers=[("note", b"mine")])
    misplaced = steno.codec.encode(phrases[4])
    await steno.producer.send_raw(TRANSCRIPTS, key=b"whole", value=misplaced, headers=[])
    await steno.publish([*phrases[4:], completed])
    await steno.wait_for(CALL_SUMMARIES, 1)
    await _check(steno, [(phrases, completed)])
    letters = {raw.value: dict(raw.headers) for raw in await steno.read(DEAD_LETTERS)}
    classes = {value: headers["steno-error-class"].decode() for value, headers in letters.items()}
    assert classes == {**poison, misplaced: "wrong_record"}
    assert letters[b"not avro at all"]["note"] == b"mine"
    assert letters[b"not avro at all"]["steno-service"] == b"enricher"


async def test_a_changelog_that_ends_in_a_hole_is_recovered(steno: Steno, enricher: EnricherProcess) -> None:
    """The last offsets of the changelog hold no record, as after compaction: the rows before them are read and work goes on."""
    await enricher.ready()
    phrases, completed = make_call("patient", 12)
    await steno.publish(phrases[:7])
    await steno.wait_for(INSIGHTS, 7)
    assert await enricher.stop() == 0
    # The marker of a transaction takes an offset and is no record.
    holes = AIOKafkaProducer(bootstrap_servers=steno.kafka.bootstrap_servers, transactional_id=f"{steno.topics.prefix}holes")
    await holes.start()
    try:
        for partition in range(steno.topics.partitions):
            async with holes.transaction():
                await holes.send(
                    topic_name(steno.topics, ENRICHER_CHANGELOG), None, key=b'["nobody","nothing"]', partition=partition
                )
    finally:
        await holes.stop()
    await enricher.start()
    await enricher.ready()
    await steno.publish([*phrases[7:], completed])
    await steno.wait_for(CALL_SUMMARIES, 1)
    await _check(steno, [(phrases, completed)])


async def test_a_row_that_kafka_refuses_stops_no_other_call(kafka: str, steno: Steno, enricher: EnricherProcess) -> None:
    """A changelog that takes little: the call that outgrows it has its insights and no summary, the one behind it has both."""
    name = topic_name(steno.topics, ENRICHER_CHANGELOG)
    limit = {"cleanup.policy": "compact", "max.message.bytes": "700"}
    await create_topic(kafka, name, partitions=steno.topics.partitions, configs=limit)
    await enricher.ready()
    outgrown, small = make_call("call-1", 150), make_call("call-2", 2)
    await steno.publish(outgrown[0])
    await steno.wait_for(INSIGHTS, 150)
    await steno.publish([outgrown[1], *small[0], small[1]])
    await steno.wait_for(CALL_SUMMARIES, 1)
    (summary,) = [steno.codec.decode(raw.value) for raw in await steno.read(CALL_SUMMARIES)]
    assert isinstance(summary, CallSummary)
    assert (summary.call_id, await steno.read(DEAD_LETTERS)) == ("call-2", [])
    assert "steno_enricher_passes_overgrown_total 1.0" in await enricher.metrics()


async def test_two_share_the_calls(kafka: str, steno: Steno, enricher: EnricherProcess) -> None:
    """A second member takes partitions over in the middle, rows included, and gives them back when it leaves."""
    await enricher.ready()
    calls = [make_call(f"call-{number}", 20) for number in range(8)]
    records = interleaved(calls)
    await steno.publish(records[:60])
    await steno.wait_for(INSIGHTS, 20)
    async with EnricherProcess(kafka, steno.topics.prefix, instance="1") as second:
        await second.ready()
        await steno.publish(records[60:110])
        await steno.wait_for(INSIGHTS, 110)
        await second.kill()
        await steno.publish(records[110:])
        await steno.wait_for(CALL_SUMMARIES, len(calls))
    await steno.wait_for(INSIGHTS, 160)
    await _check(steno, calls)


async def test_the_broker_is_restarted_meanwhile(topic_prefix: str) -> None:
    """The broker is killed and started again while calls are under way: each insight and summary as undisturbed."""
    async with (
        LocalCluster() as cluster,
        EnricherProcess(cluster.bootstrap_servers, topic_prefix) as enricher,
        Steno(cluster.bootstrap_servers, topic_prefix) as steno,
    ):
        await enricher.ready()
        calls = [make_call(f"call-{number}", 15) for number in range(4)]
        records = interleaved(calls)
        await steno.publish(records[:30])
        await steno.wait_for(INSIGHTS, 3)
        (broker,) = cluster.brokers
        await broker.kill()
        await broker.start()
        supervision = asyncio.create_task(_supervise(enricher))
        await steno.publish(records[30:])
        await steno.wait_for(CALL_SUMMARIES, len(calls))
        supervision.cancel()
        await _check(steno, calls)
        assert await steno.read(DEAD_LETTERS) == []


async def _supervise(enricher: EnricherProcess) -> None:
    """Starts it again when it ends by itself, as its supervisor does."""
    with suppress(asyncio.CancelledError):
        while True:
            await enricher.ended()
            await enricher.start()
