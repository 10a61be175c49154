"""How far the captions of a live call are is published, with engines of both kinds."""

import asyncio
import random
from collections.abc import AsyncIterator
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from steno_transcriber.engines.choice import Engines
from steno_transcriber.engines.scripted_call import ScriptedCallEngine
from steno_transcriber.live.call import LiveCall
from steno_transcriber.live.captions_reached import APART_MS, LOOKED_AGAIN_MS, Marks
from steno_transcriber.live.log_clock import LONGEST_STEP
from steno_transcriber.live.partition import REST_AFTER
from steno_transcriber.segmenter import FRAME_MS
from steno_transcriber.utterance_finder import RAISED_EACH_MS
from support.any_live_log import any_log, restarts_each, silence
from support.effort import examples
from support.live_bed import PARTITION, Bed, Elsewhere
from support.live_calls import CallWriter, Entry
from support.live_listener import speech, start_of

from steno.events import ids
from steno.events.catalogue import HYPOTHESES, Topic
from steno.events.records import CaptionsReached, Phrase, Record, TranscriptCompleted
from steno.kafka.errors import KafkaUnavailable

SECOND = 8000


@settings(max_examples=examples(25), deadline=None)
@given(seed=st.integers(0, 2**64))
def test_no_utterance_is_open_or_comes_later_that_begins_before_a_mark(seed: int) -> None:
    """Whatever stands on the log; and there is a mark wherever audio broke off before the end."""
    dice = random.Random(seed)
    log = any_log(dice)
    with restarts_each(1.5):
        call = LiveCall(start_of(log))
        marks, found = Marks(call), list[tuple[int, int]]()
        latest_ms = 0
        for entry in log[1:]:
            for spoken in call.add_record(entry.record, offset=entry.offset, written_at=entry.written_at):
                start_ms, end_ms = spoken.utterance.start_ms, spoken.utterance.end_ms
                assert start_ms >= latest_ms
                found.append((start_ms, end_ms))
            mark = marks.at_break() or marks.in_silence(call.duration_ms)
            assert mark is not None or call.broke_off_ms is None
            if mark is None:
                continue
            assert mark.awaited == (call.broke_off_ms is not None)
            assert latest_ms <= mark.until_ms <= call.duration_ms
            latest_ms = mark.until_ms
            # An utterance ends with a whole frame, of which the audio may have had a part.
            assert not any(start_ms < mark.until_ms < end_ms - FRAME_MS for start_ms, end_ms in found)
            marks.take(mark)


def test_a_mark_follows_every_few_seconds_in_which_nobody_speaks() -> None:
    """At times that are close to where the call is; while somebody speaks for long there is none."""
    call = CallWriter()
    call.start()
    call.say(np.concatenate([silence(16_000), np.tile(speech(1000, 1500), 8), silence(8000)], axis=1))
    heard = LiveCall(start_of(call.log))
    marks, at = Marks(heard), list[int]()
    for entry in call.log[1:]:
        heard.add_record(entry.record, offset=entry.offset, written_at=entry.written_at)
        if (mark := marks.in_silence(heard.duration_ms)) is not None:
            assert heard.duration_ms - mark.until_ms < 2_500
            at.append(mark.until_ms)
    assert [place for place in at if 17_000 < place < 27_000] == []
    assert at[-1] > 28_000
    before = [0, *(place for place in at if place <= 17_000)]
    assert len(before) == 3
    # A channel of which nobody knows yet how loud it is, is heard in steps.
    assert all(APART_MS <= later - earlier < APART_MS + RAISED_EACH_MS + LOOKED_AGAIN_MS for earlier, later in pairwise(before))


@pytest.fixture(params=["utterances", "call"])
async def bed(request: pytest.FixtureRequest) -> AsyncIterator[Bed]:
    """A handler with an engine of each kind."""
    made = Bed()
    if request.param == "call":
        made.engines = Engines([ScriptedCallEngine()])
        made.handler = made.another()
    await made.handler.open(PARTITION)
    yield made
    await made.handler.close(PARTITION)


def turn(*, how: str) -> tuple[CallWriter, list[Entry]]:
    """The log of a call up to a place where its audio breaks off in the midst of speech, after three seconds."""
    call = CallWriter(tenant="acme")
    call.start()
    call.say(speech(1000, 3000))
    if how == "pause":
        call.pause()
    elif how == "gap":
        call.gap(SECOND)
    elif how == "turn":
        call.gap(0)
    return call, list(call.log)


def reached(bed: Bed) -> list[CaptionsReached]:
    return [record for record in bed.topics.of(CaptionsReached) if isinstance(record, CaptionsReached)]


