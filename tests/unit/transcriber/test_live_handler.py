"""The handler of the log of live calls, with the scripted engine and topics in memory."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from steno_transcriber.engines.port import UnsupportedLocale
from steno_transcriber.engines.scripted import ScriptedEngine
from steno_transcriber.live.audio_backlog import AudioBacklog
from steno_transcriber.live.buffer_budget import BufferBudget
from steno_transcriber.live.log_clock import LONGEST_STEP
from steno_transcriber.live.partition import END_AFTER, REFRESH_AFTER, REST_AFTER
from support.live_bed import PARTITION, Bed, Elsewhere, log_of, message
from support.live_calls import CallWriter
from support.live_transcriber import undisturbed
from support.speech import call_audio

from steno.events import ids
from steno.events.records import (
    AudioChunk,
    AudioCodec,
    CaptionsReached,
    Phrase,
    TranscriptCompleted,
    TranscriptFailed,
    TranscriptStarted,
)
from steno.kafka.errors import KafkaUnavailable


@pytest.fixture
async def bed() -> AsyncIterator[Bed]:
    made = Bed()
    assert await made.handler.open(PARTITION) is None
    yield made
    await made.handler.close(PARTITION)


async def test_a_call_is_told_from_start_to_end(bed: Bed) -> None:
    """Started, its phrases in order, completed; each under an id that follows from the call."""
    log = log_of()
    await bed.play(log)
    await bed.until(TranscriptCompleted)
    expected = undisturbed(log, ScriptedEngine())
    assert bed.topics.of(Phrase) == expected
    told = [
        (record, event_id)
        for record, event_id in zip(bed.topics.published, bed.topics.event_ids, strict=True)
        if not isinstance(record, CaptionsReached)
    ]
    assert [type(record) for record, _ in told] == [TranscriptStarted, *[Phrase] * len(expected), TranscriptCompleted]
    pass_id = ids.live_pass_id("call-1")
    assert [event_id for _, event_id in told] == [
        ids.event_id("transcript.started", pass_id),
        *[phrase.phrase_id for phrase in expected],
        ids.event_id("transcript.completed", pass_id),
    ]


async def test_phrases_come_in_order_though_decoded_side_by_side(bed: Bed) -> None:
    """All utterances are with the engine at once; what is ready first waits for its turn."""
    bed.decoder.go_on.clear()
    log = log_of()
    await bed.play(log)
    expected = undisturbed(log, ScriptedEngine())
    async with asyncio.timeout(60):
        while bed.decoder.begun < len(expected):
            await asyncio.sleep(0)
    assert not bed.topics.of(Phrase)
    bed.decoder.go_on.set()
    await bed.until(TranscriptCompleted)
    assert bed.topics.of(Phrase) == expected


async def test_nothing_is_forgotten_that_is_not_saved(bed: Bed) -> None:
    """The log is needed from the call's start until its start is told; then from its checkpoint; then not at all."""
    log = log_of()
    assert await bed.handler.settle(PARTITION) is None
    await bed.handler.handle(message(log[0]))
    bed.topics.away = 3
    assert await bed.handler.settle(PARTITION) == log[0].offset
    assert not bed.topics.checkpoints
    await bed.until(TranscriptStarted)
    await bed.play(log[1:50])
    needed = await bed.handler.settle(PARTITION)
    assert needed == bed.topics.checkpoints["call-1"].offset <= log[49].offset
    await bed.play(log[50:])
    await bed.until(TranscriptCompleted)
    assert await bed.handler.settle(PARTITION) == log[-1].offset + 1
    assert bed.topics.checkpoints["call-1"].done


async def test_a_checkpoint_that_is_not_saved_holds_the_log(bed: Bed) -> None:
    """Kafka is away while it settles: what was said before stands."""
    log = log_of()
    await bed.play(log[:20])
    await bed.until(TranscriptStarted)
    bed.topics.away = 1
    with pytest.raises(KafkaUnavailable):
        await bed.handler.settle(PARTITION)
    assert await bed.handler.settle(PARTITION) == bed.topics.checkpoints["call-1"].offset


@pytest.mark.parametrize("killed_at", [1, 40, 90, 151])
async def test_another_process_goes_on(bed: Bed, killed_at: int) -> None:
    """It reads the log from where it is told, and publishes what is missing under the same ids."""
    log = log_of()
    await bed.play(log[:killed_at])
    await bed.until(TranscriptStarted)
    begin = await bed.hand_over()
    await bed.play([entry for entry in log if entry.offset >= begin])
    await bed.until(TranscriptCompleted)
    by_id = {phrase.phrase_id: phrase for phrase in bed.topics.of(Phrase) if isinstance(phrase, Phrase)}
    assert list(by_id.values()) == undisturbed(log, ScriptedEngine())
    assert len(bed.topics.of(TranscriptStarted)) == 1


