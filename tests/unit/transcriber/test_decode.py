"""Any recording becomes blocks of 16 kHz samples, channels apart; what is no recording says so."""

import os
import wave
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest
from steno_transcriber.audio import decoder_child, track, wire_format
from steno_transcriber.audio.decode import AudioFormat, open_audio
from steno_transcriber.audio.errors import UnreadableAudio
from steno_transcriber.audio.wire_format import Kind
from steno_transcriber.speech import SAMPLE_RATE
from support.recordings import sample_call

SHARED_FORMATS = sorted((Path(__file__).parents[4] / "shared" / "data" / "calls" / "formats").glob("*"))


def tone(path: Path, *, rate: int = 8_000, channels: int = 1, seconds: float = 2.0, width: int = 2) -> Path:
    """A WAV with a tone of (channel + 1) * 200 Hz on each channel, at half of full scale."""
    time = np.arange(int(rate * seconds)) / rate
    waves = 0.5 * np.sin(2 * np.pi * np.outer(time, 200 * np.arange(1, channels + 1)))
    scaled = (waves * 127 + 128).astype(np.uint8) if width == 1 else (waves * 32767).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(scaled.tobytes())
    return path


def encode(path: Path, codec: str, *, rate: int, layout: str = "stereo") -> Path:
    """Two seconds of two tones in another container and codec."""
    time = np.arange(rate * 2) / rate
    waves = 0.5 * np.sin(2 * np.pi * np.outer([200, 400], time))
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=rate, layout=layout)
        frame = av.AudioFrame.from_ndarray((waves * 32767).astype(np.int16).T.reshape(1, -1).copy(), "s16", layout)
        frame.sample_rate, frame.time_base = rate, Fraction(1, rate)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def read(path: Path) -> tuple[AudioFormat, npt.NDArray[np.float32], int]:
    with open_audio(path) as audio:
        samples = np.concatenate(list(audio.blocks()), axis=1)
        return audio.format, samples, audio.duration_ms


def loudest_frequency(samples: npt.NDArray[np.float32]) -> float:
    return float(np.argmax(np.abs(np.fft.rfft(samples))) * SAMPLE_RATE / len(samples))


@pytest.mark.parametrize(("rate", "channels", "width"), [(8_000, 2, 2), (16_000, 1, 2), (192_000, 11, 2), (11_025, 3, 1)])
def test_any_rate_and_number_of_channels(tmp_path: Path, rate: int, channels: int, width: int) -> None:
    """Each channel stays itself: same tone, same loudness, at 16 kHz."""
    found, samples, duration_ms = read(tone(tmp_path / "call.wav", rate=rate, channels=channels, width=width))
    assert (found.container, found.channels, found.sample_rate) == ("wav", channels, rate)
    assert samples.dtype == np.float32
    assert abs(samples.shape[1] - 2 * SAMPLE_RATE) <= 2
    assert duration_ms == 2_000
    for channel in range(channels):
        assert loudest_frequency(samples[channel]) == pytest.approx(200 * (channel + 1), abs=2)
        assert samples[channel][1_000:-1_000].std() == pytest.approx(0.5 / np.sqrt(2), abs=0.01)


@pytest.mark.parametrize(
    ("name", "codec", "rate"),
    [
        ("call.mp3", "mp3", 16_000),
        ("call.ogg", "libopus", 48_000),
        ("call.flac", "flac", 8_000),
        ("call.wav", "pcm_alaw", 8_000),
    ],
)
def test_what_recorders_write(tmp_path: Path, name: str, codec: str, rate: int) -> None:
    """Compressed and telephony codecs alike."""
    found, samples, duration_ms = read(encode(tmp_path / name, codec, rate=rate))
    assert found.channels == 2
    assert duration_ms == pytest.approx(2_000, abs=150)
    assert loudest_frequency(samples[0]) == pytest.approx(200, abs=3)
    assert loudest_frequency(samples[1]) == pytest.approx(400, abs=3)


