"""Tests that every engine of a kind must pass. A test class inherits them and gives the engine.

```python
class TestMyEngine(UtteranceEngineContract):  # or CallEngineContract, or RecordingEngineContract
    @pytest.fixture(scope="class")
    @classmethod
    def engine(cls) -> Iterator[UtteranceEngine]: ...
```
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from steno_transcriber.engines.choice import Engine
from steno_transcriber.engines.port import (
    Answer,
    CallAudio,
    CallEngine,
    EngineUnavailable,
    FinalAnswer,
    OpenSpeech,
    PartialAnswer,
    RecognitionFailed,
    RecordingEngine,
    RecordingReference,
    SilentUntil,
    Unsupported,
    UnsupportedLocale,
    UnsupportedModel,
    UtteranceEngine,
)
from steno_transcriber.recognise import recognise
from steno_transcriber.speech import SAMPLE_RATE, SAMPLES_PER_MS, Recognition, Samples, Utterance
from support.recognition_options import ENGLISH, KLINGON
from support.speech import call_audio, segment

from steno.events.recognition import RecognitionOptions


def recorded_utterances() -> list[Utterance]:
    """The utterances of a sample call, channels interleaved, as they come from the segmenter."""
    return list(segment([call_audio()]))


def open_speech(seconds: float = 1.0) -> OpenSpeech:
    """So much of the longest utterance."""
    utterance = max(recorded_utterances(), key=lambda candidate: candidate.duration_ms)
    so_far = utterance.until(utterance.start_ms + round(1000 * seconds))
    assert so_far is not None
    return OpenSpeech(utterance=so_far, options=ENGLISH)


def decode_all(engine: UtteranceEngine, utterances: list[Utterance], *, threads: int) -> list[tuple[Utterance, Recognition]]:
    with ThreadPoolExecutor(threads) as pool:
        return list(recognise(engine, iter(utterances), executor=pool, in_flight=2 * threads, options=ENGLISH))


class SpeechEngineContract:
    """What engines of both kinds claim; `engine` comes from the class that inherits."""

    def test_it_says_who_it_is(self, engine: Engine) -> None:
        """Name, model, digest and languages can be told in every transcript."""
        info = engine.info
        assert info.name
        assert info.model
        assert len(info.digest) == 64
        assert "en" in info.languages

    def test_it_serves_what_it_knows(self, engine: Engine) -> None:
        """Its own model, its own language, one of several candidates, and hints, which it may ignore."""
        assert engine.refusal(ENGLISH) is None
        assert engine.refusal(ENGLISH.model_copy(update={"model": engine.info.model, "hints": ("Contoso",)})) is None
        assert engine.refusal(RecognitionOptions(candidate_locales=("tlh-US", "en-GB"))) is None

    def test_it_says_what_it_cannot_serve(self, engine: Engine) -> None:
        """Another model, or a language that it does not know, without anything being opened for it."""
        assert isinstance(engine.refusal(KLINGON), UnsupportedLocale)
        assert isinstance(engine.refusal(RecognitionOptions(candidate_locales=("tlh-US",))), UnsupportedLocale)
        assert isinstance(engine.refusal(RecognitionOptions(model="another")), UnsupportedModel)


class UtteranceEngineContract(SpeechEngineContract):
    """What engines claim that are given utterances."""

    def test_every_utterance_is_in_exactly_one_pack(self, engine: UtteranceEngine) -> None:
        """Nothing is lost or decoded twice, and a channel stays in order of time."""
        utterances = recorded_utterances()
        packed = [utterance for pack in engine.packs(iter(utterances)) for utterance in pack.utterances]
        for channel in {utterance.channel for utterance in utterances}:
            expected = [utterance.start_ms for utterance in utterances if utterance.channel == channel]
            assert [utterance.start_ms for utterance in packed if utterance.channel == channel] == expected

    def test_packing_is_lazy(self, engine: UtteranceEngine) -> None:
        """An endless call is packed as it is heard."""
        utterance = recorded_utterances()[0]

        def endless() -> list[Utterance]:
            return [
                Utterance(
                    channel=0,
                    start_ms=utterance.start_ms + index * 60_000,
                    duration_ms=utterance.duration_ms,
                    padding_before_ms=utterance.padding_before_ms,
                    samples=utterance.samples,
                )
                for index in range(200)
            ]

        taken: list[int] = []

        def source() -> Iterator[Utterance]:
            for item in endless():
                taken.append(item.start_ms)
                yield item

        next(engine.packs(source()))
        assert len(taken) < 100

    def test_recognitions_answer_the_utterances_in_order(self, engine: UtteranceEngine) -> None:
        """One recognition an utterance; its words lie in order inside the speech it answers."""
        heard = decode_all(engine, recorded_utterances(), threads=2)
        assert len(heard) == len(recorded_utterances())
        assert any(recognition.text for _, recognition in heard)
        for utterance, recognition in heard:
            assert 0.0 <= recognition.confidence <= 1.0
            assert bool(recognition.text) == bool(recognition.words)
            starts = [word.start_ms for word in recognition.words]
            assert starts == sorted(starts)
            for word in recognition.words:
                assert utterance.start_ms <= word.start_ms
                assert word.start_ms + word.duration_ms <= utterance.end_ms

    def test_results_do_not_depend_on_threads_or_order(self, engine: UtteranceEngine) -> None:
        """The same to the last digit: one thread in order, or three in reverse."""
        packs = list(engine.packs(iter(recorded_utterances())))
        packs += [pack for utterance in recorded_utterances()[:3] for pack in engine.packs([utterance])]
        one_by_one = [engine.decode(pack, ENGLISH) for pack in packs]
        with ThreadPoolExecutor(3) as pool:
            reversed_results = list(pool.map(lambda pack: engine.decode(pack, ENGLISH), packs[::-1]))
        assert reversed_results[::-1] == one_by_one

    def test_noise_is_not_words(self, engine: UtteranceEngine) -> None:
        """What voice activity let through by mistake may be nothing: decoding it neither fails nor hangs."""
        noise = np.random.default_rng(7).normal(0, 0.05, 2000 * SAMPLES_PER_MS).astype(np.float32)
        utterance = Utterance(channel=0, start_ms=0, duration_ms=2000, padding_before_ms=0, samples=noise)
        (pack,) = engine.packs([utterance])
        (recognition,) = engine.decode(pack, ENGLISH)
        assert len(recognition.words) < 20

    def test_a_language_it_does_not_know_is_refused(self, engine: UtteranceEngine) -> None:
        """Both faces say so before decoding anything."""
        (pack,) = engine.packs(recorded_utterances()[:1])
        with pytest.raises(UnsupportedLocale, match="tlh"):
            engine.decode(pack, KLINGON)
        with pytest.raises(UnsupportedLocale, match="tlh"):
            engine.hypotheses([open_speech(), OpenSpeech(utterance=recorded_utterances()[0], options=KLINGON)])

    def test_hypotheses_are_the_same_alone_and_together(self, engine: UtteranceEngine) -> None:
        """In order, whatever their lengths; more is understood of a long one than nothing."""
        spoken = [open_speech(seconds) for seconds in (0.3, 2.0, 4.0, 2.5, 3.5)]
        together = engine.hypotheses(spoken)
        assert together == [engine.hypotheses([each])[0] for each in spoken]
        assert together[2].text

    def test_what_is_longer_needs_no_smaller_window(self, engine: UtteranceEngine) -> None:
        """Up to the longest utterance."""
        windows = [engine.hypothesis_window_ms(duration_ms) for duration_ms in range(100, 15_000, 100)]
        assert windows == sorted(windows)

    def test_no_hypotheses_are_none(self, engine: UtteranceEngine) -> None:
        """Nothing to decode is nothing decoded."""
        assert engine.hypotheses([]) == []


def call_of(seconds: int = 30) -> Samples:
    """Both channels of a sample call."""
    return call_audio()[:, : seconds * SAMPLE_RATE]


async def heard_whole(
    engine: CallEngine, audio: Samples, *, begin_ms: int = 0, piece_ms: int = 100
) -> tuple[list[FinalAnswer], list[Answer]]:
    """What an engine answers to a call from `begin_ms` on that is sent in pieces: the finals, and everything."""
    session, answers = engine.open(channels=len(audio), options=ENGLISH), list[Answer]()

    async def send() -> None:
        for begin in range(begin_ms * SAMPLES_PER_MS, audio.shape[1], piece_ms * SAMPLES_PER_MS):
            await session.send(CallAudio(position=begin, samples=audio[:, begin : begin + piece_ms * SAMPLES_PER_MS]))
        await session.finish()

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(send())
        async for answer in session.answers():
            answers.append(answer)
    await session.close()
    return [answer for answer in answers if isinstance(answer, FinalAnswer)], answers


class CallEngineContract(SpeechEngineContract):
    """What engines claim that are given a recording or a call as a whole."""

    async def test_answers_of_a_channel_come_in_order_of_time(self, engine: CallEngine) -> None:
        """Nothing begins before what was answered ends, and words lie in what they are words of."""
        finals, answers = await heard_whole(engine, call_of())
        assert {final.channel for final in finals} == {0, 1}
        for channel in (0, 1):
            settled_ms = 0
            for answer in (answer for answer in answers if answer.channel == channel):
                if isinstance(answer, FinalAnswer | PartialAnswer):
                    assert answer.start_ms >= settled_ms
                    assert answer.duration_ms > 0
                if not isinstance(answer, PartialAnswer):
                    settled_ms = max(settled_ms, answer.end_ms if isinstance(answer, FinalAnswer) else answer.until_ms)
        for final in finals:
            for word in final.recognition.words:
                assert final.start_ms <= word.start_ms
                assert word.start_ms + word.duration_ms <= final.end_ms

    async def test_a_partial_answer_is_of_what_is_answered_next(self, engine: CallEngine) -> None:
        """On its channel, with the same start, so that the phrase takes the place of its hypotheses."""
        _, answers = await heard_whole(engine, call_of())
        for channel in (0, 1):
            said = [answer for answer in answers if answer.channel == channel and not isinstance(answer, SilentUntil)]
            for answer, following in pairwise(said):
                assert isinstance(answer, FinalAnswer) or answer.start_ms == following.start_ms
            assert not said or isinstance(said[-1], FinalAnswer)

    async def test_what_follows_an_answer_can_be_heard_without_what_was_before(self, engine: CallEngine) -> None:
        """Whoever takes a call over sends the audio behind the last answer: later answers come again."""
        audio = call_of()[:1]
        finals, _ = await heard_whole(engine, audio)
        assert len(finals) > 2
        resumed, _ = await heard_whole(engine, audio, begin_ms=finals[0].end_ms)
        assert [final.start_ms for final in resumed] == [final.start_ms for final in finals[1:]]

    async def test_it_tells_that_nothing_is_said(self, engine: CallEngine) -> None:
        """At least once a minute, so that little is sent again after a crash."""
        _, answers = await heard_whole(engine, np.zeros((1, 120 * SAMPLE_RATE), dtype=np.float32))
        until = [0, *(answer.until_ms for answer in answers if isinstance(answer, SilentUntil)), 120_000]
        assert all(later - earlier <= 60_000 for earlier, later in pairwise(until))

    async def test_no_audio_is_no_answer(self, engine: CallEngine) -> None:
        """A call on which nothing was sent."""
        finals, _ = await heard_whole(engine, np.zeros((2, 0), dtype=np.float32))
        assert finals == []

    async def test_a_session_may_be_closed_at_any_time(self, engine: CallEngine) -> None:
        """Its answers end, and a second close does nothing."""
        session = engine.open(channels=2, options=ENGLISH)
        await session.send(CallAudio(position=0, samples=call_of(1)))
        await session.close()
        await session.close()
        async with asyncio.timeout(60):
            assert [answer async for answer in session.answers() if isinstance(answer, FinalAnswer)] == []

    def test_what_it_cannot_serve_is_not_opened(self, engine: CallEngine) -> None:
        """The same reason as when it is asked."""
        with pytest.raises(UnsupportedLocale, match="tlh"):
            engine.open(channels=1, options=KLINGON)


Recognitions = Callable[[], int]
"""How many recordings the far end of an engine has recognised, each of which may cost money."""


@contextlib.asynccontextmanager
async def at_work(engine: RecordingEngine) -> AsyncIterator[None]:
    """Has an engine work inside the block."""
    running = asyncio.create_task(engine.run())
    try:
        yield
    finally:
        await engine.stop()
        async with asyncio.timeout(20):
            await running


class RecordingEngineContract(SpeechEngineContract):
    """What engines claim that fetch recordings themselves.

    The class that inherits gives `engine`, which is not at work yet; `recording`, of two channels on which somebody speaks;
    and `recognitions`.
    """

    async def test_an_answer_is_in_order(self, engine: RecordingEngine, recording: RecordingReference) -> None:
        """By start, then channel; no two on a channel begin together, and words lie in what they are words of."""
        async with at_work(engine):
            answer = await engine.recognise(recording)
        places = [(final.start_ms, final.channel) for final in answer.finals]
        assert places == sorted(set(places))
        assert {final.channel for final in answer.finals} == {0, 1}
        assert answer.channel_count == 2
        for final in answer.finals:
            assert final.duration_ms > 0
            assert final.end_ms <= answer.duration_ms
            assert final.recognition.text
            for word in final.recognition.words:
                assert final.start_ms <= word.start_ms
                assert word.start_ms + word.duration_ms <= final.end_ms

    async def test_what_was_answered_is_not_recognised_again(
        self, engine: RecordingEngine, recording: RecordingReference, recognitions: Recognitions
    ) -> None:
        """Two who ask at once, and one who asks later, have the same answer: it is paid for once."""
        async with at_work(engine):
            first, second = await asyncio.gather(engine.recognise(recording), engine.recognise(recording))
            third = await engine.recognise(recording)
        assert first == second == third
        assert recognitions() == 1

    async def test_work_goes_on_for_whoever_asks_again(
        self, engine: RecordingEngine, recording: RecordingReference, recognitions: Recognitions
    ) -> None:
        """After a cancellation, as at a rebalance."""
        async with at_work(engine):
            asking = asyncio.create_task(engine.recognise(recording))
            await asyncio.sleep(0.05)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            assert (await engine.recognise(recording)).finals
        assert recognitions() == 1

    async def test_another_recording_is_another_work(
        self, engine: RecordingEngine, recording: RecordingReference, recognitions: Recognitions
    ) -> None:
        """The same audio under another id, or with other options, was not asked for yet."""
        without_words = recording.options.model_copy(update={"words": False})
        async with at_work(engine):
            for reference in (recording, replace(recording, recording_id="other"), replace(recording, options=without_words)):
                assert (await engine.recognise(reference)).finals
        assert recognitions() == 3

    async def test_a_channel_without_an_answer_is_a_failure(
        self, engine: RecordingEngine, recording: RecordingReference
    ) -> None:
        """No audio is left out in silence; the reason names the channel."""
        async with at_work(engine):
            with pytest.raises(RecognitionFailed, match="channel 5"):
                await engine.recognise(replace(recording, channels=(0, 1, 5)))

    async def test_what_it_cannot_serve_is_not_sent(
        self, engine: RecordingEngine, recording: RecordingReference, recognitions: Recognitions
    ) -> None:
        """A language that it does not know, or a place that it cannot fetch from."""
        async with at_work(engine):
            with pytest.raises(UnsupportedLocale, match="tlh"):
                await engine.recognise(replace(recording, options=KLINGON))
            with pytest.raises(Unsupported, match="file"):
                await engine.recognise(replace(recording, url="file:///calls/1.wav"))
        assert recognitions() == 0

    async def test_what_it_does_not_have_can_be_forgotten(self, engine: RecordingEngine, recording: RecordingReference) -> None:
        """A cancellation may come before everything else, or after it."""
        async with at_work(engine):
            await engine.forget(recording)
            await engine.recognise(recording)
            await engine.forget(recording)

    async def test_nobody_waits_for_an_engine_that_has_stopped(
        self, engine: RecordingEngine, recording: RecordingReference
    ) -> None:
        """They ask again in another process."""
        async with at_work(engine):
            pass
        with pytest.raises(EngineUnavailable):
            await engine.recognise(recording)
