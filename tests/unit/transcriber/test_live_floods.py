"""Calls that come faster than live, straight on Kafka: they wait for themselves, and say the same in the end."""

import asyncio
import errno
import io
import os
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta
from tempfile import SpooledTemporaryFile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from steno_transcriber.decode_pool import Urgency
from steno_transcriber.engines.scripted import ScriptedEngine
from steno_transcriber.live import record_buffer as aside_module
from steno_transcriber.live.audio_backlog import AudioBacklog
from steno_transcriber.live.buffer_budget import BufferBudget
from steno_transcriber.live.record_buffer import BufferedRecord, RecordBuffer, TooFarAhead
from steno_transcriber.live.worker import INTERNAL, _Decoding
from steno_transcriber.screening import Outcome
from steno_transcriber.speech import Utterance
from support.live_bed import PARTITION, Bed, HeldDecoder
from support.live_calls import BEGAN, CallWriter, Entry
from support.live_transcriber import undisturbed
from support.speech import call_audio

from steno.events.recognition import RecognitionOptions
from steno.events.records import (
    AudioChunk,
    AudioGap,
    CallEnded,
    CallRecord,
    GapReason,
    Phrase,
    TranscriptCompleted,
    TranscriptFailed,
)


class FairDecoder(HeldDecoder):
    """Decodes what it is let, and notes for whom, and how urgent it was."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str, Urgency]] = []
        #: Calls that the engine has no time for.
        self.held: set[str] = set()
        self.let_go = asyncio.Event()

    async def decode(self, utterance: Utterance, *, call_id: str, urgency: Urgency, options: RecognitionOptions) -> Outcome:
        self.asked.append((call_id, urgency))
        if call_id in self.held:
            await self.let_go.wait()
        return await super().decode(utterance, call_id=call_id, urgency=urgency, options=options)


class FloodBed(Bed):
    """With an engine that says for whom it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.decoder: FairDecoder = FairDecoder()
        self.handler = self.another()


@pytest.fixture
async def bed() -> AsyncIterator[FloodBed]:
    made = FloodBed()
    assert await made.handler.open(PARTITION) is None
    yield made
    await made.handler.close(PARTITION)


