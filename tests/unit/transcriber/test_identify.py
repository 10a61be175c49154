"""How a file is opened follows from what is in it, then from what was said of it, then from its name."""

import os
import struct
import zlib
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from steno_transcriber.audio.decode import open_audio
from steno_transcriber.audio.errors import UnreadableAudio
from steno_transcriber.audio.guess_coding import LEAST_BYTES, guess_coding, read_samples
from support.effort import examples
from support.recordings import sample_call

from steno.audio_files import FORMATS, HEADERLESS_SUFFIXES, Headerless

CASES = Path(__file__).parents[4] / "shared" / "data" / "cases"
CALLS = sorted((Path(__file__).parents[4] / "shared" / "data" / "calls").glob("hvb/*.wav"))
SECONDS = 8
CODECS = {
    Headerless.MULAW: ("pcm_mulaw", 8_000),
    Headerless.ALAW: ("pcm_alaw", 8_000),
    Headerless.SLIN: ("pcm_s16le", 8_000),
    Headerless.SLIN12: ("pcm_s16le", 12_000),
    Headerless.SLIN16: ("pcm_s16le", 16_000),
    Headerless.SLIN24: ("pcm_s16le", 24_000),
    Headerless.SLIN32: ("pcm_s16le", 32_000),
    Headerless.SLIN44: ("pcm_s16le", 44_100),
    Headerless.SLIN48: ("pcm_s16le", 48_000),
    Headerless.L16: ("pcm_s16be", 8_000),
    Headerless.G722: ("g722", 16_000),
    Headerless.G723: ("g723_1", 8_000),
}
"""Of those that can be made here: what makes them, and its rate."""


def speech(path: Path, rate: int = 8_000, seconds: int = SECONDS) -> npt.NDArray[np.int16]:
    """The first channel of a call."""
    pieces: list[npt.NDArray[Any]] = []
    with av.open(str(path)) as container:
        resampler = av.AudioResampler(format="s16p", rate=rate)
        for frame in container.decode(audio=0):
            pieces += [made.to_ndarray()[0] for made in resampler.resample(frame)]
            if sum(map(len, pieces)) > seconds * rate:
                break
    return np.concatenate(pieces)[: seconds * rate].astype(np.int16)


