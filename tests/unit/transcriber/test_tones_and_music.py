"""What is surely a tone or music is told from speech, and speech never for either."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from steno_transcriber.speech import SAMPLE_RATE, SAMPLES_PER_MS, Samples, Utterance
from steno_transcriber.tones_and_music import classify, classify_surely, is_ruled_out
from support.non_speech import MUSIC, NOISES, NOISY, NON_SPEECH, TONES, as_heard, cadence
from support.speech import call_audio, segment

from steno.events.observations import ObservationKind

RATES = (8_000, SAMPLE_RATE)

IN_DOUBT = {
    # Each ends or changes sooner than a line lasts, or is data.
    *("keys, fast", "modem, answering", "fax, its preamble", "fax, a page", "text telephone"),
}
"""Tones that are left to the engine."""

CLEAN_MUSIC = [name for name in MUSIC if name.startswith(("chords", "piano", "organ", "band"))]
"""Whose notes keep their pitch."""


def utterances(sound: Samples) -> list[Utterance]:
    return list(segment([sound[np.newaxis]]))


@cache
def made(name: str, rate: int) -> list[Utterance]:
    return utterances(as_heard(NON_SPEECH[name], rate))


@cache
def spoken() -> list[Utterance]:
    """What the people in the sample calls say."""
    calls = [call_audio(name) for name in ("lost-card", "billing-dispute", "delivery-enquiry")]
    return [utterance for call in calls for utterance in segment([call])]


def loudness(samples: Samples) -> float:
    return float(np.sqrt(np.mean(np.square(samples))))


def mixed(sound: Samples, voice: Samples, *, decibels: float, at: int = 0) -> Samples:
    """A voice over a sound, so much louder than it."""
    voice = voice[: len(sound) - at]
    result = sound.copy()
    result[at : at + len(voice)] += voice * (loudness(sound) / loudness(voice)) * 10 ** (decibels / 20)
    return (result / max(1.0, float(np.abs(result).max()))).astype(np.float32)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize(
    "name", [name for name in [*TONES, *NOISY] if name not in IN_DOUBT and name.split(",")[0] not in MUSIC]
)
def test_tones_are_tones(name: str, rate: int) -> None:
    """All that voice activity lets through of them."""
    for utterance in made(name, rate):
        sound = classify(utterance.samples)
        assert sound is not None
        assert (sound.kind, sound.surely) == (ObservationKind.TONE, True)


@pytest.mark.parametrize("mains", ["mains hum of 50 Hz", "mains hum of 60 Hz"])
def test_a_hum_is_a_tone(mains: str) -> None:
    """Many partials, of which none ever changes."""
    (utterance,) = made(mains, 8_000)
    sound = classify(utterance.samples)
    assert sound is not None
    assert (sound.kind, sound.surely) == (ObservationKind.TONE, True)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("name", [*CLEAN_MUSIC, "piano 1, noisy line", "band 0, noisy line"])
def test_music_sounds_like_music(name: str, rate: int) -> None:
    """Surely, or so that it is told as music where an engine finds no words."""
    for utterance in made(name, rate):
        sound = classify(utterance.samples)
        assert sound is not None
        assert sound.kind is ObservationKind.MUSIC


@pytest.mark.parametrize("name", [name for name in NOISES if "hum" not in name])
def test_noise_is_neither(name: str) -> None:
    """Nothing in it keeps a frequency: an engine's guards have to see to it."""
    for rate in RATES:
        assert [classify(utterance.samples) for utterance in made(name, rate)] == [None] * len(made(name, rate))


def test_no_speech_is_taken_for_either() -> None:
    """Nor does any resemble them."""
    assert len(spoken()) > 20
    assert {classify(utterance.samples) for utterance in spoken()} == {None}


@pytest.mark.parametrize("decibels", [10, 5, 0])
@pytest.mark.parametrize("name", ["piano 0", "organ 1", "chords 0", "band 0", "dial tone, North America", "one long beep"])
def test_who_speaks_over_music_or_a_tone_may_be_heard(name: str, decibels: float) -> None:
    """One sentence in ten seconds, no louder than what it is spoken over, is enough."""
    (sound,) = made(name, 8_000)
    for index, voice in enumerate(spoken()[:8]):
        over = mixed(sound.samples, voice.samples, decibels=decibels, at=index * 10_000)
        heard = classify(over)
        assert heard is None or not heard.surely