def flood(call_id: str = "flood", *, minutes: int = 6) -> list[Entry]:
    """A call that says so much within a second."""
    call = CallWriter(call_id=call_id)
    call.start()
    said = call_audio()
    for _ in range(minutes * 60 * 16_000 // said.shape[1] + 1):
        call.say(said, chunk=2000)
    call.end()
    return [replace(entry, written_at=BEGAN + timedelta(milliseconds=index)) for index, entry in enumerate(call.log)]


def live(call_id: str, offset: int) -> list[Entry]:
    """A call that keeps its time."""
    call = CallWriter(call_id=call_id, offset=offset)
    call.start()
    call.say(call_audio()[:, : 15 * 16_000])
    call.end()
    return call.log


def short(call_id: str, *, offset: int) -> list[Entry]:
    """A call of which all has come at once."""
    call = CallWriter(call_id=call_id, offset=offset)
    call.start()
    call.say(call_audio()[:, : 30 * 16_000], chunk=2000)
    call.end()
    return [replace(entry, written_at=BEGAN) for entry in call.log]


def phrases(bed: Bed, call_id: str) -> list[Phrase]:
    return [record for record in bed.topics.of(Phrase) if isinstance(record, Phrase) and record.call_id == call_id]


async def test_a_flood_waits_for_itself_and_the_next_call_of_the_partition_does_not(bed: FloodBed) -> None:
    """The engine has no time at all for it, and the log behind it is read; then it comes to what it says undisturbed."""
    log = flood()
    after = live("call", log[-1].offset + 10)
    bed.decoder.held = {"flood"}
    async with asyncio.timeout(20):
        await bed.play(log)
        await bed.play(after)
        await bed.until(TranscriptCompleted)
    assert phrases(bed, "call") == undisturbed(after, ScriptedEngine())
    assert phrases(bed, "flood") == []
    bed.decoder.let_go.set()
    await bed.until(TranscriptCompleted, 2)
    assert phrases(bed, "flood") == undisturbed(log, ScriptedEngine())


async def test_little_of_a_flood_waits_for_the_engine(bed: FloodBed) -> None:
    """A minute or so, whatever has come; the rest is buffered. The room for all other calls is as before."""
    bed.decoder.held = {"flood"}
    await bed.play(flood(minutes=10))
    assert bed.decoder.begun == 0
    calls = bed.handler._partitions[PARTITION]
    (call,) = calls
    queued = call.worker._decodings._queue  # type: ignore[attr-defined]
    waiting = sum(item.spoken.utterance.duration_ms for item in queued if isinstance(item, _Decoding))
    assert waiting < (38 + 60 + 30) * 1000 * 2
    assert not bed.backlog.full
    bed.decoder.let_go.set()
    await bed.until(TranscriptCompleted)


async def test_many_short_calls_at_once_wait_for_themselves(bed: FloodBed) -> None:
    """Each is too short to be ahead of its time; the engine has no time for them, and the log behind them is read."""
    logs = [short(f"short-{number}", offset=number * 1000) for number in range(40)]
    after = live("call", 50_000)
    bed.decoder.held = {f"short-{number}" for number in range(40)}
    async with asyncio.timeout(40):
        for log in logs:
            await bed.play(log)
        await bed.play(after)
        await bed.until(TranscriptCompleted)
    assert phrases(bed, "call") == undisturbed(after, ScriptedEngine())
    assert not bed.backlog.full
    assert bed.late_backlog.full
    bed.decoder.let_go.set()
    await bed.until(TranscriptCompleted, 41)
    for log in logs:
        assert phrases(bed, log[0].record.call_id) == undisturbed(log, ScriptedEngine())


@pytest.mark.parametrize("waiting", [4, 40])
async def test_of_calls_for_which_there_is_no_room_each_is_heard_as_soon_as_nothing_of_it_waits(
    bed: FloodBed, waiting: int
) -> None:
    """Calls that say little wait for none that say much."""
    bed.backlog, bed.late_backlog = AudioBacklog(seconds=4), AudioBacklog(seconds=4)
    bed.handler = bed.another()
    await bed.handler.open(PARTITION)
    bed.decoder.held = {f"short-{number}" for number in range(waiting)}
    for number in range(waiting):
        await bed.play(short(f"short-{number}", offset=number * 1000))
    after = live("call", 50_000)
    for entry in after:
        await bed.play([entry])
        await asyncio.sleep(0)
    await bed.until(TranscriptCompleted)
    assert phrases(bed, "call") == undisturbed(after, ScriptedEngine())
    bed.decoder.let_go.set()
    await bed.until(TranscriptCompleted, waiting + 1)


async def test_finals_of_a_flood_are_less_urgent_than_those_of_live_calls(bed: FloodBed) -> None:
    """As soon as it comes faster than it is spoken; far ahead of its time they are no more urgent than a recording's."""
    log = flood(minutes=3)
    await bed.play(log)
    await bed.until(TranscriptCompleted)
    urgencies = [urgency for _, urgency in bed.decoder.asked]
    assert set(urgencies[:3]) == {Urgency.LATE}
    assert set(urgencies[-10:]) == {Urgency.RECORDING}


async def test_a_call_of_which_much_is_read_late_is_live(bed: FloodBed) -> None:
    """By the times of its records it keeps its time, whenever it is read."""
    await bed.play(live("late", 0))
    await bed.until(TranscriptCompleted)
    assert [urgency for _, urgency in bed.decoder.asked] == [Urgency.FINAL] * 3


@pytest.mark.parametrize("share", [0.2, 0.6, 0.95])
async def test_another_process_goes_on_with_a_flood_to_the_bit(bed: FloodBed, share: float) -> None:
    """What was buffered is read again; the log below it is not let go."""
    log = flood()
    died = int(len(log) * share)
    bed.decoder.held = {"flood"}
    await bed.play(log[:died])
    for _ in range(50):
        await asyncio.sleep(0)
    settled = await bed.handler.settle(PARTITION)
    await bed.handler.close(PARTITION)
    bed.decoder.held = set()
    bed.handler = bed.another()
    wanted = await bed.handler.open(PARTITION)
    begin = min(offset for offset in (settled, wanted) if offset is not None)
    async with asyncio.timeout(30):
        await bed.play([entry for entry in log if entry.offset >= begin])
        await bed.until(TranscriptCompleted)
    said = {phrase.phrase_id: phrase for phrase in phrases(bed, "flood")}
    assert list(said.values()) == undisturbed(log, ScriptedEngine())


async def test_a_flood_beyond_all_bounds_fails_its_live_pass_alone(bed: FloodBed, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a reason; what was said before stands, and its recording is made and transcribed all the same."""
    monkeypatch.setattr(
        RecordBuffer.__init__, "__kwdefaults__", {**(RecordBuffer.__init__.__kwdefaults__ or {}), "most_bytes": 1}
    )
    bed.decoder.held = {"flood"}
    log = flood()
    await bed.play(log)
    bed.decoder.let_go.set()
    await bed.until(TranscriptFailed)
    (failed,) = bed.topics.of(TranscriptFailed)
    assert isinstance(failed, TranscriptFailed)
    assert failed.error == "too_far_ahead"
    assert "publish calls as they are spoken" in failed.reason
    after = live("call", log[-1].offset + 10)
    await bed.play(after)
    await bed.until(TranscriptCompleted)
    assert phrases(bed, "call") == undisturbed(after, ScriptedEngine())


async def test_what_is_buffered_ends_with_a_fault_of_ours_in_words(bed: FloodBed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is lost in silence."""

    def broken(_: RecordBuffer) -> BufferedRecord:
        return BufferedRecord(offset=2**40, written_at=BEGAN, record=None)  # type: ignore[arg-type]

    monkeypatch.setattr(RecordBuffer, "pop", broken)
    monkeypatch.setattr("steno_transcriber.live.call.LiveCall._take", _fails)
    await bed.play(flood()[:1])
    (call,) = bed.handler._partitions[PARTITION]
    call.worker._hear_later(broken(RecordBuffer("flood", None)))
    await bed.until(TranscriptFailed)
    (failed,) = bed.topics.of(TranscriptFailed)
    assert isinstance(failed, TranscriptFailed)
    assert (failed.error, failed.reason) == ("internal", INTERNAL)


class FullDisk(io.RawIOBase):
    """A file that nothing can be written to."""

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        return offset

    def write(self, _: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


async def test_a_full_disk_fails_the_live_pass_alone(bed: FloodBed, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the first record that finds no room, before anything of it is taken from there."""
    monkeypatch.setattr(aside_module, "SpooledTemporaryFile", lambda **_: io.BufferedRandom(FullDisk()))
    bed.decoder.held = {"flood"}
    await bed.play(flood(minutes=3))
    bed.decoder.let_go.set()
    await bed.until(TranscriptFailed)
    (failed,) = bed.topics.of(TranscriptFailed)
    assert isinstance(failed, TranscriptFailed)
    assert failed.error == "too_far_ahead"
    assert "No space left" in failed.reason


async def test_what_cannot_be_read_back_fails_the_live_pass_alone(bed: FloodBed, monkeypatch: pytest.MonkeyPatch) -> None:
    """The call ends in words, and nothing of it is buffered any more that would hold its partition back."""

    def broken(_: RecordBuffer) -> BufferedRecord:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(RecordBuffer, "pop", broken)
    bed.decoder.held = {"flood"}
    await bed.play(flood(minutes=3))
    (call,) = bed.handler._partitions[PARTITION]
    assert call.worker.buffered_from is not None
    bed.decoder.let_go.set()
    await bed.until(TranscriptFailed)
    (failed,) = bed.topics.of(TranscriptFailed)
    assert isinstance(failed, TranscriptFailed)
    assert (failed.error, failed.reason) == ("internal", INTERNAL)
    assert call.worker.buffered_from is None


def _fails(*_: object) -> None:
    raise RuntimeError("broken")


# What is buffered.

PLACES, C = st.integers(0, 2**62), st.just("c")
LAID: st.SearchStrategy[CallRecord] = st.one_of(
    st.builds(AudioChunk, call_id=C, sequence=st.integers(0, 2**31 - 1), position=PLACES, audio=st.binary(max_size=3000)),
    st.builds(AudioGap, call_id=C, position=PLACES, length=PLACES, reason=st.sampled_from(GapReason)),
    st.builds(CallEnded, call_id=C, position=PLACES, complete=st.booleans(), reason=st.text(), ended_at=st.just(BEGAN)),
)


@given(st.lists(st.one_of(st.none(), LAID), max_size=40))
def test_what_was_put_aside_comes_back_in_its_order_as_it_was(steps: Sequence[CallRecord | None]) -> None:
    """Whenever it is taken; None takes one."""
    kept, expected = RecordBuffer("c", None), list[BufferedRecord]()
    for offset, record in enumerate(steps):
        if record is not None:
            buffered = BufferedRecord(offset=offset, written_at=BEGAN + timedelta(microseconds=offset), record=record)
            kept.put(buffered)
            expected.append(buffered)
        elif expected:
            assert kept.pop() == expected.pop(0)
        assert kept.first_offset == (expected[0].offset if expected else None)
    while expected:
        assert kept.pop() == expected.pop(0)
    assert not kept
    kept.clear()


def test_there_is_a_bound_to_what_is_buffered() -> None:
    """And no more than a megabyte of it in memory."""
    kept = RecordBuffer("c", None, most_bytes=3_000_000)
    chunk = AudioChunk(call_id="c", sequence=0, position=0, audio=np.zeros(1_000_000, dtype=np.uint8).tobytes())
    for offset in range(2):
        kept.put(BufferedRecord(offset=offset, written_at=BEGAN, record=chunk))
    with pytest.raises(TooFarAhead):
        kept.put(BufferedRecord(offset=2, written_at=BEGAN, record=chunk))
    assert kept._file is not None
    assert kept._file._rolled  # type: ignore[attr-defined]
    kept.clear()


def test_there_is_a_bound_to_what_is_buffered_of_all_calls() -> None:
    """The call with the most there gives way, or is the one that finds no room; what is gone counts no more."""
    evicted = list[str]()
    budget = BufferBudget(most_bytes=10_000)

    def buffer_of(name: str) -> RecordBuffer:
        return RecordBuffer("c", None, budget=budget, evicted=lambda error: evicted.append(f"{name} {error.error_class}"))

    many, few = buffer_of("many"), buffer_of("few")
    for offset in range(3):
        many.put(chunk_of(2_000, offset))
    with pytest.raises(TooFarAhead):
        many.put(chunk_of(4_000, 3))
    few.put(chunk_of(3_000, 4))
    few.put(chunk_of(2_000, 5))
    assert evicted == ["many too_far_ahead"]
    assert not many
    assert few.pop() == chunk_of(3_000, 4)
    few.clear()
    for offset in range(4):
        few.put(chunk_of(2_000, offset))
    few.clear()


def test_there_is_a_bound_to_what_is_buffered_in_memory() -> None:
    """Beyond it, it is on disk from the first; and what is on disk, or gone, makes room."""
    budget = BufferBudget(most_in_memory_bytes=2 << 20)
    asides = [RecordBuffer("c", None, budget=budget) for _ in range(5)]
    for each in asides[:3]:
        each.put(chunk_of(1, 0))
    assert [isinstance(each._file, SpooledTemporaryFile) for each in asides[:3]] == [True, True, False]
    assert asides[2].pop() == chunk_of(1, 0)
    asides[0].put(chunk_of(2 << 20, 1))
    asides[1].clear()
    for each in asides[2:]:
        each.put(chunk_of(1, 2))
    assert [isinstance(each._file, SpooledTemporaryFile) for each in asides[2:]] == [True, True, False]
    for each in asides:
        each.clear()


def chunk_of(size: int, offset: int) -> BufferedRecord:
    record = AudioChunk(call_id="c", sequence=0, position=0, audio=bytes(size))
    return BufferedRecord(offset=offset, written_at=BEGAN, record=record)


async def test_a_flood_gives_way_to_what_less_lies_aside_of(bed: FloodBed) -> None:
    """It fails with a reason, and the other is transcribed as if it had been there alone."""
    log, second = flood(minutes=5), flood("second", minutes=2)
    after = [replace(entry, offset=entry.offset + log[-1].offset + 10) for entry in second]
    bed.budget._most_bytes = sum(len(entry.record.audio) for entry in log if isinstance(entry.record, AudioChunk))
    bed.decoder.held = {"flood", "second"}
    await bed.play(log)
    await bed.play(after)
    bed.decoder.let_go.set()
    await bed.until(TranscriptFailed)
    await bed.until(TranscriptCompleted)
    (failed,) = bed.topics.of(TranscriptFailed)
    assert isinstance(failed, TranscriptFailed)
    assert (failed.call_id, failed.error) == ("flood", "too_far_ahead")
    assert phrases(bed, "second") == undisturbed(after, ScriptedEngine())


def test_a_room_says_when_it_is_full() -> None:
    """Asked before more is taken."""
    assert not AudioBacklog(1).full


async def test_a_flood_that_lies_about_its_time_has_its_share_and_no_more(bed: FloodBed) -> None:
    """Each record is stamped as if it came in its time; the log behind it is read all the same."""
    call = CallWriter(call_id="flood")
    call.start()
    for _ in range(8):
        call.say(call_audio())
    call.end()
    bed.decoder.held = {"flood"}
    after = live("call", call.offset + 10)
    async with asyncio.timeout(20):
        await bed.play(call.log)
        await bed.play(after)
        await bed.until(TranscriptCompleted)
    assert phrases(bed, "call") == undisturbed(after, ScriptedEngine())
    assert not bed.backlog.full
    bed.decoder.let_go.set()
    await bed.until(TranscriptCompleted, 2)
    assert phrases(bed, "flood") == undisturbed(call.log, ScriptedEngine())
