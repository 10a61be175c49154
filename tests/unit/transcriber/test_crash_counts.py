"""A recording that ends its decoder, or the transcriber, is tried a few times, whoever does it, and then fails."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from steno_transcriber.audio.decoders import DecodedAudio, Decoders
from steno_transcriber.audio.errors import DecoderDied, DecoderLost
from steno_transcriber.crash_counts import MOST_DEATHS, CrashCount, CrashCounts
from steno_transcriber.decode_pool import DecodePool
from steno_transcriber.engines.choice import Engines
from steno_transcriber.engines.scripted import ScriptedEngine
from steno_transcriber.fetch.fetcher import Fetcher, FetchLimits, fetching_session
from steno_transcriber.fetch.slots import FetchSlots
from steno_transcriber.job import Transcriber
from steno_transcriber.steps import Steps
from support.recordings import silence

from steno.events.catalogue import RECORDINGS, Topic
from steno.events.records import Record, RecordingCancelled, RecordingSubmitted, TranscriptCompleted, TranscriptFailed
from steno.kafka.messages import Message
from steno.storage.objects import ObjectStore

NOW = datetime(2026, 3, 1, tzinfo=UTC)
LIMITS = FetchLimits(max_bytes=10**9, connect_seconds=1, read_seconds=1, total_seconds=5, attempts=2, give_up_seconds=5)


class MortalDecoders(Decoders):
    """Decoders of which those of one recording die, or wait."""

    def __init__(self) -> None:
        super().__init__()
        self.deaths_to_come: list[DecoderDied | DecoderLost] = []
        self.asked: list[str] = []
        self.hold: dict[str, threading.Event] = {}
        self.look: Callable[[], None] = lambda: None

    @contextmanager
    def open(
        self, path: Path, *, name: str, headerless: str | None = None, stop: Callable[[], bool] = lambda: False
    ) -> Iterator[DecodedAudio]:
        self.asked.append(name)
        self.look()
        while name in self.hold and not self.hold[name].wait(0.01):
            assert not stop()
        if name == "bad.wav" and self.deaths_to_come:
            raise self.deaths_to_come.pop(0)
        with super().open(path, name=name, headerless=headerless, stop=stop) as audio:
            yield audio


class Published(list[Record]):
    """A publisher that keeps what it was given."""

    async def send(self, topic: Topic, record: Record, *, event_id: str | None = None) -> None:
        self.append(record)


class Installation:
    """A transcriber that can be put in another's place."""

    def __init__(self, folder: Path) -> None:
        self.objects = folder / "objects"
        self.store = ObjectStore(self.objects.as_uri())
        self.attempts = CrashCounts(self.store)
        self.decoders = MortalDecoders()
        self.published = Published()
        self.transcriber: Transcriber
        for name in ("bad.wav", "good.wav"):
            silence(self.objects / name, seconds=1)

    @property
    def mark(self) -> dict[str, int] | None:
        path = self.objects / "decoding" / "bad.json"
        return json.loads(path.read_text()) if path.exists() else None

    async def handle(self, name: str) -> None:
        record = RecordingSubmitted(call_id=name, recording_id=name, url=f"{self.store.url}/{name}.wav")
        await self.transcriber.handle(self.message(record))

    def message(self, record: Record) -> Message:
        return Message(topic=RECORDINGS, partition=0, offset=0, key="call", record=record, headers={}, timestamp=NOW)

    def ends(self) -> list[tuple[str, str]]:
        return [
            (record.recording_id, record.error if isinstance(record, TranscriptFailed) else "completed")
            for record in self.published
            if isinstance(record, TranscriptFailed | TranscriptCompleted)
        ]


@pytest.fixture
async def steno(tmp_path: Path) -> AsyncIterator[Installation]:
    made = Installation(tmp_path)
    with DecodePool(1) as pool, ThreadPoolExecutor(2) as recordings_pool:
        async with fetching_session(LIMITS) as session:
            made.transcriber = Transcriber(
                engines=Engines([ScriptedEngine()]),
                fetcher=Fetcher(store=made.store, session=session, limits=LIMITS),
                places=FetchSlots(at_once=2, slow=2),
                store=made.store,
                publisher=made.published,
                decoders=made.decoders,
                pool=pool,
                recordings_pool=recordings_pool,
                at_once=2,
                max_audio_ms=60_000,
                steps=Steps(),
                now=lambda: NOW,
            )
            yield made
    made.decoders.close()


def died() -> DecoderDied:
    return DecoderDied("the decoder of bad.wav ended by SIGSEGV")


async def test_a_recording_is_marked_while_it_is_decoded(steno: Installation) -> None:
    """So that a death shows; and at its end, however it ends, nothing is left."""
    seen = []
    steno.decoders.look = lambda: seen.append(steno.mark)
    await steno.handle("bad")
    (steno.objects / "bad.wav").write_bytes(b"no audio")
    await steno.handle("bad")
    assert seen == [{"deaths": 1, "crashes": 0}] * 2
    assert steno.ends() == [("bad", "completed"), ("bad", "unreadable_audio")]
    assert steno.mark is None