@pytest.mark.parametrize("name", [*NON_SPEECH, "speech", "speech over a tone"])
def test_what_is_ruled_out_early_is_not_surely_a_tone_or_music_later(name: str) -> None:
    """However it goes on: nothing is heard otherwise for being looked at in part."""
    if name == "speech":
        found = spoken()
    elif name in NON_SPEECH:
        found = [utterance for rate in RATES for utterance in made(name, rate)]
    else:
        found = utterances(mixed(as_heard(NON_SPEECH[next(iter(TONES))], 8_000), call_audio("lost-card")[0], decibels=0))
    for utterance in found:
        sound = classify(utterance.samples)
        surely = sound if sound is not None and sound.surely else None
        assert classify_surely(utterance.samples) == surely
        for length in range(SAMPLE_RATE, len(utterance.samples), SAMPLE_RATE // 2):
            if is_ruled_out(utterance.samples[:length]):
                assert surely is None
                break


@pytest.mark.parametrize("quieter", [0, 15, 25])
def test_who_speaks_after_a_beep_may_be_heard(quieter: float) -> None:
    """Right behind it or a little later, and much quieter than the beep."""
    beep = cadence([((1000,), 0.6)], SAMPLE_RATE, seconds=0.6)
    for voice in spoken()[:8]:
        said = voice.samples[: 1200 * SAMPLES_PER_MS]
        said = said * (loudness(beep) / loudness(said)) * np.float32(10 ** (-quieter / 20))
        for pause_ms in (0, 200):
            pause = np.zeros(pause_ms * SAMPLES_PER_MS, dtype=np.float32)
            heard = classify(np.concatenate([beep, pause, said]).astype(np.float32))
            assert heard is None or not heard.surely


@pytest.mark.parametrize("name", ["piano 0", "chords 0", "band 0"])
def test_who_speaks_when_the_music_stops_may_be_heard(name: str) -> None:
    """A word behind seconds of music."""
    (sound,) = made(name, 8_000)
    for voice in spoken()[:8]:
        heard = classify(np.concatenate([sound.samples[: 6 * SAMPLE_RATE], voice.samples[: 700 * SAMPLES_PER_MS]]))
        assert heard is None or not heard.surely


@settings(max_examples=50, deadline=None)
@given(milliseconds=st.integers(0, 400), seed=st.integers(0, 1000))
def test_what_is_too_short_or_silent_is_neither(milliseconds: int, seed: int) -> None:
    """Of any length, and of any noise below what voice activity hears."""
    quiet = np.random.default_rng(seed).normal(0, 0.0005, milliseconds * SAMPLES_PER_MS).astype(np.float32)
    assert classify(quiet) is None
    assert classify(np.zeros_like(quiet)) is None


@pytest.mark.parametrize("odd", [np.nan, np.inf, 1e30])
def test_samples_that_are_none_tell_nothing(odd: float) -> None:
    """A file may hold any bits."""
    broken = cadence([((1000,), 1.0)], SAMPLE_RATE, seconds=1.0)
    broken[5_000:5_100] = odd
    with np.errstate(all="ignore"):
        assert classify(broken) is None


@settings(max_examples=30, deadline=None)
@given(loud=st.floats(0.1, 4.0), frequency=st.floats(300, 3300), seed=st.integers(0, 1000))
def test_a_tone_is_one_however_loud_and_high(loud: float, frequency: float, seed: int) -> None:
    """On a line with a little noise."""
    tone = cadence([((frequency,), 1.0)], SAMPLE_RATE, seconds=1.0) * loud
    noise = np.random.default_rng(seed).normal(0, 0.0007 * loud, len(tone))
    sound = classify((tone + noise).astype(np.float32))
    assert sound is not None
    assert (sound.kind, sound.surely) == (ObservationKind.TONE, True)