def encoded(samples: npt.NDArray[np.int16], codec: str, rate: int) -> bytes:
    """Samples in a codec, without any header."""
    encoder: Any = av.CodecContext.create(codec, "w")
    encoder.sample_rate, encoder.layout, encoder.format = rate, "mono", "s16"
    if codec == "g723_1":
        encoder.bit_rate = 6_300
    encoder.open()
    size = encoder.frame_size or 320
    coded = b""
    for start in range(0, len(samples) // size * size, size):
        frame = av.AudioFrame.from_ndarray(samples[None, start : start + size].copy(), "s16", "mono")
        frame.sample_rate = rate
        coded += b"".join(bytes(packet) for packet in encoder.encode(frame))
    return coded


def dialogic(samples: npt.NDArray[np.int16]) -> bytes:
    """Samples in Dialogic ADPCM, by the algorithm that Dialogic published (the MSM6258's)."""
    sizes = [int(16 * 1.1**index) for index in range(49)]
    moves = (-1, -1, -1, -1, 2, 4, 6, 8)
    last, place, nibbles = 0, 0, []
    for sample in (samples >> 4).tolist():
        step, difference, code = sizes[place], sample - last, 0
        if difference < 0:
            code, difference = 8, -difference
        for bit, part in ((4, step), (2, step >> 1), (1, step >> 2)):
            if difference >= part:
                code, difference = code | bit, difference - part
        nibbles.append(code)
        delta = (2 * (code & 7) + 1) * step >> 3
        last = max(-2048, min(2047, last - delta if code & 8 else last + delta))
        place = max(0, min(48, place + moves[code & 7]))
    return bytes(high << 4 | low for high, low in zip(nibbles[::2], nibbles[1::2], strict=True))


def heard(path: Path, name: str, headerless: str | None = None) -> tuple[str, int, npt.NDArray[np.float32]]:
    with open_audio(path, name=name, headerless=headerless) as audio:
        samples = np.concatenate(list(audio.blocks()), axis=1)
        assert audio.format.channels == 1
        return audio.format.codec, audio.format.sample_rate, samples[0]


def likeness(one: npt.NDArray[np.float32], other: npt.NDArray[np.float32]) -> float:
    """Of two sounds, 1 for the same, whatever the one is late by."""
    length = min(len(one), len(other))
    product = np.fft.irfft(np.fft.rfft(one[:length]) * np.conj(np.fft.rfft(other[:length])))
    return float(product.max() / (np.linalg.norm(one[:length]) * np.linalg.norm(other[:length])))


@pytest.fixture(scope="module")
def said() -> npt.NDArray[np.float32]:
    """What is said in the first channel of a sample, at 16 kHz."""
    return speech(sample_call(), 16_000).astype(np.float32) / np.float32(32_768)


@pytest.mark.parametrize("coding", CODECS, ids=str)
def test_a_file_without_header_is_read_by_its_name(tmp_path: Path, coding: Headerless, said: npt.NDArray[np.float32]) -> None:
    """Every suffix of a coding, whoever's it is; and no name, where the coding is said."""
    codec, rate = CODECS[coding]
    path = tmp_path / "file"
    path.write_bytes(encoded(speech(sample_call(), rate), codec, rate))
    suffixes = [suffix for suffix, its in HEADERLESS_SUFFIXES.items() if its is coding]
    for name, headerless in [(f"call{suffix.upper()}", None) for suffix in suffixes] + [("call", coding.value)]:
        found, found_rate, samples = heard(path, name, headerless)
        assert (found, found_rate) == (codec, rate)
        assert len(samples) / 16_000 == pytest.approx(SECONDS, abs=0.1)
        assert likeness(samples, said) > 0.8


@pytest.mark.parametrize(("name", "headerless", "rate"), [("call.vox", None, 8_000), ("call.vox", "vox6", 6_000)])
def test_dialogic_adpcm(tmp_path: Path, name: str, headerless: str | None, rate: int) -> None:
    """8 kHz, or 6 kHz where that is said: the same samples, played as long as they last."""
    samples = speech(sample_call())
    (tmp_path / "call.vox").write_bytes(dialogic(samples))
    codec, found_rate, played = heard(tmp_path / "call.vox", name, headerless)
    assert (codec, found_rate) == ("adpcm_ima_oki", rate)
    assert len(played) / 16_000 == pytest.approx(SECONDS * 8_000 / rate, abs=0.01)
    if rate == 8_000:
        assert likeness(played, speech(sample_call(), 16_000).astype(np.float32)) > 0.95


def test_g729_and_gsm(tmp_path: Path) -> None:
    """10 bytes each 10 ms, and 33 bytes each 20 ms (RFC 3551, 4.5.6 and 4.5.8)."""
    path = tmp_path / "file"
    path.write_bytes(bytes(range(250)) * 4)
    codec, rate, samples = heard(path, "call.g729")
    assert (codec, rate, len(samples)) == ("g729", 8_000, 16_000)
    path.write_bytes((b"\xd2" + bytes(range(32))) * 50)
    codec, rate, samples = heard(path, "call.gsm")
    assert (codec, rate, len(samples)) == ("gsm", 8_000, 16_000)


@pytest.mark.parametrize("name", ["a.ul", "a.raw", "a.sln16", "a.vox", "a.g729", "a.mp3", "a", "a.html"])
def test_a_header_counts_before_a_name(tmp_path: Path, name: str) -> None:
    """A WAV is one whatever it is called, and whatever was said of it."""
    for headerless in (None, "slin48"):
        with open_audio(sample_call(), name=name, headerless=headerless) as audio:
            assert (audio.format.container, audio.format.codec, audio.format.channels) == ("wav", "pcm_mulaw", 2)


@pytest.mark.parametrize("name", ["call.raw", "call.pcm", "call", "call.rec", "call.ulaw", "call.sln"])
@pytest.mark.parametrize("coding", [Headerless.MULAW, Headerless.ALAW, Headerless.SLIN, Headerless.L16], ids=str)
def test_content_counts_before_a_name(tmp_path: Path, name: str, coding: Headerless) -> None:
    """G.711 of either law and linear audio in either order of bytes are told apart by what they sound like."""
    codec, rate = CODECS[coding]
    path = tmp_path / "file"
    path.write_bytes(encoded(speech(sample_call()), codec, rate))
    assert heard(path, name)[:2] == (codec, rate)


@pytest.mark.skipif(not CALLS, reason="the shared calls are not on this machine")
def test_no_call_is_taken_for_another_coding() -> None:
    """Calls by telephone, coded each way: the right one, and none where it is not sure; nothing where it is coded otherwise."""
    sure = 0
    for call in CALLS:
        samples = speech(call, seconds=30)
        for coding in (Headerless.MULAW, Headerless.ALAW, Headerless.SLIN, Headerless.L16):
            data = encoded(samples, CODECS[coding][0], 8_000)
            found = guess_coding(read_samples(lambda offset, size, data=data: data[offset : offset + size], len(data)))  # type: ignore[misc]
            assert found in (coding, None), call
            sure += found is coding
        for other in (dialogic(samples[:80_000]), zlib.compress(samples.tobytes()), encoded(samples, "g722", 16_000)):
            assert guess_coding(other) is None
    assert sure > 3.5 * len(CALLS)


@pytest.mark.parametrize("data", [os.urandom(40_000), b"\xff" * 40_000, bytes(40_000)], ids=["noise", "mulaw silence", "zeros"])
def test_what_does_not_tell_is_asked_for(tmp_path: Path, data: bytes) -> None:
    """A `.raw` in which nothing is sure: the reason says what to say, and with it the file is read."""
    path = tmp_path / "file"
    path.write_bytes(data)
    with pytest.raises(UnreadableAudio) as refused:
        heard(path, "call.raw")
    assert str(refused.value).startswith("call.raw has no header")
    assert f"`format` is one of {FORMATS}" in str(refused.value)
    assert heard(path, "call.raw", "alaw")[0] == "pcm_alaw"


def test_a_format_that_there_is_not_is_told(tmp_path: Path) -> None:
    """Upstream systems write records themselves: the reason has the values there are."""
    (tmp_path / "file").write_bytes(bytes(4_000))
    with pytest.raises(UnreadableAudio, match=f"call.raw was submitted with a `format` that is not known; .* {FORMATS}"):
        heard(tmp_path / "file", "call.raw", "opus")


def test_little_is_not_sure() -> None:
    """Of less than half a second nothing is said."""
    data = encoded(speech(sample_call()), "pcm_mulaw", 8_000)
    assert guess_coding(data[: LEAST_BYTES - 1]) is None


@pytest.mark.skipif(not CASES.exists(), reason="the cases are not on this machine")
@pytest.mark.parametrize(
    ("name", "codec", "seconds"),
    [("F11_slin.raw", "pcm_s16le", 10), ("F12_8k.vox", "adpcm_ima_oki", 20), ("F19_mulaw_wav_named.ul", "pcm_mulaw", 20)],
)
def test_files_from_the_field_are_read(name: str, codec: str, seconds: int) -> None:
    """As what they are, at their length."""
    with open_audio(CASES / name) as audio:
        assert audio.format.codec == codec
        assert sum(block.shape[1] for block in audio.blocks()) == pytest.approx(seconds * 16_000, abs=20)


@pytest.mark.skipif(not CASES.exists(), reason="the cases are not on this machine")
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("F09_min.wav", "is encoded by a codec that is not known .its tag: .*0x0133"),
        ("F25_html_login.wav", r"is a web page \(HTML\), not audio"),
        ("F31_rate1.wav", "says 1 samples a second"),
        ("F31_rate4294967295.wav", r"Invalid sample rate: -1"),
    ],
)
def test_files_from_the_field_are_refused_by_name(name: str, reason: str) -> None:
    """The reason names the file, and what is wrong with it."""
    with pytest.raises(UnreadableAudio, match=f"{name} .*{reason}"), open_audio(CASES / name):
        pass


