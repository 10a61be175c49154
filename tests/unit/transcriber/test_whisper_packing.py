"""Utterances are laid end to end in windows, and their words find the way back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from steno_transcriber.engines.port import Pack
from steno_transcriber.engines.whisper_decoder import WindowLength
from steno_transcriber.engines.whisper_packing import Packing
from steno_transcriber.engines.whisper_times import TimedWord
from steno_transcriber.speech import SAMPLE_RATE, SAMPLES_PER_MS, Utterance


def utterance(start_ms: int, duration_ms: int, *, channel: int = 0, padding_ms: int = 0) -> Utterance:
    samples = np.full((duration_ms + 2 * padding_ms) * SAMPLES_PER_MS, channel + 1, dtype=np.float32)
    return Utterance(channel=channel, start_ms=start_ms, duration_ms=duration_ms, padding_before_ms=padding_ms, samples=samples)


def word(text: str, start: float, end: float) -> TimedWord:
    return TimedWord(text=text, start=start, end=end, probability=0.5)


@st.composite
def spoken(draw: st.DrawFn) -> list[Utterance]:
    """Utterances of up to three channels, each channel's in order of time."""
    ends = [0, 0, 0]
    utterances = []
    for _ in range(draw(st.integers(1, 40))):
        channel, length = draw(st.integers(0, 2)), draw(st.integers(30, 900))
        utterances.append(utterance(ends[channel] * 10, length * 10, channel=channel))
        ends[channel] += length + draw(st.integers(0, 300))
    return utterances


@given(utterances=spoken(), windows_in_pack=st.integers(1, 5), gap_ms=st.integers(0, 500))
def test_packing_loses_nothing_and_keeps_order(utterances: list[Utterance], windows_in_pack: int, gap_ms: int) -> None:
    """Every utterance is in one window of its own channel; the windows of a pack are found again from the pack."""
    packing = Packing(longest_ms=10_000, gap_ms=gap_ms, windows_in_pack=windows_in_pack)
    packs = list(packing.packs(utterances))
    windows = [window for pack in packs for window in packing.windows(pack)]
    assert [len(packing.windows(pack)) for pack in packs[:-1]] == [windows_in_pack] * (len(packs) - 1)
    for window in windows:
        assert len({part.channel for part in window}) == 1
        assert packing.lay_out(window).seconds <= 10
    for channel in range(3):
        expected = [part for part in utterances if part.channel == channel]
        assert [part for window in windows for part in window if part.channel == channel] == expected


def test_an_utterance_longer_than_a_window_is_alone() -> None:
    """It is not lost, and takes nobody with it."""
    packing = Packing(longest_ms=1_000)
    parts = [utterance(0, 300), utterance(400, 2_000), utterance(2_500, 300)]
    (pack,) = packing.packs(parts)
    assert packing.windows(pack) == [(parts[0],), (parts[1],), (parts[2],)]


def test_words_go_back_to_their_utterances() -> None:
    """By their middle; times are of the call, inside the speech, without the silence between."""
    first, second = utterance(5_000, 1_000, padding_ms=200), utterance(60_000, 1_000, padding_ms=200)
    layout = Packing(gap_ms=500).lay_out([first, second])
    assert layout.seconds == 1.4 + 0.5 + 1.4
    words = [word("hello", 0.0, 0.6), word("there", 0.6, 1.3), word("yes", 1.5, 2.6), word("now", 2.6, 3.3)]
    before, after = layout.distribute(words)
    assert [(part.text, part.start_ms, part.duration_ms) for part in before] == [("hello", 5_000, 400), ("there", 5_400, 600)]
    assert [(part.text, part.start_ms, part.duration_ms) for part in after] == [("yes", 60_000, 500), ("now", 60_500, 500)]


def test_the_audio_of_a_window_has_silence_between_utterances() -> None:
    """So that words do not run into each other."""
    layout = Packing(gap_ms=100).lay_out([utterance(0, 100), utterance(500, 100)])
    assert layout.starts == (0, 200 * SAMPLES_PER_MS)
    gap = layout.samples[100 * SAMPLES_PER_MS : 200 * SAMPLES_PER_MS]
    assert not gap.any()
    assert layout.samples[: 100 * SAMPLES_PER_MS].all()
    assert len(layout.samples) == 0.3 * SAMPLE_RATE


def test_a_window_is_no_longer_than_its_audio_needs() -> None:
    """In whole steps, with silence to end in, and never more than the model takes."""
    length = WindowLength(silence=5, step=5, least=15)
    assert [length.seconds(audio) for audio in (0.5, 10, 10.1, 20.5, 28)] == [15, 15, 20, 30, 30]


def test_an_empty_pack_is_refused() -> None:
    """There is nothing to decode in it."""
    with pytest.raises(ValueError, match="holds utterances"):
        Pack(utterances=())
