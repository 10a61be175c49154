"""Live calls through the enricher as a process: insights at once, roles corrected, transcripts that do not come."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from support.enricher_process import EnricherProcess, Steno, call_state, make_call

from steno.events.catalogue import CALL_SUMMARIES, DEAD_LETTERS, INSIGHTS
from steno.events.ids import live_pass_id
from steno.events.records import CallStatus, CallSummary, Role

ROLES = (Role.AGENT, Role.CUSTOMER)


@pytest.fixture
async def steno(kafka: str, topic_prefix: str) -> AsyncIterator[Steno]:
    async with Steno(kafka, topic_prefix) as steno:
        yield steno


async def _summaries(steno: Steno, recording_id: str) -> list[CallSummary]:
    """The newest record of each revision of a pass, in their order."""
    found: dict[int, CallSummary] = {}
    for raw in await steno.read(CALL_SUMMARIES):
        summary = steno.codec.decode(raw.value)
        assert isinstance(summary, CallSummary)
        if summary.recording_id == recording_id:
            found[summary.revision] = summary
    return [found[revision] for revision in sorted(found)]


async def test_roles_corrected_after_the_end_reach_both_passes(kafka: str, topic_prefix: str, steno: Steno) -> None:
    """The correction comes after both summaries, and the process is killed in between: each has a second revision, no third."""
    live, second = live_pass_id("call"), "recording"
    passes = [
        make_call("call", 4, recording_id=live),
        make_call("call", 5, recording_id=second),
    ]
    passes[1] = (passes[1][0], passes[1][1].model_copy(update={"supersedes": live}))
    async with EnricherProcess(kafka, topic_prefix) as enricher:
        await enricher.ready()
        await steno.publish([call_state("call", CallStatus.ACTIVE, Role.UNKNOWN, Role.UNKNOWN)])
        for phrases, completed in passes:
            await steno.publish([*phrases, completed])
        await steno.wait_for(CALL_SUMMARIES, 2)
        await enricher.kill()
        corrected = call_state("call", CallStatus.COMPLETED, *reversed(ROLES), revision=1)
        await steno.publish([corrected, corrected])
        await enricher.start()
        await steno.wait_for(CALL_SUMMARIES, 4)
        assert await enricher.stop() == 0
    for recording_id in (live, second):
        first, last = await _summaries(steno, recording_id)
        assert [speaker.role for speaker in last.speakers] == list(reversed(ROLES))
        assert [speaker.talk_ms for speaker in last.speakers] == [speaker.talk_ms for speaker in first.speakers]
        assert last.supersedes == (live if recording_id == second else "")
    assert await steno.read(DEAD_LETTERS) == []


async def _last_summary(steno: Steno, recording_id: str, *, phrases: int, complete: bool) -> CallSummary:
    """Waits for the summary of so many phrases; a slow machine may tell of fewer before."""
    async with asyncio.timeout(60):
        while True:
            found = await _summaries(steno, recording_id)
            if found and (found[-1].phrase_count, bool(found[-1].properties)) == (phrases, complete):
                return found[-1]
            await asyncio.sleep(0.1)


async def test_a_transcript_that_does_not_come_in_time_and_a_call_that_nobody_ends(
    kafka: str, topic_prefix: str, steno: Steno
) -> None:
    """Both are summarised with what is there, across a kill; the one whose rest comes is told again, whole."""
    late, completed = make_call("late", 6, recording_id=live_pass_id("late"))
    endless, _ = make_call("endless", 3, recording_id=live_pass_id("endless"))
    settings = {"STENO_ENRICHER_GRACE_SECONDS": "2", "STENO_ENRICHER_INACTIVE_SECONDS": "3"}
    async with EnricherProcess(kafka, topic_prefix, **settings) as enricher:
        await enricher.ready()
        await steno.publish([call_state("late", CallStatus.ENDING, *ROLES), *late[:4], *endless])
        await steno.wait_for(INSIGHTS, 7)
        await enricher.kill()
        await enricher.start()
        partial = await _last_summary(steno, live_pass_id("late"), phrases=4, complete=False)
        closed = await _last_summary(steno, live_pass_id("endless"), phrases=3, complete=False)
        await steno.publish([*late[4:], completed])
        whole = await _last_summary(steno, live_pass_id("late"), phrases=6, complete=True)
    assert partial.revision < whole.revision
    assert (whole.duration_ms, whole.properties) == (completed.duration_ms, {"campaign": "late"})
    assert closed.duration_ms == max(phrase.start_ms + phrase.duration_ms for phrase in endless)
