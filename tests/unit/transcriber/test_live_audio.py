"""Live audio becomes what the segmenter hears: the same to the bit wherever decoding begins, and as good as soxr's."""

from itertools import pairwise

import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st
from steno_transcriber.live.audio import LOOK_SAMPLES, TABLES, Block, LiveDecoder
from support.live_calls import coded
from support.speech import call_audio

from steno.events.records import AudioCodec


def decoded(audio: bytes, *, codec: AudioCodec = AudioCodec.S16LE, rate: int = 8000, channels: int = 1) -> Block:
    decoder = LiveDecoder(codec=codec, sample_rate=rate, channels=channels)
    return np.concatenate([decoder.accept(audio), decoder.finish()], axis=1)


def tone(frequency: float, *, seconds: float = 1.0, rate: int = 8000) -> bytes:
    wave = 0.5 * np.sin(2 * np.pi * frequency * np.arange(int(seconds * rate)) / rate)
    return coded(wave[np.newaxis].astype(np.float32), AudioCodec.S16LE)


def spectrum(samples: Block) -> tuple[np.ndarray, np.ndarray]:
    middle = samples[0][2000:-2000]
    power = np.abs(np.fft.rfft(middle * np.kaiser(len(middle), 20))) ** 2
    return np.fft.rfftfreq(len(middle), 1 / 16_000), power


CODECS = st.sampled_from([AudioCodec.PCMU, AudioCodec.PCMA, AudioCodec.S16LE])


@settings(max_examples=50, deadline=None)
@given(
    codec=CODECS,
    rate=st.sampled_from([8000, 16_000]),
    cuts=st.lists(st.integers(0, 3000), max_size=8),
    seed=st.integers(0, 99),
)
def test_what_is_heard_does_not_depend_on_the_blocks(codec: AudioCodec, rate: int, cuts: list[int], seed: int) -> None:
    """However a stretch is cut on its way, every sample is the same to the bit, and none is missing."""
    frame = 2 * codec.sample_bytes
    audio = np.random.default_rng(seed).integers(0, 256, 3000 * frame, dtype=np.uint8).tobytes()
    decoder = LiveDecoder(codec=codec, sample_rate=rate, channels=2)
    borders = [0, *sorted(cuts), 3000]
    blocks = [decoder.accept(audio[begin * frame : end * frame]) for begin, end in pairwise(borders)]
    together = np.concatenate([*blocks, decoder.finish()], axis=1)
    assert together.shape == (2, 3000 * 16_000 // rate)
    assert together.tobytes() == decoded(audio, codec=codec, rate=rate, channels=2).tobytes()


@settings(max_examples=50, deadline=None)
@given(begin=st.integers(0, 7000), codec=CODECS)
def test_whoever_begins_later_hears_the_same(begin: int, codec: AudioCodec) -> None:
    """From the filter's look-back on there is no difference left, not in the last bit."""
    audio = coded(call_audio()[:, 160_000:176_000:2], codec)
    whole = decoded(audio, codec=codec, channels=2)
    later = decoded(audio[begin * 2 * codec.sample_bytes :], codec=codec, channels=2)
    same_from = begin + LOOK_SAMPLES
    assert whole[:, 2 * same_from :].tobytes() == later[:, 2 * LOOK_SAMPLES :].tobytes()


def test_g711_is_what_the_standard_says() -> None:
    """The ends, the middle and the symmetry of both laws (ITU-T G.711, tables 1 and 2, at 16 bits)."""
    mu, a = TABLES[AudioCodec.PCMU], TABLES[AudioCodec.PCMA]
    assert [mu[code] for code in (0x00, 0x7F, 0x80, 0xFF, 0x8F)] == [-32124, 0, 32124, 0, 16764]
    assert [a[code] for code in (0xD5, 0x55, 0xAA, 0x2A, 0x80)] == [8, -8, 32256, -32256, 5504]
    assert np.array_equal(mu[128:], -mu[:128])
    assert np.array_equal(a[128:], -a[:128])


def test_what_was_sampled_stays() -> None:
    """Every second sample at 16 kHz is one that came."""
    audio = tone(700)
    assert np.array_equal(decoded(audio)[0, ::2], np.frombuffer(audio, "<i2") / np.float32(32768))


@pytest.mark.parametrize("frequency", [100, 300, 1000, 2500, 3400])
def test_speech_passes_flat_and_without_its_image(frequency: float) -> None:
    """Level within 0.01 dB of soxr's, and the image at least 75 dB below."""
    audio = tone(frequency)
    ours = decoded(audio)
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
    ours = decoded(coded(narrow[np.newaxis], AudioCodec.S16LE))[0]
    theirs = soxr.resample(narrow, 8000, 16_000, quality="HQ")
    assert 10 * np.log10(np.square(ours - theirs).sum() / np.square(theirs).sum()) < -35


def test_silence_is_silence() -> None:
    """Digital silence of mu-law comes out as zeros, of which the segmenter need not ask anything."""
    assert not decoded(b"\xff" * 4000, codec=AudioCodec.PCMU).any()


@pytest.mark.parametrize(("codec", "rate"), [(AudioCodec.UNKNOWN, 8000), (AudioCodec.PCMU, 44_100)])
def test_audio_that_cannot_be_decoded_is_refused(codec: AudioCodec, rate: int) -> None:
    """Before anything is heard."""
    with pytest.raises(ValueError, match="cannot be decoded"):
        LiveDecoder(codec=codec, sample_rate=rate, channels=1)
