"""The embedded engine keeps the contract of every engine, on its real model, and hears what was said."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from steno_transcriber import engines
from steno_transcriber.engines.port import EngineUnavailable, Pack, UtteranceEngine
from steno_transcriber.engines.whisper import WhisperEngine, WhisperOptions
from steno_transcriber.engines.whisper_packing import Packing
from steno_transcriber.speech import SAMPLES_PER_MS, Utterance
from support.engine_contract import UtteranceEngineContract, decode_all, recorded_utterances
from support.recognition_options import ENGLISH
from support.speech import tiny_en


class TestWhisperEngine(UtteranceEngineContract):
    """The contract, on Whisper tiny.en."""

    @pytest.fixture(scope="class")
    @classmethod
    def engine(cls) -> Iterator[UtteranceEngine]:
        engine = engines.load("whisper", tiny_en(), threads=2)
        yield engine
        engine.close()

    def test_it_hears_the_call(self, engine: UtteranceEngine) -> None:
        """Words of the sample call come back, on the channel that spoke them."""
        heard = decode_all(engine, recorded_utterances(), threads=2)
        agent, customer = (
            " ".join(recognition.text.lower() for utterance, recognition in heard if utterance.channel == channel)
            for channel in (0, 1)
        )
        assert "block the card right now" in agent
        assert "my name is peter walker" in customer

    def test_the_company_of_other_windows_changes_nothing(self, engine: UtteranceEngine) -> None:
        """A window decoded alone says what it says among others."""
        utterances = recorded_utterances()
        alone = WhisperEngine(tiny_en(), options=WhisperOptions(packing=Packing(windows_in_pack=1)))
        together = {
            utterance.start_ms: recognition.text for utterance, recognition in decode_all(engine, utterances, threads=1)
        }
        one_by_one = {
            utterance.start_ms: recognition.text for utterance, recognition in decode_all(alone, utterances, threads=1)
        }
        assert one_by_one == together

    def test_what_repeats_itself_is_left_out(self) -> None:
        """Text that compresses too well is taken for invented, alone as in company."""
        strict = WhisperOptions()
        strict = WhisperOptions(guards=type(strict.guards)(most_compression=0.1))
        heard = decode_all(WhisperEngine(tiny_en(), options=strict), recorded_utterances()[:3], threads=1)
        assert [recognition.text for _, recognition in heard] == ["", "", ""]

    def test_odd_audio_is_heard_like_any(self, engine: UtteranceEngine) -> None:
        """Nothing, next to nothing, a hum at zero hertz, noise at full scale, of a millisecond and of the longest."""
        noise = np.random.default_rng(7).uniform(-1, 1, 14_400 * SAMPLES_PER_MS).astype(np.float32)
        for start_ms, audio in enumerate(
            (
                np.zeros(16_000),
                np.zeros(SAMPLES_PER_MS),
                np.full(16_000, 1e-42),
                np.full(16_000, 1.0),
                np.where(np.arange(16_000) % 2, 1.0, -1.0),
                noise[: 2 * SAMPLES_PER_MS],
                noise,
            )
        ):
            samples = np.asarray(audio, dtype=np.float32)
            duration_ms = len(samples) // SAMPLES_PER_MS
            utterance = Utterance(channel=0, start_ms=start_ms, duration_ms=duration_ms, padding_before_ms=0, samples=samples)
            (recognition,) = engine.decode(Pack(utterances=(utterance,)), ENGLISH)
            assert 0.0 <= recognition.confidence <= 1.0

    def test_an_utterance_longer_than_the_window_is_refused(self, engine: UtteranceEngine) -> None:
        """Nothing is cut off in silence."""
        samples = np.zeros(31_000 * SAMPLES_PER_MS, dtype=np.float32)
        utterance = Utterance(channel=0, start_ms=0, duration_ms=31_000, padding_before_ms=0, samples=samples)
        (pack,) = engine.packs([utterance])
        with pytest.raises(ValueError, match=re.escape("31.0 s of speech are more than a window")):
            engine.decode(pack, ENGLISH)


def test_a_directory_that_is_no_model_is_unavailable(tmp_path: Path) -> None:
    """The error names the directory."""
    (tmp_path / "model.bin").write_bytes(b"not weights")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(EngineUnavailable, match=re.escape(str(tmp_path))):
        engines.load("whisper", tmp_path)
    with pytest.raises(EngineUnavailable, match="missing"):
        engines.load("whisper", tmp_path / "missing")
