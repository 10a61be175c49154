"""The handler of the log of live calls, on records that do not fit their call or that it cannot bear."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from steno_transcriber.engines.scripted import ScriptedEngine
from support.live_bed import PARTITION, Bed, log_of, message
from support.live_calls import BEGAN, CHANNELS, CallWriter, Entry
from support.live_transcriber import undisturbed, written
from support.speech import call_audio

from steno.events.records import (
    AudioChunk,
    AudioCodec,
    DtmfPressed,
    Phrase,
    TranscriptCompleted,
    TranscriptFailed,
    TranscriptStarted,
)
from steno.unusable_records import MAX_UNUSABLE


@pytest.fixture
async def bed() -> AsyncIterator[Bed]:
    made = Bed()
    assert await made.handler.open(PARTITION) is None
    yield made
    await made.handler.close(PARTITION)


def absurd(offset: int, sequence: int) -> Entry:
    """A chunk whose place is impossible."""
    chunk = AudioChunk(call_id="call-1", sequence=sequence, position=2**50 + sequence, audio=b"\0" * 320)
    return Entry(offset=offset, record=chunk, written_at=BEGAN)


async def test_a_record_that_does_not_fit_is_left_out_and_the_log_goes_on(bed: Bed) -> None:
    """Ingest puts it aside; here nothing is, nothing holds the log, and the call is transcribed as if it had not been."""
    log = log_of()
    await bed.play(log[:10])
    chunk = AudioChunk(call_id="call-1", sequence=99, position=8000, audio=b"\0\0\0")
    await bed.handler.handle(message(Entry(offset=log[9].offset + 1, record=chunk, written_at=BEGAN)))
    await bed.until(TranscriptStarted)
    assert await bed.handler.settle(PARTITION) is not None


async def test_a_call_of_rubbish_fails_once_and_its_neighbour_goes_on(bed: Bed) -> None:
    """After a bounded number, with a reason for a person; what comes of it afterwards is passed over, and it holds no log."""
    log = log_of()
    other = written("call-2", call_audio()[:, : 15 * 16_000])
    await bed.play(log[:60])
    for number in range(300):
        await bed.handler.handle(message(absurd(1000 + number, 1000 + number)))
        if number % 2 == 0 and number // 2 < len(other):
            await bed.handler.handle(message(replace(other[number // 2], offset=2000 + number)))
    for at, entry in enumerate(other[150:]):
        await bed.handler.handle(message(replace(entry, offset=3000 + at)))
    await bed.until(TranscriptFailed)
    await bed.until(TranscriptCompleted)
    (failed,) = bed.topics.of(TranscriptFailed)
    assert isinstance(failed, TranscriptFailed)
    assert (failed.call_id, failed.error) == ("call-1", "unusable_records")
    assert "mend what publishes the call" in failed.reason
    assert await bed.handler.settle(PARTITION) == 3000 + len(other[150:])
    assert bed.topics.checkpoints["call-1"].done


async def test_nothing_but_audio_makes_up_for_rubbish(bed: Bed) -> None:
    """Keys pressed, and audio that comes again, do not: the recording of the call fails by the same rule."""
    log = log_of()
    await bed.play(log[:60])
    again = next(entry for entry in log if isinstance(entry.record, AudioChunk))
    key = DtmfPressed(call_id="call-1", position=0, digit="1", pressed_at=BEGAN)
    offset = 1000
    for number in range(MAX_UNUSABLE):
        await bed.handler.handle(message(absurd(offset, 1000 + number)))
        for more in range(5):
            await bed.handler.handle(message(replace(again, offset=offset + 1 + 2 * more)))
            await bed.handler.handle(message(Entry(offset=offset + 2 + 2 * more, record=key, written_at=BEGAN)))
        offset += 20
    await bed.until(TranscriptFailed)
    (failed,) = bed.topics.of(TranscriptFailed)
    assert isinstance(failed, TranscriptFailed)
    assert failed.error == "unusable_records"


async def test_a_fault_of_ours_fails_the_call_that_hits_it(bed: Bed) -> None:
    """The kernel gave a record up: an open call fails behind what was said, and one that could not even begin fails as well."""
    log, never = log_of(), written("call-2", call_audio()[:, :16_000])
    await bed.play(log[:60])
    await bed.handler.give_up(message(log[60]), KeyError("a bug"))
    await bed.handler.give_up(message(log[61]), KeyError("a bug"))
    await bed.play(log[61:])
    await bed.handler.give_up(message(never[0]), KeyError("a bug"))
    await bed.until(TranscriptFailed, 2)
    failed = [record for record in bed.topics.of(TranscriptFailed) if isinstance(record, TranscriptFailed)]
    assert sorted((record.call_id, record.error) for record in failed) == [("call-1", "internal"), ("call-2", "internal")]
    assert bed.topics.of(TranscriptCompleted) == []


async def test_whoever_goes_on_begins_with_what_is_held(bed: Bed) -> None:
    """Though records of other calls behind it were taken, and its call rests: neither the log nor a checkpoint passes it."""
    log = log_of()
    await bed.play(log[:1])
    await bed.until(TranscriptStarted)
    held = log[0].offset + 1
    other = written("call-2", call_audio()[:, : 5 * 16_000])
    for entry in other:
        await bed.handler.handle(message(replace(entry, offset=entry.offset + 500)))
    needed = await bed.handler.settle(PARTITION, held)
    assert needed is not None
    assert needed <= held
    assert bed.topics.checkpoints["call-1"].offset <= held


async def test_another_ones_call_by_the_same_id_is_no_part_of_a_call(bed: Bed) -> None:
    """Its start, audio, pauses and end come between the records of the call, also where another process took that over."""
    log = log_of()
    other = CallWriter(codec=AudioCodec.PCMU, channels=CHANNELS[:1], tenant="squatter")
    other.start()
    other.say(call_audio()[:1, : 20 * 16_000])
    other.pause()
    other.end()
    between = [replace(entry, record=entry.record.model_copy(update={"writer": "door-2"})) for entry in other.log]
    mixed = [log[0], *between]
    for number, entry in enumerate(log[1:]):
        mixed += [entry, between[number % len(between)]]
    # As they stand on the log now.
    mixed = [replace(entry, offset=offset) for offset, entry in enumerate(mixed)]
    await bed.play(mixed[:300])
    await bed.until(TranscriptStarted)
    begin = await bed.hand_over()
    await bed.play([entry for entry in mixed if entry.offset >= begin])
    await bed.until(TranscriptCompleted)
    said = {phrase.phrase_id: phrase for phrase in bed.topics.published if isinstance(phrase, Phrase)}
    assert list(said.values()) == undisturbed(log, ScriptedEngine())
    assert bed.topics.of(TranscriptFailed) == []
