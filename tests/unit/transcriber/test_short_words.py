"""Words too short to fill the detector's window are utterances, and other short sounds are not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from steno_transcriber import segmenter
from steno_transcriber.live.audio import LiveForm
from steno_transcriber.segmenter import FRAME_MS, VOICED_TO_BEGIN, Segmenter
from steno_transcriber.speech import SAMPLE_RATE, SAMPLES_PER_MS, Samples, Utterance
from steno_transcriber.utterances import utterances
from support.live_calls import CallWriter
from support.live_listener import listened
from support.non_speech import NOISES, TONES, as_heard
from support.speech import call_audio

from steno.events.records import AudioCodec

WORD_MS = 180
WORDS = [500, 740, 1_400, 1_940, 2_000]
"""Where syllables of a sample call begin, in milliseconds."""


def line(milliseconds: int) -> Samples:
    """A line on which nobody speaks."""
    generator = np.random.default_rng(milliseconds)
    return generator.normal(0, 0.0005, milliseconds * SAMPLES_PER_MS).astype(np.float32)


def word(begin_ms: int) -> Samples:
    """A syllable, with edges that are no clicks."""
    samples = call_audio()[0][begin_ms * SAMPLES_PER_MS : (begin_ms + WORD_MS) * SAMPLES_PER_MS]
    edges = np.minimum(np.arange(len(samples)), np.arange(len(samples))[::-1]) / (10 * SAMPLES_PER_MS)
    spoken: Samples = (samples * np.minimum(edges, 1)).astype(np.float32)
    return spoken


def words(*, pause_ms: int = 1_000) -> Samples:
    """Single syllables with pauses."""
    return np.concatenate([line(pause_ms), *(part for begin in WORDS for part in (word(begin), line(pause_ms)))])


def cut(audio: Samples, *, start_ms: int = 0) -> list[Utterance]:
    one = Segmenter(channel=0, start_ms=start_ms)
    return [*one.accept(audio), *one.finish()]


def times(found: list[Utterance]) -> list[tuple[int, int]]:
    return [(one.start_ms, one.end_ms) for one in found]


def test_each_word_is_an_utterance() -> None:
    """Though none has voice enough to fill the window."""
    found = cut(words())
    assert len(found) == len(WORDS)
    for index, utterance in enumerate(found):
        said_ms = 1_000 + index * (WORD_MS + 1_000)
        assert utterance.duration_ms < VOICED_TO_BEGIN * FRAME_MS
        assert said_ms - FRAME_MS <= utterance.start_ms <= said_ms + 2 * FRAME_MS
        assert utterance.end_ms >= said_ms + 100


def test_a_word_is_found_at_the_pause_that_ends_any_utterance() -> None:
    """Live, it comes no later than a long one."""
    one = Segmenter(channel=0)
    audio = np.concatenate([line(1_000), word(WORDS[0]), line(1_000)])
    for position in range(0, len(audio), FRAME_MS * SAMPLES_PER_MS):
        for utterance in one.accept(audio[position : position + FRAME_MS * SAMPLES_PER_MS]):
            assert one.heard_ms == utterance.end_ms + segmenter.WINDOW_FRAMES * FRAME_MS
            return
    raise AssertionError("it was not found")


def test_a_word_at_the_end_of_the_audio_is_found() -> None:
    """A recording may end with a "yes", without a pause after it."""
    assert len(cut(np.concatenate([line(1_000), word(WORDS[0])]))) == 1


def test_a_word_at_the_end_of_the_audio_begins_with_its_voice() -> None:
    """As where a pause follows: what it begins with does not depend on what follows."""
    audio = np.concatenate([line(1_200), word(WORDS[0])])
    (last,), (followed,) = cut(audio), cut(np.concatenate([audio, line(1_000)]))
    assert last.start_ms == followed.start_ms


def test_an_utterance_begins_with_the_first_voice_before_it() -> None:
    """A short word 150 ms before a long sentence belongs to it."""
    sentence = call_audio()[0][1_000 * SAMPLES_PER_MS : 4_000 * SAMPLES_PER_MS]
    (utterance,) = cut(np.concatenate([line(1_000), word(WORDS[0]), line(150), sentence, line(1_000)]))
    assert utterance.start_ms <= 1_000 + 2 * FRAME_MS


@pytest.mark.parametrize("name", ["keyboard", "keyboard, fast", "crackle", "knocking", "white noise, quiet"])
def test_short_noises_are_no_words(name: str) -> None:
    """Clicks and knocks on a quiet line."""
    assert not [one for one in cut(as_heard(NOISES[name], SAMPLE_RATE)) if one.duration_ms < VOICED_TO_BEGIN * FRAME_MS]


@pytest.mark.parametrize("name", ["keys", "keys, fast"])
def test_nor_are_the_keys_of_a_telephone(name: str) -> None:
    """Tones of 50 and 100 ms."""
    assert not [one for one in cut(as_heard(TONES[name], SAMPLE_RATE)) if one.duration_ms < VOICED_TO_BEGIN * FRAME_MS]


def test_voice_that_goes_on_without_filling_the_window_is_decided_before_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sparse speech is open, as any, and memory stays bounded."""
    monkeypatch.setattr(segmenter, "VOICED_TO_BEGIN", segmenter.WINDOW_FRAMES + 1)
    one = Segmenter(channel=0)
    speech = call_audio()[0][1_000 * SAMPLES_PER_MS : 5_000 * SAMPLES_PER_MS]
    assert not list(one.accept(np.concatenate([line(600), speech[: 2_500 * SAMPLES_PER_MS]])))
    assert one.speaking


