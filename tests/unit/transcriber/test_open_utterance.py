"""Open utterances that are decoded together."""

from collections.abc import Sequence

import numpy as np
from steno_transcriber.engines.port import OpenSpeech
from steno_transcriber.engines.scripted import ScriptedEngine
from steno_transcriber.live.audio import LiveForm, linear
from steno_transcriber.live.open_utterance import OpenUtterance, decode_together, kind_of
from steno_transcriber.segmenter import OpenSpan
from steno_transcriber.speech import Recognition, Samples
from support.non_speech import TONES, as_heard
from support.recognition_options import ENGLISH
from support.speech import call_audio

from steno.events.records import AudioCodec

RATE = 16_000


class Windowed(ScriptedEngine):
    """Notes what it is given together, and has a window of whole seconds."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[list[int]] = []

    def hypothesis_window_ms(self, duration_ms: int) -> int:
        return -(-duration_ms // 1000) * 1000

    def hypotheses(self, spoken: Sequence[OpenSpeech]) -> list[Recognition]:
        self.asked.append([each.utterance.channel for each in spoken])
        return super().hypotheses(spoken)


def opened(engine: ScriptedEngine, samples: Samples, *, channel: int = 0) -> OpenUtterance:
    """An utterance of which so much has come."""
    begun = OpenSpan(start_ms=0, duration_ms=1, padding_before_ms=0)
    spoken = OpenUtterance(channel, begun, LiveForm(RATE), engine, options=ENGLISH, at=0.0)
    audio = np.round(samples * 32_767).astype("<i2").tobytes()
    (heard,) = linear(audio, AudioCodec.S16LE, channels=1)
    spoken.add_audio(heard)
    return spoken


def speech(seconds: float) -> Samples:
    return call_audio()[0, 8_000 : 8_000 + int(seconds * RATE)]


def test_each_gets_its_own_hypothesis() -> None:
    """The one that it would have alone; the engine is not given what nobody says."""
    engine = Windowed()
    tone = as_heard(TONES["dial tone, Europe"], RATE)[: 2 * RATE]
    alone = [decode_together([opened(engine, speech(seconds))])[0] for seconds in (1.2, 1.9)]
    spoken = [opened(engine, audio, channel=index) for index, audio in enumerate((speech(1.2), tone, speech(1.9)))]
    together = decode_together(spoken)
    assert [together[0], together[2]] == alone
    assert all(alone)
    assert not together[1]
    assert engine.asked[-1] == [0, 2]


def test_those_of_one_engine_and_window_are_of_a_kind() -> None:
    """What has come and waits counts, for it will be decoded."""
    engine, other = Windowed(), Windowed()
    short = opened(engine, speech(1.2))
    assert kind_of(short) == kind_of(opened(engine, speech(1.9)))
    assert kind_of(short) != kind_of(opened(engine, speech(2.1)))
    assert kind_of(short) != kind_of(opened(other, speech(1.2)))
