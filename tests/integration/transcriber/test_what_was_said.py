"""What was said comes back, and nothing else, through voice activity and the real model: in batch and live."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from steno_transcriber.audio.decode import open_audio
from steno_transcriber.engines.whisper import WhisperEngine
from steno_transcriber.screening import Screen, recognise_one
from steno_transcriber.speech import SAMPLE_RATE, SAMPLES_PER_MS, Recognition, Samples, Utterance
from support.engine_contract import decode_all
from support.recognition_options import ENGLISH
from support.speech import call_audio, segment, tiny_en

DATA = Path(__file__).parents[4] / "shared" / "data"

Heard = list[tuple[Utterance, Recognition]]
Face = Callable[[Samples], Heard]

#: Of the sample call `lost-card`: channel, begin and end in milliseconds, as its reference has them.
SENTENCE = (0, 42_014, 44_087)
YES = (29_408, 29_728)
"""Of channel 1."""
MEANS_YES = {"yes", "yeah"}


@pytest.fixture(scope="module")
def engine() -> Iterator[WhisperEngine]:
    engine = WhisperEngine(tiny_en(), threads=2)
    yield engine
    engine.close()


@pytest.fixture(params=["batch", "live"])
def hear(engine: WhisperEngine, request: pytest.FixtureRequest) -> Face:
    """Voice activity, screening and the engine: utterances share windows, or each is decoded alone, as live finals are."""

    def batch(audio: Samples) -> Heard:
        return decode_all(engine, list(Screen().filter(segment([audio[np.newaxis]]))), threads=2)

    def live(audio: Samples) -> Heard:
        return [
            (utterance, recognise_one(engine, utterance, ENGLISH).recognition) for utterance in segment([audio[np.newaxis]])
        ]

    return batch if request.param == "batch" else live


def silence(ms: int) -> Samples:
    """With a little noise, as lines have it."""
    return np.random.default_rng(3).normal(0, 2e-4, ms * SAMPLES_PER_MS).astype(np.float32)


def tone(hertz: float, ms: int) -> Samples:
    return (0.2 * np.sin(2 * np.pi * hertz * np.arange(ms * SAMPLES_PER_MS) / SAMPLE_RATE)).astype(np.float32)


def repeated(piece: Samples, *, times: int, pause_ms: int) -> Samples:
    return np.concatenate([silence(500), *[part for _ in range(times) for part in (piece, silence(pause_ms))], silence(800)])


def cut(name: str, channel: int, start_ms: int, end_ms: int) -> Samples:
    piece: Samples = call_audio(name)[channel, start_ms * SAMPLES_PER_MS : end_ms * SAMPLES_PER_MS]
    return piece


def words(heard: Heard) -> list[str]:
    """Without marks, in lower case."""
    return ["".join(filter(str.isalnum, word)) for _, found in heard for word in found.text.lower().split()]


def test_one_sentence_six_times_comes_back_six_times(hear: Face) -> None:
    """However well its text can be compressed."""
    found = words(hear(repeated(cut("lost-card", *SENTENCE), times=6, pause_ms=200)))
    assert found.count("welcome") == found.count("nice") == 6


@pytest.mark.parametrize("pause_ms", [250, 700])
def test_one_word_nine_times_comes_back_nine_times(hear: Face, pause_ms: int) -> None:
    """In many utterances; within one, the model itself may miscount by two."""
    found = words(hear(repeated(cut("lost-card", 1, *YES), times=9, pause_ms=pause_ms)))
    assert set(found) <= MEANS_YES
    assert abs(len(found) - 9) <= (2 if pause_ms < 300 else 0)


@pytest.mark.parametrize("before_ms", [700, 3_000, 9_000])
def test_a_short_word_in_silence_is_heard_where_it_was_said(hear: Face, before_ms: int) -> None:
    """A third of a second, alone or with others seconds away."""
    yes = cut("lost-card", 1, *YES)
    audio = np.concatenate(
        [cut("lost-card", *SENTENCE), silence(before_ms), yes, silence(before_ms), cut("lost-card", *SENTENCE)]
    )
    said_ms = (SENTENCE[2] - SENTENCE[1]) + before_ms
    times = [word.start_ms for _, found in hear(audio) for word in found.words if word.text.lower().strip(".,") in MEANS_YES]
    assert len(times) == 1
    assert abs(times[0] - said_ms) < 300


def test_a_beep_is_no_word(hear: Face) -> None:
    """Neither alone nor several times in a row."""
    assert not words(hear(repeated(tone(1000, 500), times=10, pause_ms=500)))


def test_hold_music_is_no_word(hear: Face) -> None:
    """Two words in ten seconds of sound that nobody may have said."""
    music = DATA / "calls" / "noise" / "hold_music_morning_coffee.gsm"
    if not music.is_file():
        pytest.skip("no ../shared/data")
    assert not words(hear(_read(music)))


def test_no_utterance_of_a_call_in_one_channel_comes_back_empty(hear: Face) -> None:
    """Of an address spelt in pieces nothing is missing."""
    call = DATA / "cases" / "S14_mono_lost_35s.wav"
    if not call.is_file():
        pytest.skip("no ../shared/data")
    heard = hear(_read(call))
    assert len(heard) >= 9
    assert all(recognition.text for _, recognition in heard)
    # "Main, that's M-A-I-N": the model writes it once or twice, by the kind of the processor.
    said = "".join(words(heard))
    assert all(word in said for word in ("address", "main", "street", "ranch", "california", "zip", "repeat"))


def _read(path: Path) -> Samples:
    with open_audio(path) as audio:
        samples: Samples = np.concatenate(list(audio.blocks()), axis=1)[0]
    return samples
