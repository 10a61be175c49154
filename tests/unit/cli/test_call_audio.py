"""Any recording becomes frames of a telephone's codec, its channels kept, in the time it takes to speak them."""

import math
import wave
from array import array
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import pytest

from steno.cli.clients.audio import UnplayableAudio, open_call_audio, paced
from steno.events.records import AudioCodec

SECONDS = 0.5


def tones(path: Path, *hertz: float, rate: int = 8000) -> Path:
    """A WAV of half a second with one tone a channel."""
    samples = array("h")
    for number in range(int(rate * SECONDS)):
        samples.extend(int(12_000 * math.sin(2 * math.pi * tone * number / rate)) for tone in hertz)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(hertz))
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())
    return path


def crossings(samples: list[int]) -> int:
    return sum(first < 0 <= second for first, second in pairwise(samples))


def decoded(data: bytes, codec: AudioCodec, channels: int) -> list[list[int]]:
    """The samples of each channel, decoded by ffmpeg."""
    name = {AudioCodec.PCMU: "pcm_mulaw", AudioCodec.PCMA: "pcm_alaw", AudioCodec.S16LE: "pcm_s16le"}[codec]
    context: Any = av.CodecContext.create(name, "r")
    context.sample_rate, context.layout = 8000, {1: "mono", 2: "stereo"}[channels]
    samples = array("h")
    for frame in [*context.decode(av.Packet(data)), *context.decode(None)]:
        samples.frombytes(bytes(frame.planes[0])[: frame.samples * channels * 2])
    return [list(samples[channel::channels]) for channel in range(channels)]


@pytest.mark.parametrize("codec", [AudioCodec.PCMU, AudioCodec.PCMA, AudioCodec.S16LE])
@pytest.mark.parametrize("sample_rate", [8000, 16000])
def test_the_channels_keep_their_places(tmp_path: Path, codec: AudioCodec, sample_rate: int) -> None:
    """440 Hz on the left and 880 Hz on the right come out there, whatever the codec and the rate."""
    audio = open_call_audio(tones(tmp_path / "a.wav", 440, 880), codec=codec, sample_rate=sample_rate)
    data = b"".join(audio.frames(20))
    left, right = decoded(data, codec, 2)
    assert abs(len(left) - sample_rate * SECONDS) <= sample_rate * 0.005
    assert crossings(left) == pytest.approx(440 * SECONDS, abs=2)
    assert crossings(right) == pytest.approx(880 * SECONDS, abs=2)
    assert max(left) == pytest.approx(12_000, rel=0.1)


def test_frames_have_the_length_that_was_asked_for(tmp_path: Path) -> None:
    """All frames but the last one are whole, and nothing is lost between them."""
    audio = open_call_audio(tones(tmp_path / "a.wav", 440, 880))
    sizes = [len(frame) for frame in audio.frames(30)]
    assert sizes == [480] * 16 + [320]
    assert sum(sizes) == audio.bytes_of(SECONDS * 1000)


def test_a_telephones_own_audio_is_not_touched(tmp_path: Path) -> None:
    """Headerless µ-law comes out byte for byte."""
    data = bytes(byte for byte in range(256) if byte != 0x7F) * 4
    (tmp_path / "a.ulaw").write_bytes(data)
    assert b"".join(open_call_audio(tmp_path / "a.ulaw").frames(20)) == data


@pytest.mark.parametrize("codec", [AudioCodec.PCMU, AudioCodec.PCMA, AudioCodec.S16LE])
def test_silence_is_what_the_codec_says(tmp_path: Path, codec: AudioCodec) -> None:
    """A sample of zero is the codec's byte of silence."""
    audio = open_call_audio(tones(tmp_path / "a.wav", 0), codec=codec)
    data = b"".join(audio.frames(20))
    assert data == codec.silence * (len(data) // codec.sample_bytes)


@pytest.mark.parametrize("content", [b"", b"not audio at all" * 100])
def test_what_is_no_audio_is_told(tmp_path: Path, content: bytes) -> None:
    """A file that cannot be played is named."""
    (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises(UnplayableAudio, match=r"a\.wav"):
        open_call_audio(tmp_path / "a.wav")
    with pytest.raises(UnplayableAudio, match="absent"):
        open_call_audio(tmp_path / "absent.wav")


@pytest.mark.parametrize(("speed", "lasts"), [(1, 2.0), (4, 0.5)])
async def test_frames_come_when_they_were_spoken(speed: float, lasts: float) -> None:
    """A hundred frames of 20 ms take two seconds, or a part of it."""
    now = 0.0

    async def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    at = [now async for _ in paced([b""] * 100, seconds=0.02, speed=speed, clock=lambda: now, sleep=sleep)]
    assert at == pytest.approx([0.02 * number / speed for number in range(1, 101)])
    assert now == pytest.approx(lasts)


async def test_what_was_held_up_follows_at_once() -> None:
    """A stall is made up for: the call does not end later than it would have."""
    now = 0.0

    async def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    def frames() -> Iterator[bytes]:
        nonlocal now
        for number in range(100):
            now += 0.5 if number == 10 else 0
            yield b""

    async for _ in paced(frames(), seconds=0.02, clock=lambda: now, sleep=sleep):
        pass
    assert now == pytest.approx(2.0)