@pytest.mark.parametrize("how", ["pause", "gap", "turn", "rest"])
async def test_where_the_audio_breaks_off_it_follows_the_last_phrase(bed: Bed, how: str) -> None:
    """With the place and the phrases so far, under the live pass and the tenant of the call."""
    _, log = turn(how=how)
    await bed.play(log)
    if how == "rest":
        await Elsewhere(bed).goes_on(REST_AFTER + 2 * LONGEST_STEP)
    await bed.until(CaptionsReached)
    (record,) = reached(bed)
    phrases = bed.topics.of(Phrase)
    assert len(phrases) > 0
    assert bed.topics.published[-1] == record
    assert record == CaptionsReached(
        call_id="call-1",
        recording_id=ids.live_pass_id("call-1"),
        until_ms=4000 if how == "gap" else 3000,
        phrase_count=len(phrases),
        tenant="acme",
    )


async def test_a_call_that_ends_has_its_transcript_and_no_mark_of_the_end(bed: Bed) -> None:
    """The transcript tells how many phrases there are."""
    call, log = turn(how="none")
    call.end()
    await bed.play(call.log)
    await bed.until(TranscriptCompleted)
    assert reached(bed) == []
    assert len(log) + 1 == len(call.log)


async def test_nothing_is_reached_while_an_utterance_is_being_decoded() -> None:
    """It waits behind the phrases of what was said before, and a place that is told again waits once."""
    bed = Bed()
    await bed.handler.open(PARTITION)
    bed.decoder.go_on.clear()
    call, log = turn(how="turn")
    for _ in range(100):
        call.gap(0)
    await bed.play(call.log)
    for _ in range(50):
        await asyncio.sleep(0)
    assert bed.decoder.begun > 0
    assert reached(bed) == []
    bed.decoder.go_on.set()
    await bed.until(CaptionsReached)
    for _ in range(50):
        await asyncio.sleep(0)
    assert [record.phrase_count for record in reached(bed)] == [len(bed.topics.of(Phrase))]
    await bed.play([Entry(offset=log[-1].offset + 1000, record=log[-1].record, written_at=log[-1].written_at)])
    await bed.until(CaptionsReached, 2)
    await bed.handler.close(PARTITION)


class HypothesesAway:
    """The topic of the hypotheses takes nothing, while the others do."""

    def __init__(self, bed: Bed) -> None:
        self.refused: list[Record] = []
        self.away = True
        self._send = bed.topics.send
        bed.topics.send = self.send  # type: ignore[method-assign]

    async def send(self, topic: Topic, record: Record, *, event_id: str | None = None) -> None:
        if self.away and topic is HYPOTHESES and isinstance(record, CaptionsReached):
            self.refused.append(record)
            await asyncio.sleep(0)
            raise KafkaUnavailable("the leader of the partition is away")
        await self._send(topic, record, event_id=event_id)

    async def has_refused(self, count: int) -> None:
        async with asyncio.timeout(60):
            while len(self.refused) < count:
                await asyncio.sleep(0)


async def test_where_somebody_waits_it_is_sent_until_kafka_takes_it(bed: Bed) -> None:
    """And phrases do not wait for it; the newest place stands for those before."""
    away = HypothesesAway(bed)
    call, log = turn(how="turn")
    await bed.play(log)
    await away.has_refused(3)
    count = len(bed.topics.of(Phrase))
    call.log = []
    call.say(speech(5000, 6000))
    call.gap(0)
    await bed.play(call.log)
    await bed.until(Phrase, count + 1)
    await away.has_refused(len(away.refused) + 3)
    assert reached(bed) == []
    away.away = False
    await bed.until(CaptionsReached)
    for _ in range(50):
        await asyncio.sleep(0)
    assert [(record.until_ms, record.phrase_count) for record in reached(bed)] == [(9000, len(bed.topics.of(Phrase)))]


async def test_where_nobody_waits_it_is_dropped_until_the_next(bed: Bed) -> None:
    """In silence: the next one comes soon."""
    away = HypothesesAway(bed)
    call = CallWriter()
    call.start()
    call.say(silence(8000))
    await bed.play(call.log)
    await away.has_refused(1)
    away.away = False
    for _ in range(50):
        await asyncio.sleep(0)
    assert (len(away.refused), reached(bed)) == (1, [])
    call.log = []
    call.say(silence(6000))
    await bed.play(call.log)
    await bed.until(CaptionsReached)


async def test_whoever_takes_a_call_over_publishes_where_it_broke_off(bed: Bed) -> None:
    """Though nothing of the log need be read again: the one before may have died before it was sent."""
    away = HypothesesAway(bed)
    _, log = turn(how="turn")
    await bed.play(log)
    await away.has_refused(1)
    await bed.hand_over()
    away.away = False
    await bed.until(CaptionsReached)
    (record,) = reached(bed)
    assert (record.until_ms, record.phrase_count) == (3000, len(bed.topics.of(Phrase)))