@pytest.mark.skipif(not SHARED_FORMATS, reason="the recordings in 22 formats are not on this machine")
@pytest.mark.parametrize("path", SHARED_FORMATS, ids=lambda path: path.name)
def test_formats_from_the_field(path: Path) -> None:
    """The same 20 s call in every container and codec met in the field."""
    found, samples, duration_ms = read(path)
    assert duration_ms == pytest.approx(20_000, abs=200)
    assert samples.shape == (found.channels, pytest.approx(20 * SAMPLE_RATE, abs=0.2 * SAMPLE_RATE))
    assert np.abs(samples).max() > 0.05


def test_headerless_mulaw(tmp_path: Path) -> None:
    """By its extension, or by being told: 8 kHz, one channel."""
    with wave.open(str(tone(tmp_path / "call.wav")), "rb") as file:
        pcm = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
    mulaw = np.zeros(len(pcm), dtype=np.uint8)
    magnitude = np.minimum(np.abs(pcm.astype(np.int32)), 32_635) + 132
    exponent = np.floor(np.log2(magnitude)).astype(np.int32) - 7
    mulaw = ~(((pcm < 0).astype(np.int32) << 7) | (exponent << 4) | ((magnitude >> (exponent + 3)) & 15)) & 0xFF
    data = mulaw.astype(np.uint8).tobytes()
    (tmp_path / "call.ulaw").write_bytes(data)
    (tmp_path / "call.bin").write_bytes(data)
    found, samples, duration_ms = read(tmp_path / "call.ulaw")
    assert (found.codec, found.channels, found.sample_rate, duration_ms) == ("pcm_mulaw", 1, 8_000, 2_000)
    assert loudest_frequency(samples[0]) == pytest.approx(200, abs=2)
    with open_audio(tmp_path / "call.bin", headerless="mulaw") as audio:
        assert np.array_equal(np.concatenate(list(audio.blocks()), axis=1), samples)
    with open_audio(tmp_path / "call.bin", name="from-the-recorder.ulaw") as audio:
        assert audio.format.codec == "pcm_mulaw"


def test_blocks_are_small(tmp_path: Path) -> None:
    """A long recording is never whole in memory: blocks are of a second or little more."""
    with open_audio(tone(tmp_path / "call.wav", seconds=30, channels=2)) as audio:
        assert max(block.shape[1] for block in audio.blocks()) <= 2 * SAMPLE_RATE


def test_a_truncated_recording_gives_what_there_is(tmp_path: Path) -> None:
    """The recorder died: its header promises more than the file holds."""
    whole = tone(tmp_path / "whole.wav").read_bytes()
    (tmp_path / "cut.wav").write_bytes(whole[: 44 + 16_000])
    _, samples, duration_ms = read(tmp_path / "cut.wav")
    assert duration_ms == 1_000
    assert samples.shape[1] == pytest.approx(SAMPLE_RATE, abs=2)


def test_damaged_packets_are_left_out(tmp_path: Path) -> None:
    """A damaged stretch costs its own words, not the call."""
    data = bytearray(encode(tmp_path / "whole.flac", "flac", rate=8_000).read_bytes())
    middle = len(data) // 2
    data[middle : middle + 400] = bytes(400)
    (tmp_path / "damaged.flac").write_bytes(data)
    with open_audio(tmp_path / "damaged.flac") as audio:
        assert sum(block.shape[1] for block in audio.blocks()) > SAMPLE_RATE // 2


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("notes.wav", b"the customer called at nine\n" * 50, "is text, not audio"),
        ("empty.wav", b"", "is empty"),
        ("header.wav", b"RIFF\xff\xff\xff\xffWAVEfmt \x10\x00", "header is cut off"),
        (
            "list.wav",
            b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n",
            "is a playlist, not audio",
        ),
        ("noise.wav", bytes(range(256)) * 50, "is not an audio file.* `format` is one of mulaw, alaw, slin"),
    ],
)
def test_what_is_no_recording_says_so(tmp_path: Path, name: str, data: bytes, reason: str) -> None:
    """A reason a person understands, naming the file and not the folder. A playlist opens nothing else."""
    (tmp_path / name).write_bytes(data)
    with pytest.raises(UnreadableAudio, match=reason) as caught:
        read(tmp_path / name)
    assert str(caught.value).startswith(name)
    assert str(tmp_path) not in str(caught.value)


