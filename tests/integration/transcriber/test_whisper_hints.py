"""Whisper heeds what a publisher says is likely to be said."""

from collections.abc import Iterator

import numpy as np
import pytest
from steno_transcriber.audio.decode import open_audio
from steno_transcriber.engines.port import OpenSpeech, Pack
from steno_transcriber.engines.whisper import WhisperEngine
from steno_transcriber.speech import SAMPLES_PER_MS, Samples, Utterance
from steno_transcriber.utterances import utterances
from support.engine_contract import recorded_utterances
from support.recognition_options import ENGLISH
from support.shared_calls import SHARED_CALLS
from support.speech import tiny_en

from steno.events.recognition import RecognitionOptions

BANK_CALL = SHARED_CALLS / "hvb" / "00d676d7058c49bb.wav"
NAMES = ("Jennifer", "Robert Johnson", "Harper Valley National Bank")


@pytest.fixture(scope="module")
def engine() -> Iterator[WhisperEngine]:
    made = WhisperEngine(tiny_en(), threads=2)
    yield made
    made.close()


def hinting(*hints: str) -> RecognitionOptions:
    return ENGLISH.model_copy(update={"hints": hints})


def text(engine: WhisperEngine, found: list[Utterance], options: RecognitionOptions) -> str:
    packs = engine.packs(found)
    return " ".join(recognition.text for pack in packs for recognition in engine.decode(pack, options))


def test_a_name_that_is_missed_without_is_heard_with_a_hint(engine: WhisperEngine) -> None:
    """Of the bank, at the beginning of a real call."""
    if not BANK_CALL.exists():
        pytest.skip("the public recordings are not there")
    with open_audio(BANK_CALL) as recording:
        audio = np.concatenate(list(recording.blocks()), axis=1)
    found = list(utterances([audio], report=lambda _: None))
    assert "Harper" not in text(engine, found, ENGLISH)
    assert "Harper Valley National Bank" in text(engine, found, hinting(*NAMES))


def test_the_hints_of_one_call_are_not_those_of_another(engine: WhisperEngine) -> None:
    """Hypotheses are decoded together: each says what it says alone."""
    first, second, *_ = recorded_utterances()
    spoken = [
        OpenSpeech(utterance=first, options=ENGLISH),
        OpenSpeech(utterance=second, options=hinting("Contoso", "Fabrikam")),
        OpenSpeech(utterance=first, options=hinting("Adatum")),
    ]
    assert engine.hypotheses(spoken) == [engine.hypotheses([each])[0] for each in spoken]


@pytest.mark.parametrize(
    "hints",
    [
        ("<|endoftext|>", "<|startoftranscript|><|notimestamps|>"),
        (" ", "", "\N{MAHJONG TILE RED DRAGON}"),
        tuple(f"Northwind Traders {number}" for number in range(200)),
        ("x" * 128,),
    ],
    ids=["tokens of the decoder", "nothing to say", "more than there is room for", "one that is too long"],
)
def test_odd_hints_break_nothing(engine: WhisperEngine, hints: tuple[str, ...]) -> None:
    """What was said is heard with them, too."""
    heard = text(engine, recorded_utterances(), hinting(*hints)).lower()
    assert "block the card right now" in heard
    assert "peter walker" in heard


def test_no_hint_is_written_where_nobody_speaks(engine: WhisperEngine) -> None:
    """Noise that rises and falls as speech does has no words."""
    for seed in range(6):
        (recognition,) = engine.decode(Pack(utterances=(_noise(seed),)), hinting(*NAMES))
        assert recognition.text == ""


def test_a_hint_that_does_not_fit_changes_nothing(engine: WhisperEngine) -> None:
    """Only whole ones are given to the decoder."""
    found, endless = recorded_utterances(), "supercalifragilisticexpialidocious " * 30
    assert text(engine, found, hinting(endless)) == text(engine, found, ENGLISH)
    # Spelt in their own way, so that it shows on any kind of processor that the others are given.
    odd_names = ("Citybank", "Pieter Walcker", "credit card")
    heard = text(engine, found, hinting(*odd_names))
    assert "Pieter Walcker" in heard
    assert text(engine, found, hinting(*odd_names, endless)) == heard


def _noise(seed: int) -> Utterance:
    generator = np.random.default_rng(seed)
    count = 2_000 * SAMPLES_PER_MS
    swell = np.sin(np.arange(count) / count * np.pi * 8) ** 2
    samples: Samples = (generator.normal(0, 0.1, count) * swell).clip(-1, 1).astype(np.float32)
    return Utterance(channel=0, start_ms=0, duration_ms=2_000, padding_before_ms=0, samples=samples)
