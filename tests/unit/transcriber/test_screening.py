"""Tones and music are told, and no engine hears them."""

from collections.abc import Sequence

import numpy as np
import pytest
from steno_transcriber.engines.port import Pack
from steno_transcriber.engines.scripted import ScriptedEngine
from steno_transcriber.screening import Outcome, Screen, recognise_one
from steno_transcriber.speech import SAMPLES_PER_MS, Recognition, Samples, Utterance
from support.non_speech import MUSIC, TONES, as_heard
from support.recognition_options import ENGLISH
from support.speech import call_audio

from steno.events.observations import Observation
from steno.events.recognition import RecognitionOptions


def utterance(samples: Samples, *, channel: int = 0, start_ms: int = 1_000) -> Utterance:
    return Utterance(
        channel=channel,
        start_ms=start_ms,
        duration_ms=len(samples) // SAMPLES_PER_MS,
        padding_before_ms=0,
        samples=samples,
    )


RINGING = utterance(as_heard(TONES["dial tone, Europe"], 8_000))
RESEMBLES_MUSIC = utterance(as_heard(MUSIC["piano 2"], 8_000), start_ms=20_000)
SPEECH = utterance(call_audio()[0, 2_000 * SAMPLES_PER_MS : 6_000 * SAMPLES_PER_MS], start_ms=40_000)


class CountingEngine(ScriptedEngine):
    """Says a word for each utterance that it hears, or nothing at all."""

    def __init__(self, word: str) -> None:
        super().__init__(lambda _: word)
        self.heard: list[Utterance] = []

    def decode(self, pack: Pack, options: RecognitionOptions) -> list[Recognition]:
        self.heard += pack.utterances
        return super().decode(pack, options)


def span(kind: str, told: Utterance) -> Observation:
    return Observation(kind=kind, channel=told.channel, start_ms=told.start_ms, duration_ms=told.duration_ms)


def screened(engine: CountingEngine, found: Sequence[Utterance]) -> list[Outcome]:
    """What becomes of utterances in a recording, one by one."""
    results = []
    for one in found:
        screen, recognition = Screen(), Recognition(text="", confidence=0.0)
        for passed in screen.filter([one]):
            (recognition,) = engine.decode(Pack(utterances=(passed,)), ENGLISH)
            screen.add_result(passed, recognition)
        results.append(Outcome(recognition=recognition, observation=next(iter(screen.observations.in_order), None)))
    return results


@pytest.mark.parametrize("word", ["hello", ""])
def test_what_is_surely_a_tone_reaches_no_engine(word: str) -> None:
    """It is told, and is no phrase."""
    engine = CountingEngine(word)
    understood = recognise_one(engine, RINGING, ENGLISH)
    assert understood.observation == span("tone", RINGING)
    assert not understood.recognition
    assert not engine.heard


def test_what_resembles_music_is_music_where_there_are_no_words() -> None:
    """An engine that finds words in it is believed."""
    assert recognise_one(CountingEngine(""), RESEMBLES_MUSIC, ENGLISH).observation == span("music", RESEMBLES_MUSIC)
    sung = recognise_one(CountingEngine("la"), RESEMBLES_MUSIC, ENGLISH)
    assert (sung.recognition.text, sung.observation) == ("la", None)


@pytest.mark.parametrize("word", ["hello", ""])
def test_of_speech_nothing_is_told_but_its_words(word: str) -> None:
    """Also where there are none."""
    understood = recognise_one(CountingEngine(word), SPEECH, ENGLISH)
    assert (understood.recognition.text, understood.observation) == (word, None)


@pytest.mark.parametrize("word", ["hello", ""])
def test_recordings_and_live_calls_tell_the_same(word: str) -> None:
    """Of each utterance."""
    found = [RINGING, RESEMBLES_MUSIC, SPEECH]
    live = [recognise_one(CountingEngine(word), one, ENGLISH) for one in found]
    assert screened(CountingEngine(word), found) == live


def test_the_spans_of_a_recording_are_told_together() -> None:
    """By time, each on its channel; what an engine is given keeps its order."""
    found = [RINGING, utterance(RINGING.samples, channel=1), RESEMBLES_MUSIC, SPEECH]
    screen = Screen()
    passed = list(screen.filter(found))
    assert passed == [RESEMBLES_MUSIC, SPEECH]
    for one in passed:
        screen.add_result(one, Recognition(text="", confidence=0.0))
    assert screen.observations.in_order == (span("tone", RINGING), span("tone", found[1]), span("music", RESEMBLES_MUSIC))


def test_nothing_is_told_of_silence() -> None:
    """It is neither tone nor music."""
    silent = utterance(np.zeros(16_000, dtype=np.float32))
    assert recognise_one(CountingEngine(""), silent, ENGLISH) == Outcome(recognition=Recognition(text="", confidence=0.0))
