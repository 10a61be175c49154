"""The utterances of a recording: each said once, on the channel of who said it."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from steno_transcriber.audio.decode import open_audio
from steno_transcriber.engines.whisper import WhisperEngine
from steno_transcriber.observations import Observations
from steno_transcriber.recognise import recognise
from steno_transcriber.speech import SAMPLE_RATE
from steno_transcriber.utterances import utterances
from support.crosstalk import by_telephone, doubled, leaky
from support.live_calls import CallWriter, Heard
from support.live_listener import listened
from support.recognition_options import ENGLISH
from support.speech import call_audio, segment, tiny_en

from steno.events.records import AudioCodec

SHARED = Path(__file__).parents[4] / "shared" / "data" / "calls"
REAL = [*sorted(SHARED.glob("hvb/*.wav")), *sorted(SHARED.glob("aws/*.wav")), *sorted(SHARED.glob("genesys/*.wav"))]

Cut = tuple[int, int, int, bytes]


def cut(audio: Heard, told: Observations | None = None) -> list[Cut]:
    blocks = [audio[:, begin : begin + SAMPLE_RATE] for begin in range(0, audio.shape[1], SAMPLE_RATE)]
    found = utterances(blocks, report=(told or Observations()).add)
    return sorted((one.channel, one.start_ms, one.duration_ms, one.samples.tobytes()) for one in found)


def whole(path: Path) -> Heard:
    with open_audio(path) as audio:
        return np.concatenate(list(audio.blocks()), axis=1)


@pytest.mark.skipif(not REAL, reason="real calls are not part of the repository")
@pytest.mark.parametrize("path", REAL, ids=lambda path: path.stem)
def test_real_calls_are_as_they_were(path: Path) -> None:
    """Utterance by utterance, to the bit, and nothing is told: nothing of them is a copy, or too quiet."""
    audio, told = whole(path), Observations()
    before = [(one.channel, one.start_ms, one.duration_ms, one.samples.tobytes()) for one in segment([audio])]
    assert cut(audio, told) == sorted(before)
    assert not told.in_order


@pytest.mark.parametrize("audio", [leaky(call_audio(), decibels=-15, delay_ms=80), call_audio() * np.float32(0.02)])
def test_live_and_batch_come_to_the_same(audio: Heard) -> None:
    """A call with crosstalk, and one that is too quiet, as they are and by their recordings; what is told, too."""
    call = CallWriter(codec=AudioCodec.S16LE, sample_rate=SAMPLE_RATE)
    call.start()
    call.say(audio)
    call.end()
    live = listened(call.log)
    told = Observations()
    recorded = ((np.clip(audio, -1, 1) * 32767).astype("<i2") / np.float32(32768)).astype(np.float32)
    assert sorted((one[0], one[1], one[2], one[4]) for one in live.published) == cut(recorded, told)
    assert [span for span in live.call.observations if span.kind != "tone"] == list(told.in_order)
    assert told.in_order


def test_dual_mono_is_told_once() -> None:
    """For the whole call, and not of each sentence."""
    told = Observations()
    assert {found[0] for found in cut(by_telephone(doubled(call_audio() * np.float32(0.5))), told)} == {0}
    (observation,) = told.in_order_at_end(heard_on={0})
    assert (observation.kind, observation.channel) == ("same_on_both_channels", 1)
    assert observation.duration_ms > 30_000


def test_a_part_that_is_the_same_on_both_channels_is_left_out_alone() -> None:
    """Before and behind it each channel says its own."""
    audio, length = call_audio(), 12 * SAMPLE_RATE
    part = doubled(audio[:, length : 2 * length])
    told = Observations()
    found = cut(np.concatenate([audio[:, :length], part, audio[:, 2 * length :]], axis=1), told)
    alike = [found for found in found if 12_000 <= found[1] < 23_500]
    assert {found[0] for found in alike} == {0}
    assert {found[0] for found in found if found not in alike} == {0, 1}
    assert all(11_500 <= span.start_ms < 24_000 for span in told.in_order_at_end(heard_on={0, 1}))


def said(engine: WhisperEngine, audio: Heard) -> list[list[str]]:
    words: list[list[str]] = [[] for _ in audio]
    with ThreadPoolExecutor(1) as pool:
        cuts = utterances([audio], report=lambda _: None)
        for utterance, recognition in recognise(engine, cuts, executor=pool, in_flight=2, options=ENGLISH):
            words[utterance.channel] += recognition.text.lower().replace(",", "").replace(".", "").split()
    return words


def test_words_stand_once_and_with_who_said_them() -> None:
    """Through the default model: crosstalk adds nearly none, and a caller at -50 dBFS loses few."""
    engine = WhisperEngine(tiny_en())
    try:
        audio = by_telephone(call_audio()[:, : 25 * SAMPLE_RATE])
        clean = said(engine, audio)
        leaking = said(engine, by_telephone(leaky(audio, decibels=-15, delay_ms=100)))
        quiet = said(engine, by_telephone(audio * np.array([[10 ** (-30 / 20)], [1]], dtype=np.float32)))
    finally:
        engine.close()
    for changed in (leaking, quiet):
        for one, other in zip(changed, clean, strict=True):
            assert len(other) > 10
            assert abs(len(one) - len(other)) <= 0.1 * len(other)
            assert len(set(other) - set(one)) <= 0.15 * len(set(other))