async def test_one_crash_of_the_decoder_is_not_the_end(steno: Installation) -> None:
    """It is tried again at once, and told of the first attempt nowhere."""
    steno.decoders.deaths_to_come = [died()]
    await steno.handle("bad")
    assert steno.ends() == [("bad", "completed")]
    assert steno.mark is None


async def test_two_crashes_of_the_decoder_are(steno: Installation) -> None:
    """With a reason, and no third attempt."""
    steno.decoders.deaths_to_come = [died(), died(), died()]
    await steno.handle("bad")
    assert steno.ends() == [("bad", "decoder_died")]
    assert len(steno.decoders.asked) == 2
    assert steno.mark is None


async def test_crashes_count_across_restarts(steno: Installation) -> None:
    """A transcriber found one and was stopped, or died: another finds the second."""
    seen = []
    steno.decoders.look = lambda: seen.append(steno.mark)
    steno.decoders.deaths_to_come = [died(), died()]
    await steno.handle("bad")
    assert seen == [{"deaths": 1, "crashes": 0}, {"deaths": 1, "crashes": 1}]
    steno.published.clear()
    await steno.attempts.write("bad", CrashCount(crashes=1))
    steno.decoders.deaths_to_come = [died(), died()]
    await steno.handle("bad")
    assert steno.ends() == [("bad", "decoder_died")]
    assert len(seen) == 3


async def test_a_recording_that_takes_the_transcriber_down_fails(steno: Installation) -> None:
    """Not even looked at again."""
    await steno.attempts.write("bad", CrashCount(deaths=MOST_DEATHS))
    await steno.handle("bad")
    assert steno.ends() == [("bad", "decoder_died")]
    assert steno.decoders.asked == []
    assert steno.mark is None


async def test_a_suspect_is_decoded_beside_what_is_none(steno: Installation) -> None:
    """It may be a recording of hours, and one kill of the transcriber makes several."""
    await steno.attempts.write("bad", CrashCount(deaths=1))
    steno.decoders.hold = {"bad.wav": threading.Event()}
    bad = asyncio.create_task(steno.handle("bad"))
    await _until(lambda: steno.decoders.asked == ["bad.wav"])
    async with asyncio.timeout(10):
        await steno.handle("good")
    assert steno.ends() == [("good", "completed")]
    steno.decoders.hold["bad.wav"].set()
    await bad


async def test_a_suspect_is_decoded_while_no_other_is(steno: Installation) -> None:
    """So that the next death tells which it was, and what was beside it once is acquitted by its completion."""
    await steno.attempts.write("bad", CrashCount(deaths=1))
    await steno.attempts.write("good", CrashCount(deaths=1))
    steno.decoders.hold = {"good.wav": threading.Event(), "bad.wav": threading.Event()}
    good = asyncio.create_task(steno.handle("good"))
    await _until(lambda: steno.decoders.asked == ["good.wav"])
    bad = asyncio.create_task(steno.handle("bad"))
    await asyncio.sleep(0.05)
    assert steno.decoders.asked == ["good.wav"]
    steno.decoders.hold["good.wav"].set()
    await good
    await _until(lambda: steno.decoders.asked == ["good.wav", "bad.wav"])
    steno.decoders.hold["bad.wav"].set()
    await bad
    assert steno.ends() == [("good", "completed"), ("bad", "completed")]
    assert steno.mark is None


async def test_a_machine_that_cannot_begin_decoders_fails_no_recording(steno: Installation) -> None:
    """However often: the recording comes again later, and nothing is held against it."""
    steno.decoders.deaths_to_come = [DecoderLost("the process it comes from is gone") for _ in range(5)]
    for _ in range(5):
        with pytest.raises(DecoderLost):
            await steno.handle("bad")
        assert steno.mark is None
    await steno.handle("bad")
    assert steno.ends() == [("bad", "completed")]


async def test_a_handler_that_is_taken_away_is_not_held_against_the_recording(steno: Installation) -> None:
    """A rebalance or a stop is no death."""
    await steno.attempts.write("bad", CrashCount(crashes=1))
    steno.decoders.hold = {"bad.wav": threading.Event()}
    handling = asyncio.create_task(steno.handle("bad"))
    await _until(lambda: bool(steno.decoders.asked))
    handling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await handling
    await _until(lambda: steno.mark == {"deaths": 0, "crashes": 1})


async def test_a_cancelled_recording_leaves_no_mark(steno: Installation) -> None:
    """Nobody will look for it."""
    steno.decoders.hold = {"bad.wav": threading.Event()}
    handling = asyncio.create_task(steno.handle("bad"))
    await _until(lambda: bool(steno.decoders.asked))
    cancellation = RecordingCancelled(call_id="bad", recording_id="bad", cancelled_at=NOW)
    cancelling = steno.transcriber.handle(steno.message(cancellation))
    steno.decoders.hold["bad.wav"].set()
    await cancelling
    await handling
    assert steno.ends() == []
    assert steno.mark is None


async def test_a_mark_that_was_cut_off_counts_as_a_death(steno: Installation) -> None:
    """Whatever stands in it."""
    for content in (b"", b"{}", b"[]", b'{"deaths": null, "crashes": 0}', b"\xff"):
        await steno.store.put("decoding/bad.json", content)
        assert await steno.attempts.read("bad") == CrashCount(deaths=1)


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)
