"""Recordings and live calls that go to a call engine as a whole: nothing is lost, whoever takes a call over."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from steno_transcriber.audio.decoders import Decoders
from steno_transcriber.audio.errors import Stopped
from steno_transcriber.engines.choice import Engines
from steno_transcriber.engines.port import CallAudio, CallEngine, EngineUnavailable, RecognitionOptions
from steno_transcriber.engines.scripted_call import ScriptedCallEngine, ScriptedCallSession
from steno_transcriber.fetch import FetchedAudio
from steno_transcriber.result import Transcript
from steno_transcriber.steps import Steps
from steno_transcriber.transcribe_whole import transcribe_whole
from support.live_bed import PARTITION, Bed, log_of
from support.live_calls import Entry
from support.recordings import sample_call

from steno.events import ids
from steno.events.records import Phrase, RecordingSubmitted, TranscriptCompleted, TranscriptFailed

RECORDING = RecordingSubmitted(call_id="call-1", url="https://recorder.example/call-1.wav")


@pytest.fixture
def decoders() -> Iterator[Decoders]:
    made = Decoders()
    yield made
    made.close()


class LosingSession(ScriptedCallSession):
    """A session that is lost after so many sends."""

    left = 60

    async def send(self, audio: CallAudio) -> None:
        self.left -= 1
        if not self.left:
            raise EngineUnavailable("the line is cut")
        await super().send(audio)


class LosingAtTheEndSession(ScriptedCallSession):
    """A session that is lost when it has been given all audio."""

    async def finish(self) -> None:
        raise EngineUnavailable("the line is cut")


class LosingEngine(ScriptedCallEngine):
    """An engine of which the first session is lost."""

    def __init__(self, lost: type[ScriptedCallSession]) -> None:
        super().__init__()
        self.opened = 0
        self._lost = lost

    def open(self, *, channels: int, options: RecognitionOptions) -> ScriptedCallSession:
        session = super().open(channels=channels, options=options)
        self.opened += 1
        if self.opened == 1:
            session.__class__ = self._lost
        return session


class SilentSession(ScriptedCallSession):
    """A session whose engine never comes to an end."""

    async def finish(self) -> None:
        await asyncio.Event().wait()


class SilentEngine(ScriptedCallEngine):
    def open(self, *, channels: int, options: RecognitionOptions) -> ScriptedCallSession:
        session = super().open(channels=channels, options=options)
        session.__class__ = SilentSession
        return session


async def transcribed(decoders: Decoders, engine: CallEngine, stop: threading.Event | None = None) -> Transcript:
    path = Path(sample_call())
    return await asyncio.to_thread(
        transcribe_whole,
        FetchedAudio(path=path, name=path.name),
        RECORDING,
        decoders=decoders,
        engine=engine,
        loop=asyncio.get_running_loop(),
        steps=Steps(),
        max_audio_ms=3_600_000,
        stop=stop or threading.Event(),
    )


async def test_a_recording_goes_in_and_phrases_come_out(decoders: Decoders) -> None:
    """Of both channels, in order of time, with ids by channel and start as with any engine."""
    transcript = await transcribed(decoders, ScriptedCallEngine())
    assert transcript.engine.startswith("scripted_call ")
    assert {phrase.channel for phrase in transcript.phrases} == {0, 1}
    assert [phrase.sequence for phrase in transcript.phrases] == list(range(len(transcript.phrases)))
    starts = [(phrase.start_ms, phrase.channel) for phrase in transcript.phrases]
    assert starts == sorted(starts)
    recording_id = transcript.phrases[0].recording_id
    assert [phrase.phrase_id for phrase in transcript.phrases] == [
        ids.phrase_id("call-1", recording_id, channel, start_ms) for start_ms, channel in starts
    ]


async def test_a_recording_that_is_cancelled_does_not_wait_for_its_engine(decoders: Decoders) -> None:
    """An engine that never answers holds no thread."""
    stop = threading.Event()
    asyncio.get_running_loop().call_later(0.5, stop.set)
    with pytest.raises(Stopped):
        await transcribed(decoders, SilentEngine(), stop)


@pytest.fixture
async def bed() -> AsyncIterator[Bed]:
    made = bed_of(ScriptedCallEngine())
    assert await made.handler.open(PARTITION) is None
    yield made
    await made.handler.close(PARTITION)


def bed_of(engine: CallEngine) -> Bed:
    bed = Bed()
    bed.engines = Engines([engine])
    bed.handler = bed.another()
    return bed


async def undisturbed(log: list[Entry]) -> list[Phrase]:
    """The phrases of a call when nothing goes wrong."""
    bed = bed_of(ScriptedCallEngine())
    await bed.handler.open(PARTITION)
    await bed.play(log)
    await bed.until(TranscriptCompleted)
    return phrases(bed)


def phrases(bed: Bed) -> list[Phrase]:
    """What was published, one of each id."""
    return list({each.phrase_id: each for each in bed.topics.of(Phrase) if isinstance(each, Phrase)}.values())


async def test_a_live_call_goes_in_and_finals_come_out(bed: Bed) -> None:
    """As they are answered, on both channels; at its end the transcript is complete and nothing holds the log."""
    log = log_of(30)
    await bed.play(log)
    await bed.until(TranscriptCompleted)
    found = phrases(bed)
    assert {phrase.channel for phrase in found} == {0, 1}
    (completed,) = bed.topics.of(TranscriptCompleted)
    assert isinstance(completed, TranscriptCompleted)
    assert (completed.phrase_count, completed.engine.split()[0]) == (len(found), "scripted_call")
    assert await bed.handler.settle(PARTITION) == log[-1].offset + 1


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8])
async def test_whoever_takes_a_call_over_publishes_the_rest_of_it(bed: Bed, share: float) -> None:
    """What was answered stands, what was not is sent again: all phrases are those of an undisturbed run."""
    log = log_of(30)
    expected = await undisturbed(log)
    await bed.play(log[: int(share * len(log))])
    for _ in range(200):
        await asyncio.sleep(0)
    begin = await bed.hand_over()
    assert begin > log[0].offset
    await bed.play([entry for entry in log if entry.offset >= begin])
    await bed.until(TranscriptCompleted)
    assert phrases(bed) == expected


@pytest.mark.parametrize("lost", [LosingSession, LosingAtTheEndSession])
async def test_a_session_that_is_lost_is_followed_by_another(lost: type[ScriptedCallSession]) -> None:
    """It is sent what was not answered, so nothing is lost, the end of the call included."""
    log, engine = log_of(30), LosingEngine(lost)
    expected = await undisturbed(log)
    bed = bed_of(engine)
    await bed.handler.open(PARTITION)
    await bed.play(log)
    await bed.until(TranscriptCompleted)
    assert engine.opened == 2
    assert phrases(bed) == expected


async def test_a_language_that_no_engine_knows_fails_the_call(bed: Bed) -> None:
    """With the reason, as with any engine."""
    await bed.play(log_of(5, locale="tlh-US"))
    await bed.until(TranscriptFailed)
    (failed,) = bed.topics.of(TranscriptFailed)
    assert isinstance(failed, TranscriptFailed)
    assert failed.error == "unsupported_locale"