async def test_a_call_that_is_done_is_done_for_the_next_process_as_well(bed: Bed) -> None:
    """Its log is read again, and nothing comes of it."""
    log = log_of()
    await bed.play(log)
    await bed.until(TranscriptCompleted)
    await bed.handler.settle(PARTITION)
    await bed.handler.close(PARTITION)
    told = len(bed.topics.published)
    bed.handler = bed.another()
    assert await bed.handler.open(PARTITION) is None
    await bed.play(log)
    assert await bed.handler.settle(PARTITION) == log[-1].offset + 1
    assert len(bed.topics.published) == told


async def test_what_has_not_changed_is_not_saved_again(bed: Bed) -> None:
    """Audio alone, before anything was said, changes nothing worth saving."""
    log = log_of()
    await bed.handler.handle(message(log[0]))
    await bed.until(TranscriptStarted)
    await bed.handler.settle(PARTITION)
    first = bed.topics.checkpoints["call-1"]
    await bed.play(log[1:4])
    await bed.handler.settle(PARTITION)
    assert bed.topics.checkpoints["call-1"] is first
    bed.now += REFRESH_AFTER
    await bed.handler.settle(PARTITION)
    assert bed.topics.checkpoints["call-1"] is first


async def test_a_paused_call_does_not_hold_the_log(bed: Bed) -> None:
    """Nothing of it is needed but its checkpoint, which follows the log."""
    paused, other = CallWriter(call_id="paused"), CallWriter(call_id="other", offset=100)
    paused.start()
    paused.say(call_audio()[:, :80_000])
    paused.pause()
    other.start()
    other.say(call_audio()[:, : 60 * 16_000])
    await bed.play(paused.log)
    await bed.until(Phrase)
    await bed.handler.settle(PARTITION)
    await bed.play(other.log)
    bed.now += REFRESH_AFTER
    await asyncio.sleep(0)
    await bed.handler.settle(PARTITION)
    assert bed.topics.checkpoints["paused"].offset == other.log[-1].offset + 1


async def test_a_call_of_which_nothing_comes_holds_nothing_and_ends_at_last(bed: Bed) -> None:
    """What was open is said after minutes, and after a day the call is over."""
    log = log_of()[:-1]
    await bed.play(log[:30])
    before = len(bed.topics.of(Phrase))
    later = Elsewhere(bed)
    await later.goes_on(REST_AFTER + 2 * LONGEST_STEP)
    await bed.until(Phrase, before + 1)
    await asyncio.sleep(0.01)
    assert not bed.topics.of(TranscriptCompleted)
    assert await bed.handler.settle(PARTITION) == later.offset
    await later.goes_on(END_AFTER + LONGEST_STEP)
    await bed.until(TranscriptCompleted)


@pytest.mark.parametrize("jump", [timedelta(hours=2), timedelta(days=400), -timedelta(hours=2)])
async def test_a_clock_that_jumps_ends_no_utterance(bed: Bed, jump: timedelta) -> None:
    """Of another call or its own: what is said is what would have been said."""
    log = log_of()
    await bed.play(log[:40])
    later = Elsewhere(bed)
    later.now += jump
    await later.goes_on(LONGEST_STEP)
    for entry in log[40:]:
        await bed.handler.handle(message(entry, timestamp=entry.written_at + 3 * jump))
    await bed.until(TranscriptCompleted)
    assert bed.topics.of(Phrase) == undisturbed(log, ScriptedEngine())


async def test_machines_whose_clocks_differ_do_not_disturb_each_other(bed: Bed) -> None:
    """A quarter of an hour apart, their records in turns."""
    log = log_of()
    later = Elsewhere(bed)
    later.now += timedelta(minutes=15)
    for entry in log:
        await bed.handler.handle(message(entry))
        await later.goes_on(timedelta(milliseconds=100))
    await bed.until(TranscriptCompleted)
    assert bed.topics.of(Phrase) == undisturbed(log, ScriptedEngine())