def test_beeps_without_a_pause_do_not_put_off_the_restart() -> None:
    """Voice that never fills the window and never ends: whoever takes a call over hears it from 90 s ago at most."""
    rate = 8_000
    seconds = np.arange(180 * rate) / rate
    beeps = 0.1 * np.sin(2 * np.pi * 425 * seconds) * (seconds % 0.15 < 0.12)
    beeps += np.random.default_rng(0).normal(0, 0.0003, len(beeps))
    audio = (beeps * 32767).astype("<i2").tobytes()
    one = Segmenter(channel=0, form=LiveForm(rate))
    for at in range(0, len(audio), 3_200):
        list(one.accept(audio[at : at + 3_200]))
        assert one.heard_ms - one.restart_ms <= 90_000


def test_words_are_found_in_batch_and_live_alike() -> None:
    """By the recording and by the call, to the bit."""
    audio = np.stack([words(), np.roll(words(), 400 * SAMPLES_PER_MS)])
    call = CallWriter(codec=AudioCodec.S16LE, sample_rate=SAMPLE_RATE)
    call.start()
    call.say(audio)
    call.end()
    recorded = ((np.clip(audio, -1, 1) * 32767).astype("<i2") / np.float32(32768)).astype(np.float32)
    found = sorted(
        (one.channel, one.start_ms, one.duration_ms, one.samples.tobytes())
        for one in utterances([recorded], report=lambda _: None)
    )
    assert len(found) >= len(WORDS)
    assert sorted((one[0], one[1], one[2], one[4]) for one in listened(call.log).published) == found


@given(
    pauses=st.lists(st.integers(20, 900), min_size=4, max_size=8),
    which=st.lists(st.sampled_from(WORDS), min_size=8, max_size=8),
    stop_ms=st.integers(100, 6_000),
)
def test_a_segmenter_begun_at_the_restart_finds_the_same_words(pauses: list[int], which: list[int], stop_ms: int) -> None:
    """Wherever its predecessor stopped, restarts being due each second."""
    audio = np.concatenate([part for pause, begin in zip(pauses, which, strict=False) for part in (line(pause), word(begin))])
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(segmenter, "RESTART_FRAMES", 1_000 // FRAME_MS)
        undisturbed = cut(audio)
        one = Segmenter(channel=0)
        before = list(one.accept(audio[: stop_ms * SAMPLES_PER_MS]))
        restart_ms = one.restart_ms
        after = cut(audio[restart_ms * SAMPLES_PER_MS :], start_ms=restart_ms)
    assert times([found for found in before if found.end_ms <= restart_ms] + after) == times(undisturbed)
