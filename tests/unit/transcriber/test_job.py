"""The work of one recording, on a local object store and with the scripted engine."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import pytest
from steno_transcriber.audio.decoders import Decoders
from steno_transcriber.decode_pool import DecodePool
from steno_transcriber.engines.choice import Engines
from steno_transcriber.engines.port import Pack
from steno_transcriber.engines.scripted import ScriptedEngine
from steno_transcriber.fetch.fetcher import Fetcher, FetchLimits, fetching_session
from steno_transcriber.fetch.slots import FetchSlots
from steno_transcriber.job import Transcriber
from steno_transcriber.speech import Recognition
from steno_transcriber.steps import Steps
from support.recordings import excerpt, silence

from steno.events import ids
from steno.events.catalogue import RECORDINGS, Topic
from steno.events.recognition import Profanity, RecognitionDetails, RecognitionOptions
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
from steno.kafka.errors import RecordRefused
from steno.kafka.messages import Message
from steno.storage.objects import ObjectStore, StoreUnavailable

NOW = datetime(2026, 3, 1, tzinfo=UTC)
LIMITS = FetchLimits(max_bytes=10**9, connect_seconds=1, read_seconds=1, total_seconds=5, attempts=2, give_up_seconds=5)


class Published(list[Record]):
    """A publisher that keeps what it was given, and can look around at each."""

    documents: Path
    #: What Kafka will never take.
    refuses: Callable[[Record], bool] = staticmethod(lambda _: False)

    async def send(self, topic: Topic, record: Record, *, event_id: str | None = None) -> None:
        assert type(record).__name__ in topic.records
        assert event_id
        if self.refuses(record):
            raise RecordRefused("too large")
        if isinstance(record, Phrase):
            assert list(self.documents.glob("*.json")), "the result document stands before the first phrase"
        self.append(record)

    def of(self, kind: type[Record]) -> list[Record]:
        return [record for record in self if isinstance(record, kind)]


class WatchedEngine(ScriptedEngine):
    """The scripted engine, which can be held, made to fail and counted."""

    def __init__(self) -> None:
        super().__init__()
        self.begun = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()
        self.error: Exception | None = None
        self.decoded = 0

    def decode(self, pack: Pack, options: RecognitionOptions) -> list[Recognition]:
        self.begun.set()
        assert self.go_on.wait(20)
        if self.error is not None:
            raise self.error
        self.decoded += 1
        return super().decode(pack, options)


class FlakyStore(ObjectStore):
    """An object store that can be full, for documents."""

    away = False

    async def put(self, key: str, data: bytes | AsyncIterator[bytes]) -> str:
        if self.away and key.startswith("transcripts/"):
            raise StoreUnavailable("the disk is full")
        return await super().put(key, data)


@pytest.fixture
def engine() -> Iterator[WatchedEngine]:
    made = WatchedEngine()
    yield made
    made.go_on.set()


@pytest.fixture
def store(tmp_path: Path) -> FlakyStore:
    return FlakyStore((tmp_path / "objects").as_uri())


@pytest.fixture
def published(tmp_path: Path) -> Published:
    made = Published()
    made.documents = tmp_path / "objects" / "transcripts"
    return made


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with fetching_session(LIMITS) as made:
        yield made


@pytest.fixture
def places() -> FetchSlots:
    return FetchSlots(at_once=2, slow=2)


@pytest.fixture
def transcriber(
    engine: WatchedEngine,
    store: FlakyStore,
    published: Published,
    session: aiohttp.ClientSession,
    places: FetchSlots,
    decoders: Decoders,
) -> Iterator[Transcriber]:
    with DecodePool(2) as pool, ThreadPoolExecutor(2) as recordings_pool:
        yield Transcriber(
            engines=Engines([engine]),
            fetcher=Fetcher(store=store, session=session, limits=LIMITS),
            places=places,
            store=store,
            publisher=published,
            decoders=decoders,
            pool=pool,
            recordings_pool=recordings_pool,
            at_once=2,
            max_audio_ms=60_000,
            steps=Steps(),
            now=lambda: NOW,
        )
        engine.go_on.set()


@pytest.fixture
def call(tmp_path: Path, store: FlakyStore) -> RecordingSubmitted:
    """Eight seconds of two people."""
    excerpt(tmp_path / "objects" / "call.wav", seconds=8)
    return submitted(store, "call.wav")


def submitted(store: ObjectStore, name: str, *, locale: str = "en-US") -> RecordingSubmitted:
    return RecordingSubmitted(
        call_id="call-1",
        recording_id="recording-1",
        url=f"{store.url}/{name}",
        channels=(ChannelRole(channel=0, role=Role.AGENT),),
        locale=locale,
        properties={"queue": "cards"},
        tenant="acme",
    )


CANCELLATION = RecordingCancelled(call_id="call-1", recording_id="recording-1", cancelled_at=NOW)


def message(record: Record | None) -> Message:
    return Message(topic=RECORDINGS, partition=0, offset=0, key="call-1", record=record, headers={}, timestamp=NOW)


async def test_a_call_is_completed(transcriber: Transcriber, published: Published, call: RecordingSubmitted) -> None:
    """Started, the document, its phrases in order, completed: with the count, the length and the properties it came with."""
    await transcriber.handle(message(call))
    phrases = [record for record in published if isinstance(record, Phrase)]
    assert [type(record) for record in published] == [TranscriptStarted, *[Phrase] * len(phrases), TranscriptCompleted]
    assert len(phrases) >= 2
    assert {(phrase.channel, phrase.role) for phrase in phrases} == {(0, Role.AGENT), (1, Role.UNKNOWN)}
    completed = published[-1]
    assert isinstance(completed, TranscriptCompleted)
    assert (completed.phrase_count, completed.channel_count, completed.duration_ms) == (len(phrases), 2, 8000)
    assert (completed.recording_id, completed.properties) == ("recording-1", {"queue": "cards"})
    assert {phrase.tenant for phrase in phrases} | {completed.tenant} == {"acme"}


async def test_the_document_holds_what_was_published(
    transcriber: Transcriber, published: Published, store: FlakyStore, call: RecordingSubmitted
) -> None:
    """The URL of the completion leads to the same phrases."""
    await transcriber.handle(message(call))
    completed = published[-1]
    assert isinstance(completed, TranscriptCompleted)
    document = json.loads(await store.get(completed.result_url))
    assert [entry["phrase_id"] for entry in document["phrases"]] == [
        record.phrase_id for record in published if isinstance(record, Phrase)
    ]


async def test_swear_words_are_masked_where_a_recording_asks_for_it(
    transcriber: Transcriber, engine: WatchedEngine, published: Published, store: FlakyStore, call: RecordingSubmitted
) -> None:
    """On the topic and in the document."""
    engine._script = lambda _: "oh shit"
    await transcriber.handle(message(call.model_copy(update={"recognition": RecognitionDetails(profanity=Profanity.MASKED)})))
    assert {record.text for record in published if isinstance(record, Phrase)} == {"oh ****"}
    completed = published[-1]
    assert isinstance(completed, TranscriptCompleted)
    document = json.loads(await store.get(completed.result_url))
    assert {entry["text"] for entry in document["phrases"]} == {"oh ****"}


async def test_a_replay_writes_the_same(transcriber: Transcriber, published: Published, call: RecordingSubmitted) -> None:
    """The same ids, text and times, so that whoever keeps one of each id keeps the same."""
    await transcriber.handle(message(call))
    first = list(published)
    published.clear()
    await transcriber.handle(message(call))
    assert published == first


async def test_a_second_pass_says_whose_place_it_takes(
    transcriber: Transcriber, published: Published, call: RecordingSubmitted
) -> None:
    """The completion names the pass that the submission named; that of a first pass names none."""
    await transcriber.handle(message(call.model_copy(update={"supersedes": "live-pass"})))
    second = published[-1]
    await transcriber.handle(message(call))
    first = published[-1]
    assert isinstance(first, TranscriptCompleted)
    assert isinstance(second, TranscriptCompleted)
    assert (first.supersedes, second.supersedes) == ("", "live-pass")


async def test_silence_is_completed_without_phrases(
    transcriber: Transcriber, published: Published, store: FlakyStore, tmp_path: Path
) -> None:
    """No speech is a result."""
    silence(tmp_path / "objects" / "silence.wav", seconds=3)
    await transcriber.handle(message(submitted(store, "silence.wav")))
    completed = published[-1]
    assert isinstance(completed, TranscriptCompleted)
    assert (completed.phrase_count, completed.duration_ms) == (0, 3000)


@pytest.mark.parametrize(
    ("content", "reason"), [(b"Dear customer, thank you for your letter.", "is text, not audio"), (b"", "empty")]
)
async def test_what_is_no_audio_fails(
    transcriber: Transcriber, published: Published, store: FlakyStore, tmp_path: Path, content: bytes, reason: str
) -> None:
    """With a reason a person understands, and as a result, not as an error of the message."""
    (tmp_path / "objects" / "letter.wav").write_bytes(content)
    await transcriber.handle(message(submitted(store, "letter.wav")))
    failed = published[-1]
    assert isinstance(failed, TranscriptFailed)
    assert failed.error == "unreadable_audio"
    assert reason in failed.reason
    assert (failed.properties, failed.tenant) == ({"queue": "cards"}, "acme")


async def test_a_missing_object_fails(transcriber: Transcriber, published: Published, store: FlakyStore) -> None:
    """There is nothing to wait for."""
    await transcriber.handle(message(submitted(store, "gone.wav")))
    failed = published[-1]
    assert isinstance(failed, TranscriptFailed)
    assert failed.error == "recording_missing"


async def test_audio_over_the_limit_fails(
    transcriber: Transcriber, published: Published, store: FlakyStore, tmp_path: Path
) -> None:
    """A file that unpacks to days of audio does not hold a thread for ever."""
    silence(tmp_path / "objects" / "long.wav", seconds=62)
    await transcriber.handle(message(submitted(store, "long.wav")))
    failed = published[-1]
    assert isinstance(failed, TranscriptFailed)
    assert failed.error == "audio_too_long"
    assert failed.reason.startswith("long.wav: ")


@pytest.mark.parametrize(
    "change",
    [{"url": "https://127.0.0.1/a.wav"}, {"locale": "de-DE"}, {"sha256": "0" * 64}, {"format": "opus"}],
    ids=["not reached", "another language", "another digest", "another format"],
)
async def test_the_name_of_the_file_stands_in_every_reason(
    transcriber: Transcriber, published: Published, store: FlakyStore, tmp_path: Path, change: dict[str, str]
) -> None:
    """Whatever was wrong, whoever submitted the file knows which."""
    excerpt(tmp_path / "objects" / "call.wav", seconds=3)
    recording = submitted(store, "call.wav").model_copy(update={"file_name": "Anruf 17.wav", **change})
    await transcriber.handle(message(recording))
    failed = published[-1]
    assert isinstance(failed, TranscriptFailed)
    assert "Anruf 17.wav" in failed.reason


async def test_the_name_stands_in_the_reason_of_a_fault_of_ours(
    transcriber: Transcriber, published: Published, store: FlakyStore
) -> None:
    """Which has a reason that knows nothing of files."""
    recording = submitted(store, "call.wav").model_copy(update={"file_name": "Anruf 17.wav"})
    await transcriber.give_up(message(recording), RuntimeError("a bug"))
    failed = published[-1]
    assert isinstance(failed, TranscriptFailed)
    assert failed.reason.startswith("Anruf 17.wav: an internal error")


async def test_a_language_the_model_does_not_know_fails(
    transcriber: Transcriber, published: Published, store: FlakyStore, call: RecordingSubmitted
) -> None:
    """Rather than words of another language."""
    await transcriber.handle(message(call.model_copy(update={"locale": "de-DE"})))
    failed = published[-1]
    assert isinstance(failed, TranscriptFailed)
    assert failed.error == "unsupported_locale"
    assert "de-DE" in failed.reason


async def test_a_full_store_is_tried_again_without_decoding_again(
    transcriber: Transcriber, published: Published, store: FlakyStore, engine: WatchedEngine, call: RecordingSubmitted
) -> None:
    """Nothing is published before the document stands; the attempt after that takes up where this one was left."""
    store.away = True
    with pytest.raises(StoreUnavailable):
        await transcriber.handle(message(call))
    assert [type(record) for record in published] == [TranscriptStarted]
    decoded = engine.decoded
    store.away = False
    await transcriber.handle(message(call))
    assert isinstance(published[-1], TranscriptCompleted)
    assert engine.decoded == decoded


async def test_an_error_that_nobody_foresaw_ends_the_recording_only_when_it_is_given_up(
    transcriber: Transcriber, published: Published, engine: WatchedEngine, call: RecordingSubmitted
) -> None:
    """The kernel is left to try again, and to hold it; where it gives it up, the recording fails with a reason."""
    engine.error = RuntimeError("a bug")
    for _ in range(5):
        with pytest.raises(RuntimeError):
            await transcriber.handle(message(call))
    assert published.of(TranscriptFailed) == []
    await transcriber.give_up(message(call), engine.error)
    failed = published[-1]
    assert isinstance(failed, TranscriptFailed)
    assert failed.error == "internal"
    assert "a bug" not in failed.reason
    await transcriber.handle(message(CANCELLATION))
    published.clear()
    await transcriber.give_up(message(call), engine.error)
    await transcriber.give_up(message(CANCELLATION), engine.error)
    assert published == []


async def test_a_recording_cancelled_before_is_skipped(
    transcriber: Transcriber, published: Published, call: RecordingSubmitted
) -> None:
    """Nothing is told of it."""
    await transcriber.handle(message(CANCELLATION))
    await transcriber.handle(message(call))
    assert published == []


async def test_a_recording_cancelled_under_way_is_dropped(
    transcriber: Transcriber, published: Published, engine: WatchedEngine, call: RecordingSubmitted
) -> None:
    """Its work ends, and nothing more is told of it."""
    engine.go_on.clear()
    handling = asyncio.create_task(transcriber.handle(message(call)))
    await asyncio.to_thread(engine.begun.wait, 20)
    await transcriber.handle(message(CANCELLATION))
    engine.go_on.set()
    await handling
    assert [type(record) for record in published] == [TranscriptStarted]


async def test_a_recording_cancelled_while_it_waits_is_dropped_at_once(
    transcriber: Transcriber, published: Published, places: FetchSlots, call: RecordingSubmitted
) -> None:
    """For a place, for a server or for its turn: nobody waits for what is not wanted."""
    async with places.acquire(), places.acquire():
        handling = asyncio.create_task(transcriber.handle(message(call)))
        await asyncio.sleep(0.01)
        await transcriber.handle(message(CANCELLATION))
        await asyncio.wait_for(handling, 20)
    assert published == []


async def test_the_same_recording_twice_at_once_is_done_once(
    transcriber: Transcriber, published: Published, engine: WatchedEngine, call: RecordingSubmitted
) -> None:
    """The second message is done when the first is."""
    engine.go_on.clear()
    first = asyncio.create_task(transcriber.handle(message(call)))
    await asyncio.to_thread(engine.begun.wait, 20)
    second = asyncio.create_task(transcriber.handle(message(call)))
    await asyncio.sleep(0)
    assert not second.done()
    engine.go_on.set()
    await asyncio.gather(first, second)
    assert len(published.of(TranscriptCompleted)) == 1


async def test_the_second_of_two_takes_over_where_the_first_is_taken_away(
    transcriber: Transcriber, published: Published, engine: WatchedEngine, call: RecordingSubmitted
) -> None:
    """A cancelled handler leaves nothing published, and the one that waited for it does the work."""
    engine.go_on.clear()
    first = asyncio.create_task(transcriber.handle(message(call)))
    await asyncio.to_thread(engine.begun.wait, 20)
    second = asyncio.create_task(transcriber.handle(message(call)))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    engine.go_on.set()
    await second
    assert len(published.of(TranscriptCompleted)) == 1


async def test_a_recording_without_id_gets_a_derived_one(
    transcriber: Transcriber, published: Published, call: RecordingSubmitted
) -> None:
    """Whoever publishes on the topic need not make ids."""
    await transcriber.handle(message(call.model_copy(update={"recording_id": ""})))
    completed = published[-1]
    assert isinstance(completed, TranscriptCompleted)
    assert completed.recording_id == ids.recording_id("call-1", call.url)


async def test_a_tombstone_is_let_pass(transcriber: Transcriber, published: Published) -> None:
    """There is nothing to do for it."""
    await transcriber.handle(message(None))
    assert published == []


@pytest.mark.parametrize("kind", [TranscriptStarted, Phrase, TranscriptCompleted])
async def test_a_record_that_kafka_refuses_fails_its_recording(
    transcriber: Transcriber, published: Published, call: RecordingSubmitted, kind: type[Record]
) -> None:
    """Whichever it is: nothing is tried again, and the ledger has an end with a reason."""
    published.refuses = lambda record: isinstance(record, kind)
    await transcriber.handle(message(call))
    failed = published[-1]
    assert isinstance(failed, TranscriptFailed)
    assert (failed.error, failed.properties) == ("record_refused", {"queue": "cards"})


async def test_a_failure_that_kafka_refuses_is_told_without_properties(
    transcriber: Transcriber, published: Published, call: RecordingSubmitted
) -> None:
    """It may be they that are too large: that the recording failed is told all the same."""
    published.refuses = lambda record: isinstance(record, (TranscriptCompleted, TranscriptFailed)) and bool(record.properties)
    await transcriber.handle(message(call))
    failed = published[-1]
    assert isinstance(failed, TranscriptFailed)
    assert (failed.error, failed.properties) == ("record_refused", {})