async def test_a_call_that_rested_goes_on(bed: Bed) -> None:
    """Its next audio is heard as if there had been a gap."""
    log = log_of()
    await bed.play(log[:30])
    await Elsewhere(bed).goes_on(2 * REST_AFTER)
    await bed.play(log[30:])
    await bed.until(TranscriptCompleted)
    assert len(bed.topics.of(Phrase)) >= len(undisturbed(log, ScriptedEngine()))


@pytest.mark.parametrize(
    ("fields", "error"),
    [({"locale": "fi-FI"}, "unsupported_locale"), ({"codec": AudioCodec.UNKNOWN}, "unknown_codec")],
)
async def test_a_call_that_cannot_be_transcribed_fails_with_a_reason(bed: Bed, fields: dict[str, object], error: str) -> None:
    """Once, and its audio is of no interest."""
    call = CallWriter(**fields)  # type: ignore[arg-type]  # whatever it takes
    call.start()
    for number in range(20):
        call.write(AudioChunk(call_id="call-1", sequence=number, position=number * 800, audio=bytes(1600)))
    call.end()
    await bed.play(call.log[:4])
    await bed.until(TranscriptFailed)
    await bed.play(call.log[4:])
    (failed,) = bed.topics.of(TranscriptFailed)
    assert isinstance(failed, TranscriptFailed)
    assert failed.error == error
    assert await bed.handler.settle(PARTITION) == call.log[-1].offset + 1
    assert bed.topics.checkpoints["call-1"].done


async def test_a_language_that_the_engine_stops_knowing_fails_the_call(bed: Bed) -> None:
    """The locale may be told later; what comes of it is told, too."""
    bed.decoder.errors = [UnsupportedLocale("the engine does not speak fi-FI")]
    await bed.play(log_of())
    await bed.until(TranscriptFailed)
    assert not bed.topics.of(TranscriptCompleted)


async def test_a_fault_that_passes_costs_no_word(bed: Bed) -> None:
    """The engine stumbles, Kafka is away: it is done again."""
    bed.topics.away = 5
    bed.decoder.errors = [RuntimeError("out of memory"), RuntimeError("out of memory")]
    log = log_of()
    await bed.play(log)
    await bed.until(TranscriptCompleted)
    assert bed.topics.of(Phrase) == undisturbed(log, ScriptedEngine())


async def test_a_fault_that_stays_fails_the_call(bed: Bed) -> None:
    """With words for a person; the log has the details."""
    bed.decoder.errors = [RuntimeError("broken")] * 1000
    await bed.play(log_of())
    await bed.until(TranscriptFailed)
    (failed,) = bed.topics.of(TranscriptFailed)
    assert isinstance(failed, TranscriptFailed)
    assert failed.error == "internal"
    assert "broken" not in failed.reason


async def test_records_without_a_call_are_left_out(bed: Bed) -> None:
    """Audio whose start nobody has seen; the ledger of calls tells of it."""
    log = log_of()
    await bed.play(log[5:10])
    assert await bed.handler.settle(PARTITION) == log[9].offset + 1
    assert not bed.topics.published


@pytest.fixture
async def crowded() -> AsyncIterator[Bed]:
    """Eight seconds of audio wait for the engine at most, and three may be buffered before the log waits."""
    bed = Bed()
    bed.backlog, bed.late_backlog, bed.budget = (
        AudioBacklog(seconds=4),
        AudioBacklog(seconds=4),
        BufferBudget(most_bytes=100_000),
    )
    bed.handler = bed.another()
    await bed.handler.open(PARTITION)
    bed.decoder.go_on.clear()
    yield bed
    await bed.handler.close(PARTITION)


async def test_the_log_waits_while_too_much_audio_lies_aside(crowded: Bed) -> None:
    """A slow engine means lag, not memory, and no call is lost by it."""
    log = log_of()
    playing = asyncio.create_task(crowded.play(log))
    for _ in range(1000):
        await asyncio.sleep(0)
    assert not playing.done()
    crowded.decoder.go_on.set()
    await playing
    await crowded.until(TranscriptCompleted)
    assert crowded.topics.of(Phrase) == undisturbed(log, ScriptedEngine())


async def test_room_is_given_back_when_a_partition_is_taken_away(crowded: Bed) -> None:
    """What waited there is another's work now."""
    playing = asyncio.create_task(crowded.play(log_of()))
    for _ in range(1000):
        await asyncio.sleep(0)
    assert not playing.done()
    playing.cancel()
    await crowded.handler.close(PARTITION)
    async with asyncio.timeout(1):
        await crowded.backlog.wait()
        await crowded.late_backlog.wait()
        await crowded.budget.wait()
