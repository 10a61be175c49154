"""The header of recordings, read by a library that was not asked when it was written."""

from io import BytesIO
from pathlib import Path

import av
import pytest
from steno_ingest.calls.log.audio.wave_file import max_samples, padding, wave_header

from steno.events.records import AudioCodec

NAMES = {AudioCodec.PCMU: "pcm_mulaw", AudioCodec.PCMA: "pcm_alaw", AudioCodec.S16LE: "pcm_s16le"}
CODECS = pytest.mark.parametrize("codec", list(NAMES))


def a_file(codec: AudioCodec, *, channels: int, samples: int, rate: int = 8000) -> bytes:
    data = codec.silence * (samples * channels)
    return wave_header(codec, sample_rate=rate, channels=channels, samples=samples) + data + padding(len(data))


@CODECS
@pytest.mark.parametrize("channels", [1, 2, 5])
@pytest.mark.parametrize("rate", [8000, 16000])
def test_ffmpeg_reads_what_the_header_says(codec: AudioCodec, channels: int, rate: int) -> None:
    """Codec, channels, rate and length; silence is decoded to nothing but zeros."""
    content = a_file(codec, channels=channels, samples=801, rate=rate)
    with av.open(BytesIO(content), mode="r") as container:
        stream = container.streams.audio[0]
        found = (stream.codec_context.name, stream.codec_context.channels, stream.codec_context.sample_rate)
        decoded = [frame.to_ndarray() for frame in container.decode(stream)]
    assert found == (NAMES[codec], channels, rate)
    assert sum(block.size for block in decoded) == 801 * channels
    # A-law has no zero: its smallest value is 8 of 32768.
    assert max(abs(int(block.min())) for block in decoded) <= 8


@CODECS
def test_the_sizes_in_the_header_are_those_of_the_file(codec: AudioCodec, tmp_path: Path) -> None:
    """RIFF and data each say how many bytes follow, and the file has an even number of them."""
    content = a_file(codec, channels=1, samples=801)
    assert len(content) % 2 == 0
    assert int.from_bytes(content[4:8], "little") == len(content) - 8
    at = content.index(b"data")
    assert int.from_bytes(content[at + 4 : at + 8], "little") == 801 * codec.sample_bytes


def test_more_than_four_gigabytes_is_no_wave_file() -> None:
    """74 hours of two channels of G.711 go in; one sample more is refused, not written wrongly."""
    most = max_samples(AudioCodec.PCMU, 2)
    assert most // 8000 // 3600 == 74
    wave_header(AudioCodec.PCMU, sample_rate=8000, channels=2, samples=most)
    with pytest.raises(ValueError, match="no WAVE file"):
        wave_header(AudioCodec.PCMU, sample_rate=8000, channels=2, samples=most + 1)