def wav(tag: int, channels: int, rate: int, block: int, bits: int, data: bytes) -> bytes:
    shape = struct.pack("<HHIIHH", tag, channels, rate, rate * block % 2**32, block, bits)
    return b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0" + shape + b"data" + struct.pack("<I", len(data)) + data


SHORT, LONG = st.integers(0, 2**16 - 1), st.integers(0, 2**32 - 1)


@settings(max_examples=examples(50), deadline=2_000)
@given(
    tag=st.sampled_from([0, 1, 2, 3, 6, 7, 0x11, 0x31, 0x45, 0x55, 0xFF, 0x161, 0xFFFE]) | SHORT,
    channels=st.sampled_from([1, 2]) | SHORT,
    rate=st.sampled_from([0, 1, 8_000, 2**32 - 1]) | LONG,
    block=st.sampled_from([1, 2]) | SHORT,
    bits=st.sampled_from([4, 8, 16]) | SHORT,
    cut=st.integers(0, 400),
)
def test_no_header_raises_what_is_not_ours(
    tmp_path_factory: pytest.TempPathFactory, tag: int, channels: int, rate: int, block: int, bits: int, cut: int
) -> None:
    """Whatever a WAV says of its codec, rate and channels: it is decoded, or unreadable for a reason that names it."""
    path = tmp_path_factory.getbasetemp() / "mutated.wav"
    path.write_bytes(wav(tag, channels, rate, block, bits, bytes(range(256)) * 2)[: 556 - cut])
    _decoded_or_refused(path, "mutated.wav")


@settings(max_examples=examples(50), deadline=2_000)
@given(data=st.data())
def test_no_mutation_raises_what_is_not_ours(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Nor any bytes changed in the head of a real file of any container, under any name."""
    whole = bytearray(data.draw(st.sampled_from(_containers())))
    for place, value in data.draw(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=6)):
        whole[place % len(whole)] = value
    path = tmp_path_factory.getbasetemp() / "mutated"
    path.write_bytes(whole)
    name = data.draw(st.sampled_from(["a", "a.wav", "a.mp3", "a.raw", "a.vox", "a.g729", "a.g723", "a.gsm", "a.sln16"]))
    _decoded_or_refused(path, name)


def _decoded_or_refused(path: Path, name: str) -> None:
    reason = name
    try:
        with open_audio(path, name=name) as audio:
            for _ in audio.blocks():
                pass
    except UnreadableAudio as error:
        reason = str(error)
    assert reason.startswith(name)


def _containers() -> list[bytes]:
    from fuzz.targets.audio import good_files

    return list(good_files())
