"""What every engine must do, whatever is behind it. A test class inherits it and gives the engine.

```python
class TestMyEngine(EngineContract):
    @pytest.fixture(scope="class")
    @classmethod
    def engine(cls) -> Iterator[UtteranceEngine]: ...
```
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from steno_transcriber.engines.port import UnsupportedLocale, UtteranceEngine
from steno_transcriber.recognise import recognise
from steno_transcriber.speech import SAMPLES_PER_MS, Recognition, Utterance
from support.asked import ENGLISH, KLINGON
from support.speech import call_audio, segment


def recorded_utterances() -> list[Utterance]:
    """The utterances of a sample call, channels interleaved, as they come from the segmenter."""
    return list(segment([call_audio()]))


def decode_all(engine: UtteranceEngine, utterances: list[Utterance], *, threads: int) -> list[tuple[Utterance, Recognition]]:
    with ThreadPoolExecutor(threads) as pool:
        return list(recognise(engine, iter(utterances), executor=pool, in_flight=2 * threads, options=ENGLISH))


class EngineContract:
    """The claims; `engine` comes from the class that inherits."""

    def test_it_says_who_it_is(self, engine: UtteranceEngine) -> None:
        """Name, model, digest and languages can be told in every transcript."""
        info = engine.info
        assert info.name
        assert info.model
        assert len(info.digest) == 64
        assert "en" in info.languages

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
            engine.stream(channel=0, start_ms=0, options=KLINGON)

    def test_a_stream_ends_in_what_the_batch_face_says(self, engine: UtteranceEngine) -> None:
        """The final of a stream is the recognition of the same audio, however it was cut."""
        utterance = max(recorded_utterances(), key=lambda candidate: candidate.duration_ms)
        stream = engine.stream(channel=utterance.channel, start_ms=utterance.audio_start_ms, options=ENGLISH)
        for piece in np.array_split(utterance.samples, 7):
            stream.accept(piece)
        assert stream.hypothesis().text
        whole = Utterance(
            channel=utterance.channel,
            start_ms=utterance.audio_start_ms,
            duration_ms=len(utterance.samples) // SAMPLES_PER_MS,
            padding_before_ms=0,
            samples=utterance.samples,
        )
        (pack,) = engine.packs([whole])
        assert stream.final() == engine.decode(pack, ENGLISH)[0]

    def test_a_stream_without_audio_is_nothing(self, engine: UtteranceEngine) -> None:
        """No samples, no words."""
        stream = engine.stream(channel=0, start_ms=0, options=ENGLISH)
        assert not stream.hypothesis()
        assert not stream.final()
