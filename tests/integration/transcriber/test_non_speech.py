"""What nobody said gives no word, and what somebody said is not taken for a tone or music: real engine, real recordings."""

from collections.abc import Iterable, Iterator
from itertools import takewhile
from pathlib import Path

import numpy as np
import pytest
from steno_transcriber import engines
from steno_transcriber.audio.decode import Block, open_audio
from steno_transcriber.engines.port import Pack, UtteranceEngine
from steno_transcriber.screening import Screen, recognise_one
from steno_transcriber.speech import SAMPLE_RATE, Utterance
from steno_transcriber.tones_and_music import classify
from steno_transcriber.utterances import utterances as found
from support.effort import EFFORT
from support.non_speech import NON_SPEECH, as_heard
from support.recognition_options import ENGLISH
from support.shared_calls import shared_recordings
from support.speech import tiny_en


def heard(blocks: Iterable[Block]) -> Iterator[Utterance]:
    """The utterances of a recording."""
    return found(blocks, report=lambda _: None)


@pytest.fixture(scope="module")
def engine() -> Iterator[UtteranceEngine]:
    """Whisper tiny.en."""
    made = engines.load("whisper", tiny_en(), threads=2)
    yield made
    made.close()


def in_batch_and_live(engine: UtteranceEngine, utterances: list[Utterance]) -> tuple[str, str]:
    """What a recording's transcript says, and what a live one."""
    packs: list[Pack] = list(engine.packs(Screen().filter(utterances)))
    in_batch = " ".join(recognition.text for pack in packs for recognition in engine.decode(pack, ENGLISH)).strip()
    if packs and all(len(pack.utterances) == 1 for pack in packs):
        # Of a live call the engine would be asked the same once more.
        return in_batch, in_batch
    return in_batch, live(engine, utterances)


def live(engine: UtteranceEngine, utterances: list[Utterance]) -> str:
    """What a live transcript says."""
    return " ".join(recognise_one(engine, one, ENGLISH).recognition.text for one in utterances).strip()


@pytest.mark.parametrize("name", NON_SPEECH)
def test_what_is_no_speech_gives_no_word(engine: UtteranceEngine, name: str) -> None:
    """Made here, by telephone; in a recording as in a live call."""
    utterances = list(heard([as_heard(NON_SPEECH[name], 8_000)[np.newaxis]]))
    assert in_batch_and_live(engine, utterances) == ("", "")


@pytest.mark.parametrize("name", NON_SPEECH)
def test_nor_does_it_in_wide_band(engine: UtteranceEngine, name: str) -> None:
    """At 16 kHz, where more of it is heard."""
    assert live(engine, list(heard([as_heard(NON_SPEECH[name], SAMPLE_RATE)[np.newaxis]]))) == ""


def cut(path: Path) -> Iterator[Utterance]:
    with open_audio(path) as audio:
        yield from heard(audio.blocks())


@pytest.mark.effort
@pytest.mark.parametrize("path", shared_recordings(speech=False), ids=lambda path: path.name)
def test_recordings_in_which_nobody_speaks_give_no_word(engine: UtteranceEngine, path: Path) -> None:
    """Hold music, exchanges, keyboards, offices; half a minute of each, and longer with TEST_EFFORT."""
    utterances = list(takewhile(lambda one: one.end_ms <= 30_000 * EFFORT, cut(path)))
    assert in_batch_and_live(engine, utterances) == ("", "")


@pytest.mark.parametrize("path", shared_recordings(speech=True), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_no_speech_is_taken_for_a_tone_or_music(path: Path) -> None:
    """Every utterance of every recording reaches the engine."""
    for utterance in cut(path):
        sound = classify(utterance.samples)
        assert sound is None or not sound.surely
