"""The work of one recording, by an engine that fetches it itself."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from steno_transcriber.audio.decoders import Decoders
from steno_transcriber.decode_pool import DecodePool
from steno_transcriber.engines.choice import Engine, Engines
from steno_transcriber.engines.port import EngineUnavailable, RecordingAnswer, RecordingReference, Unsupported
from steno_transcriber.engines.scripted import ScriptedEngine
from steno_transcriber.engines.scripted_recording import ScriptedRecordingEngine
from steno_transcriber.fetch.fetcher import Fetcher, FetchLimits, fetching_session
from steno_transcriber.fetch.slots import FetchSlots
from steno_transcriber.job import Transcriber
from steno_transcriber.steps import Steps
from support.engine_contract import call_of
from support.recognition_options import ENGLISH, KLINGON

from steno.events import ids
from steno.events.catalogue import RECORDINGS, Topic
from steno.events.recognition import RecognitionOptions
from steno.events.records import (
    ChannelRole,
    Phrase,
    Record,
    RecordingCancelled,
    RecordingSubmitted,
    Role,
    TranscriptCompleted,
    TranscriptFailed,
    TranscriptStarted,
)
from steno.kafka.messages import Message
from steno.storage.objects import ObjectStore

NOW = datetime(2026, 3, 1, tzinfo=UTC)
LIMITS = FetchLimits(max_bytes=10**9, connect_seconds=1, read_seconds=1, total_seconds=5, attempts=1, give_up_seconds=5)
SUBMITTED = RecordingSubmitted(
    call_id="call-1",
    recording_id="recording-1",
    url="https://calls.example/1.wav",
    channels=(ChannelRole(channel=0, role=Role.AGENT), ChannelRole(channel=1, role=Role.CUSTOMER)),
)


class Published(list[Record]):
    async def send(self, topic: Topic, record: Record, *, event_id: str | None = None) -> None:
        self.append(record)


class Far(ScriptedRecordingEngine):
    """The scripted engine, which can be away or slow, and keeps what it was to forget."""

    def __init__(self) -> None:
        super().__init__(lambda _: call_of())
        self.away = False
        self.hangs = asyncio.Event()
        self.begun = asyncio.Event()
        self.forgotten: list[str] = []

    async def recognise(self, recording: RecordingReference) -> RecordingAnswer:
        self.begun.set()
        if self.away:
            raise EngineUnavailable("the service is away")
        if self.hangs.is_set():
            await asyncio.Event().wait()
        return await super().recognise(recording)

    async def forget(self, recording: RecordingReference) -> None:
        self.forgotten.append(recording.recording_id)


@pytest.fixture
async def far() -> Far:
    return Far()


@pytest.fixture
def published() -> Published:
    return Published()


@pytest.fixture
async def transcriber(far: Far, published: Published, tmp_path: Path, decoders: Decoders) -> AsyncIterator[Transcriber]:
    store = ObjectStore((tmp_path / "objects").as_uri())
    async with fetching_session(LIMITS) as session:
        with DecodePool(1) as pool, ThreadPoolExecutor(1) as recordings_pool:
            yield Transcriber(
                engines=Engines([far]),
                fetcher=Fetcher(store=store, session=session, limits=LIMITS),
                places=FetchSlots(at_once=1, slow=1),
                store=store,
                publisher=published,
                decoders=decoders,
                pool=pool,
                recordings_pool=recordings_pool,
                at_once=1,
                max_audio_ms=60_000,
                steps=Steps(),
                now=lambda: NOW,
            )


def message(record: Record) -> Message:
    return Message(topic=RECORDINGS, partition=0, offset=0, key="call-1", record=record, headers={}, timestamp=NOW)


async def test_a_recording_becomes_phrases_without_being_fetched(transcriber: Transcriber, published: Published) -> None:
    """Started, its phrases with ids by channel and start and the roles of its channels, completed."""
    await transcriber.handle(message(SUBMITTED))
    phrases = [record for record in published if isinstance(record, Phrase)]
    assert [type(record) for record in published] == [TranscriptStarted, *[Phrase] * len(phrases), TranscriptCompleted]
    assert {(phrase.channel, phrase.role) for phrase in phrases} == {(0, Role.AGENT), (1, Role.CUSTOMER)}
    for phrase in phrases:
        assert phrase.phrase_id == ids.phrase_id("call-1", "recording-1", phrase.channel, phrase.start_ms)
        assert phrase.words
    completed = published[-1]
    assert isinstance(completed, TranscriptCompleted)
    assert (completed.channel_count, completed.duration_ms, completed.phrase_count) == (2, 30_000, len(phrases))
    assert completed.engine.startswith("scripted_recording")


async def test_words_that_nobody_wants_are_left_out(transcriber: Transcriber, published: Published) -> None:
    """The phrases are there all the same."""
    details = SUBMITTED.recognition.model_copy(update={"words": False})
    await transcriber.handle(message(SUBMITTED.model_copy(update={"recognition": details})))
    assert {phrase.words for phrase in published if isinstance(phrase, Phrase)} == {()}


async def test_an_engine_that_is_away_is_asked_again(transcriber: Transcriber, published: Published, far: Far) -> None:
    """By the kernel; nothing has failed."""
    far.away = True
    with pytest.raises(EngineUnavailable):
        await transcriber.handle(message(SUBMITTED))
    assert [type(record) for record in published] == [TranscriptStarted]


async def test_its_reason_becomes_that_of_the_recording(transcriber: Transcriber, published: Published) -> None:
    """A channel without an answer, here."""
    await transcriber.handle(message(SUBMITTED.model_copy(update={"channels": (ChannelRole(channel=4, role=Role.AGENT),)})))
    failed = published[-1]
    assert isinstance(failed, TranscriptFailed)
    assert (failed.error, failed.reason) == ("recognition_failed", "there is no channel 4 in the recording")


async def test_a_cancelled_recording_is_forgotten(transcriber: Transcriber, published: Published, far: Far) -> None:
    """So that what was sent for it can be deleted; nothing more is published."""
    far.hangs.set()
    handling = asyncio.create_task(transcriber.handle(message(SUBMITTED)))
    await far.begun.wait()
    await transcriber.handle(message(RecordingCancelled(call_id="call-1", recording_id="recording-1", cancelled_at=NOW)))
    await handling
    assert far.forgotten == ["recording-1"]
    assert [type(record) for record in published] == [TranscriptStarted]


async def test_a_recording_that_another_process_takes_over_is_not_forgotten(transcriber: Transcriber, far: Far) -> None:
    """At a rebalance its task is cancelled, but it is still wanted."""
    far.hangs.set()
    handling = asyncio.create_task(transcriber.handle(message(SUBMITTED)))
    await far.begun.wait()
    handling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await handling
    assert far.forgotten == []


Make = Callable[[], list[Engine]]


@pytest.mark.parametrize(
    ("make", "options", "chosen"),
    [
        (lambda: [Far(), ScriptedEngine()], ENGLISH, True),
        (lambda: [ScriptedEngine(), Far()], ENGLISH, False),
        (lambda: [Far(), ScriptedEngine()], ENGLISH.model_copy(update={"model": "scripted"}), True),
        (lambda: [ScriptedEngine()], ENGLISH, False),
    ],
)
async def test_the_first_engine_that_serves_is_chosen(make: Make, options: RecognitionOptions, chosen: bool) -> None:
    """Whether it fetches recordings itself or is given their audio."""
    assert (Engines(make()).choose_for_recording(options) is not None) == chosen


async def test_what_no_engine_can_serve_has_a_reason() -> None:
    """The same as for engines that are given audio; live calls need such an engine."""
    engines = Engines([Far()])
    with pytest.raises(Unsupported, match="tlh"):
        engines.choose_for_recording(KLINGON)
    with pytest.raises(Unsupported, match="no vocabulary"):
        engines.choose_for_recording(ENGLISH.model_copy(update={"vocabulary": "cards"}))
    with pytest.raises(Unsupported, match="live calls"):
        engines.choose(ENGLISH)
