"""Recordings and live calls that go to a call engine as a whole: nothing is lost, whoever takes a call over."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from steno_transcriber.audio.decoders import Decoders
from steno_transcriber.audio.errors import Stopped
from steno_transcriber.engines.choice import Engines
from steno_transcriber.engines.port import Answer, CallAudio, CallEngine, EngineUnavailable, SilentUntil
from steno_transcriber.engines.scripted_call import ScriptedCallEngine, ScriptedCallSession
from steno_transcriber.fetch.fetcher import FetchedAudio
from steno_transcriber.live.call import first_checkpoint
from steno_transcriber.live.log_clock import LONGEST_STEP
from steno_transcriber.live.partition import REST_AFTER
from steno_transcriber.live.sent_call import SentCall
from steno_transcriber.result import Transcript
from steno_transcriber.speech import SAMPLES_PER_MS
from steno_transcriber.steps import Steps
from steno_transcriber.transcribe_whole import transcribe_whole
from support.live_bed import PARTITION, Bed, Elsewhere, log_of, message
from support.live_calls import BEGAN, CallWriter, Entry
from support.recordings import sample_call
from support.speech import call_audio

from steno.events import ids
from steno.events.catalogue import Topic
from steno.events.recognition import RecognitionOptions
from steno.events.records import (
    CallStarted,
    CallUpdated,
    Hypothesis,
    Phrase,
    Record,
    RecordingSubmitted,
    TranscriptCompleted,
    TranscriptFailed,
)

RECORDING = RecordingSubmitted(call_id="call-1", url="https://recorder.example/call-1.wav")


class Shouting:
    """A step that makes all text upper case."""

    name = "shouting"

    def apply(self, phrase: Phrase, state: str) -> tuple[Phrase, str]:
        return phrase.model_copy(update={"text": phrase.text.upper()}), state


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


class LosingTheLastAnswerSession(ScriptedCallSession):
    """A session that is lost when all audio was given and nothing more is answered."""

    finished = False

    async def finish(self) -> None:
        self.finished = True
        await super().finish()

    async def answers(self) -> AsyncIterator[Answer]:
        async for answer in super().answers():
            if self.finished:
                raise EngineUnavailable("the line is cut")
            yield answer


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


async def test_what_is_answered_of_an_open_utterance_is_a_hypothesis_of_its_phrase(bed: Bed) -> None:
    """Under the id that the phrase will have, each one said further than the one before; the steps have changed its text."""
    bed.steps = Steps([Shouting()])
    bed.handler = bed.another()
    await bed.handler.open(PARTITION)
    for entry in log_of(30):
        await bed.handler.handle(message(entry))
        for _ in range(20):
            await asyncio.sleep(0)
    await bed.until(TranscriptCompleted)
    told: dict[str, list[Hypothesis]] = {}
    for hypothesis in bed.topics.of(Hypothesis):
        assert isinstance(hypothesis, Hypothesis)
        told.setdefault(hypothesis.phrase_id, []).append(hypothesis)
    by_id = {phrase.phrase_id: phrase for phrase in phrases(bed)}
    assert len(told) > 3
    assert told.keys() <= by_id.keys()
    for phrase_id, hypotheses in told.items():
        phrase = by_id[phrase_id]
        assert [hypothesis.revision for hypothesis in hypotheses] == list(range(len(hypotheses)))
        ends = [hypothesis.duration_ms for hypothesis in hypotheses] + [phrase.duration_ms]
        assert ends == sorted(set(ends))
        assert all(hypothesis.text == hypothesis.text.upper() for hypothesis in hypotheses)
        assert {(hypothesis.channel, hypothesis.start_ms) for hypothesis in hypotheses} == {(phrase.channel, phrase.start_ms)}


async def test_hypotheses_that_kafka_does_not_take_hold_nothing_up() -> None:
    """Of those that come meanwhile only the newest is published, and the phrases are those of an undisturbed run."""
    log, bed = log_of(30), bed_of(ScriptedCallEngine())
    expected = await undisturbed(log)
    send, held = bed.topics.send, asyncio.Event()

    async def hold_hypotheses(topic: Topic, record: Record, *, event_id: str | None = None) -> None:
        if isinstance(record, Hypothesis):
            await held.wait()
        await send(topic, record, event_id=event_id)

    bed.topics.send = hold_hypotheses  # type: ignore[method-assign]
    await bed.handler.open(PARTITION)
    await bed.play(log)
    await bed.until(TranscriptCompleted)
    assert phrases(bed) == expected
    held.set()
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(bed.topics.of(Hypothesis)) <= 2


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


@pytest.mark.parametrize("lost", [LosingSession, LosingAtTheEndSession, LosingTheLastAnswerSession])
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


def test_what_is_sent_again_is_silent_where_it_was_answered() -> None:
    """A chunk is answered on one channel and not on the other: no answer comes twice, and none begins amid one that is out."""
    log = log_of(5)
    started = log[0].record
    assert isinstance(started, CallStarted)
    call = SentCall(first_checkpoint(started, log[0].offset))
    for entry in log[1:11]:
        call.add_record(entry.record, offset=entry.offset, written_at=entry.written_at)
    sent = call.audio_to_send()
    call.answered(SilentUntil(channel=0, until_ms=sent[4].end_ms - 20))
    again = call.unanswered(sent[4])
    silent = (sent[4].end_ms - 20) * SAMPLES_PER_MS - sent[4].position
    assert not again.samples[0, :silent].any()
    assert (again.samples[0, silent:] == sent[4].samples[0, silent:]).all()
    assert (again.samples[1] == sent[4].samples[1]).all()


class ListeningEngine(ScriptedCallEngine):
    """An engine that keeps in which language each session was opened, and what it was sent first."""

    def __init__(self) -> None:
        super().__init__()
        self.sessions: list[tuple[str, list[CallAudio]]] = []

    def open(self, *, channels: int, options: RecognitionOptions) -> ScriptedCallSession:
        session = super().open(channels=channels, options=options)
        sent: list[CallAudio] = []
        self.sessions.append((options.locale, sent))
        send = session.send

        async def keep(audio: CallAudio) -> None:
            sent.append(audio)
            await send(audio)

        session.send = keep  # type: ignore[method-assign]
        return session


async def test_audio_is_heard_in_the_language_that_was_set_when_it_was_said() -> None:
    """However late it is sent: the record that sets another one is read before."""
    writer, engine = CallWriter(locale="en-US"), ListeningEngine()
    writer.start()
    writer.say(call_audio()[:, :80_000])
    writer.write(CallUpdated(call_id=writer.call_id, locale="en-GB", updated_at=BEGAN))
    writer.say(call_audio()[:, 80_000:160_000])
    writer.end()
    bed = bed_of(engine)
    await bed.handler.open(PARTITION)
    for entry in writer.log:
        await bed.handler.handle(message(entry))
    await bed.until(TranscriptCompleted)
    assert [locale for locale, _ in engine.sessions] == ["en-US", "en-GB"]
    assert abs(engine.sessions[1][1][0].position - 80_000) < 2_000


async def test_a_session_is_finished_where_a_turn_is_over() -> None:
    """What was open there is answered at once, and the audio behind it goes to another session."""
    writer, engine = CallWriter(), ListeningEngine()
    writer.start()
    writer.say(call_audio()[:, 16_000:40_000])
    writer.gap(0)
    turn, next_turn = writer.log, list[Entry]()
    writer.log = next_turn
    writer.say(call_audio()[:, 40_000:80_000])
    writer.end()
    bed = bed_of(engine)
    await bed.handler.open(PARTITION)
    await bed.play(turn)
    await bed.until(Phrase)
    assert all(phrase.start_ms + phrase.duration_ms <= 1500 for phrase in phrases(bed))
    await bed.play(next_turn)
    await bed.until(TranscriptCompleted)
    assert [sent[0].position for _, sent in engine.sessions] == [0, 24_000]
    assert any(phrase.start_ms >= 1500 for phrase in phrases(bed))


async def test_a_call_of_which_nothing_comes_holds_nothing(bed: Bed) -> None:
    """What was open is answered after minutes, and nobody who takes over needs its audio."""
    await bed.play(log_of(30)[:100])
    later = Elsewhere(bed)
    await later.goes_on(REST_AFTER + 2 * LONGEST_STEP)
    async with asyncio.timeout(60):
        while await bed.handler.settle(PARTITION) != later.offset:
            await asyncio.sleep(0)
    assert not bed.topics.of(TranscriptCompleted)


async def test_a_language_that_no_engine_knows_fails_the_call(bed: Bed) -> None:
    """With the reason, as with any engine."""
    await bed.play(log_of(5, locale="tlh-US"))
    await bed.until(TranscriptFailed)
    (failed,) = bed.topics.of(TranscriptFailed)
    assert isinstance(failed, TranscriptFailed)
    assert failed.error == "unsupported_locale"