def test_a_header_without_samples_is_unreadable(tmp_path: Path) -> None:
    """A recorder that began and wrote nothing."""
    with pytest.raises(UnreadableAudio, match="holds no audio"):
        read(tone(tmp_path / "nothing.wav", seconds=0))


def test_a_film_without_sound_is_unreadable(tmp_path: Path) -> None:
    """There is a stream, but none of audio."""
    with av.open(str(tmp_path / "film.mkv"), "w") as container:
        stream: Any = container.add_stream("mpeg4", rate=10, width=32, height=32)
        for _ in range(5):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), dtype=np.uint8), "rgb24")))
        container.mux(stream.encode(None))
    with pytest.raises(UnreadableAudio, match=r"film\.mkv holds no audio"):
        read(tmp_path / "film.mkv")


def test_a_missing_file_is_not_a_broken_recording(tmp_path: Path) -> None:
    """A disk that is away may come back: it is not the recording's fault."""
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "gone.wav")


def test_a_sample_call_is_two_channels() -> None:
    """The samples of the repository: mu-law, agent and customer apart."""
    found, samples, _ = read(sample_call())
    assert (found.codec, found.channels, found.sample_rate) == ("pcm_mulaw", 2, 8_000)
    assert abs(float(np.dot(*samples))) < 0.05 * float(np.linalg.norm(samples[0]) * np.linalg.norm(samples[1]))


def what_a_decoder_tells(path: Path) -> tuple[Kind, bytes]:
    """The first frame of it, decoded in this process."""
    reading, writing = os.pipe()
    with path.open("rb") as file:
        try:
            decoder_child.decode(file.fileno(), writing, name=path.name, headerless=None)
        except RuntimeError:
            pass
        finally:
            os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        kind, length = wire_format.read_header(pipe.read(wire_format.HEADER.size))
        return kind, pipe.read(length)


def test_no_error_of_the_library_passes_for_one_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it raises on damaged media, errors of the system's names among them: the recording is unreadable."""
    path = tone(tmp_path / "call.wav")
    for error in (
        av.error.PermissionError(1, "not permitted"),
        av.error.OSError(5, "input/output error"),
        av.error.ArgumentError(22, "invalid argument"),
        av.error.MemoryError(12, "cannot allocate"),
        KeyError("layout"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"),
        AttributeError("sample_rate"),
        OSError(38, "not implemented"),
    ):
        monkeypatch.setattr(track, "slices", raising(error))
        with pytest.raises(UnreadableAudio, match=r"call\.wav cannot be decoded"):
            read(path)


def test_an_error_of_ours_is_told_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A decoder that has a bug says so, for the log; the recording is not called broken."""
    monkeypatch.setattr(decoder_child, "read_audio", raising(RuntimeError("a bug")))
    assert what_a_decoder_tells(tone(tmp_path / "call.wav")) == (Kind.FAULT, b"RuntimeError('a bug')")


def test_a_file_that_cannot_be_read_is_told_as_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the disk's fault where a read fails, and there alone."""
    monkeypatch.setattr(decoder_child.File, "read", raising(OSError(5, "input/output error")))
    kind, payload = what_a_decoder_tells(tone(tmp_path / "call.wav"))
    assert (kind, wire_format.read_unread(payload)) == (Kind.UNREAD, 5)


def raising(error: Exception) -> Any:
    def function(*_arguments: Any, **_how: Any) -> Any:
        raise error

    return function
