"""Live audio becomes what the engines hear: the same to the bit on every machine, and as good as soxr's."""

import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st
from steno_transcriber.live.audio import _HALF, LiveForm, LiveStretch, linear
from support.live_calls import Heard, coded
from support.speech import call_audio

from steno.events.records import AudioCodec


def heard(audio: bytes, *, codec: AudioCodec = AudioCodec.S16LE, rate: int = 8000, channels: int = 1) -> Heard:
    return np.stack([LiveForm(rate).samples(channel) for channel in linear(audio, codec, channels=channels)])


def tone(frequency: float, *, seconds: float = 1.0, rate: int = 8000) -> bytes:
    wave = 0.5 * np.sin(2 * np.pi * frequency * np.arange(int(seconds * rate)) / rate)
    return coded(wave[np.newaxis].astype(np.float32), AudioCodec.S16LE)


def spectrum(samples: Heard) -> tuple[np.ndarray, np.ndarray]:
    middle = samples[0][2000:-2000]
    power = np.abs(np.fft.rfft(middle * np.kaiser(len(middle), 20))) ** 2
    return np.fft.rfftfreq(len(middle), 1 / 16_000), power


@settings(max_examples=50, deadline=None)
@given(
    audio=st.lists(st.integers(-32768, 32767), min_size=1, max_size=300),
    before=st.integers(0, 60),
    behind=st.integers(0, 60),
)
def test_what_is_heard_is_the_audio_in_silence(audio: list[int], before: int, behind: int) -> None:
    """Silence around it changes nothing, not in the last bit, and there are two samples for each."""
    form, samples = LiveForm(8000), np.array(audio, dtype=np.int16)
    alone = form.samples(samples.tobytes())
    within = form.samples(np.pad(samples, (before, behind)).tobytes())
    assert len(alone) == 2 * len(audio)
    assert within[2 * before : 2 * before + len(alone)].tobytes() == alone.tobytes()
    assert np.abs(alone).max() <= 1.0


@pytest.mark.parametrize("codec", [AudioCodec.PCMU, AudioCodec.PCMA, AudioCodec.S16LE])
def test_channels_are_taken_apart(codec: AudioCodec) -> None:
    """Each is the audio it was before they were interleaved, as exactly as the codec has it."""
    audio = call_audio()[:, 160_000:176_000:2]
    taken = np.stack([np.frombuffer(channel, "<i2") for channel in linear(coded(audio, codec), codec, channels=2)])
    assert taken.shape == audio.shape
    assert np.abs(taken - audio * 32767).max() <= np.abs(audio).max() * 32767 / 16


def test_what_was_sampled_stays() -> None:
    """Every second sample at 16 kHz is one that came."""
    audio = tone(700)
    assert np.array_equal(heard(audio)[0, ::2], np.frombuffer(audio, "<i2") / np.float32(32768))


@pytest.mark.parametrize("length", [1, 31, 33, 1023, 1025, 5000])
def test_what_lies_between_is_what_the_filter_makes_of_what_is_around(length: int) -> None:
    """To the bit, sample by sample, also where it is louder than can be and is cut."""
    loud = np.random.default_rng(length).choice([-32768, 32767], length).astype("<i2")
    taps = np.array([*reversed(_HALF), *_HALF], dtype=np.int64)
    around = np.pad(loud.astype(np.int64), (len(_HALF) - 1, len(_HALF)))
    expected = np.correlate(around, taps) / 2**30
    assert np.array_equal(heard(loud.tobytes())[0, 1::2], expected.clip(-1, 1).astype(np.float32))


@pytest.mark.parametrize("frequency", [100, 300, 1000, 2500, 3400])
def test_speech_passes_flat_and_without_its_image(frequency: float) -> None:
    """Level within 0.01 dB of soxr's, and the image at least 75 dB below."""
    audio = tone(frequency)
    ours = heard(audio)
    theirs = soxr.resample(np.frombuffer(audio, "<i2") / np.float32(32768), 8000, 16_000, quality="HQ")[np.newaxis]
    frequencies, power = spectrum(ours)
    _, reference = spectrum(theirs)
    near = np.abs(frequencies - frequency) < 60
    image = np.abs(frequencies - (8000 - frequency)) < 60
    assert abs(10 * np.log10(power[near].sum() / reference[near].sum())) < 0.01
    assert 10 * np.log10(power[image].sum() / power[near].sum()) < -75


def test_speech_sounds_as_by_soxr() -> None:
    """On a real call the difference to soxr lies 35 dB below the speech: what there is of it is near 4 kHz."""
    narrow = call_audio()[0, ::2]
    ours = heard(coded(narrow[np.newaxis], AudioCodec.S16LE))[0]
    theirs = soxr.resample(narrow, 8000, 16_000, quality="HQ")
    assert 10 * np.log10(np.square(ours - theirs).sum() / np.square(theirs).sum()) < -35


def test_silence_is_silence() -> None:
    """Digital silence of mu-law comes out as zeros, of which the segmenter need not ask anything."""
    assert not heard(b"\xff" * 4000, codec=AudioCodec.PCMU).any()


def test_audio_at_16_khz_stays_as_it_is() -> None:
    """Nothing is filtered."""
    audio = tone(5000, rate=16_000)
    assert np.array_equal(heard(audio, rate=16_000)[0], np.frombuffer(audio, "<i2") / np.float32(32768))


@settings(max_examples=50, deadline=None)
@given(
    pieces=st.lists(st.lists(st.integers(-32768, 32767), min_size=1, max_size=90), min_size=1, max_size=8),
    rate=st.sampled_from([8000, 16_000]),
)
def test_a_stretch_that_grows_is_heard_as_a_whole(pieces: list[list[int]], rate: int) -> None:
    """To the bit, however it is cut, up to what the filter must still wait for."""
    form = LiveForm(rate)
    stretch = LiveStretch(form)
    heard = np.concatenate([stretch.accept(np.array(piece, dtype=np.int16).tobytes()) for piece in pieces])
    whole = form.samples(np.array([value for piece in pieces for value in piece], dtype=np.int16).tobytes())
    assert heard.tobytes() == whole[: len(heard)].tobytes()
    assert len(whole) - len(heard) <= (0 if rate == 16_000 else 2 * 20)
