"""Media that is made to do harm costs its recording, in bounded memory and time, and says why."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from steno_transcriber.audio.decoders import Decoders
from steno_transcriber.audio.errors import UnreadableAudio
from steno_transcriber.audio.samples import SLICE_VALUES
from steno_transcriber.speech import SAMPLE_RATE
from support import hostile_media


def refused(decoders: Decoders, path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(UnreadableAudio) as caught, decoders.open(path, name=path.name) as audio:
        for _ in audio.blocks():
            pass
    assert str(caught.value).startswith(path.name)
    return str(caught.value)


@pytest.mark.parametrize("rate", [1, 3_999, 655_350])
def test_a_flac_of_an_absurd_rate_is_refused(decoders: Decoders, tmp_path: Path, rate: int) -> None:
    """55 bytes that became 18 hours of sound: the rate stands in the reason."""
    content = hostile_media.flac(rate=rate)
    assert len(content) == 55
    assert f"{rate} samples a second; 4000 to 384000" in refused(decoders, tmp_path / "call.flac", content)


@pytest.mark.parametrize("rate", [1, 100, 384_001, 2_000_000_000])
def test_a_wav_of_an_absurd_rate_is_refused(decoders: Decoders, tmp_path: Path, rate: int) -> None:
    """Likewise."""
    assert f"{rate} samples a second" in refused(decoders, tmp_path / "call.wav", hostile_media.wav(rate=rate))


@pytest.mark.parametrize("rate", [0, 0xFFFF_FFFF])
def test_a_rate_that_no_number_is_for_is_named(decoders: Decoders, tmp_path: Path, rate: int) -> None:
    """What ffmpeg itself refuses is not called a broken header alone."""
    assert "sample rate" in refused(decoders, tmp_path / "call.wav", hostile_media.wav(rate=rate))


@pytest.mark.parametrize(("channels", "words"), [(65, "65 channels"), (512, "512 channels"), (65_535, "channels: 65535")])
def test_more_channels_than_anybody_has_are_refused(decoders: Decoders, tmp_path: Path, channels: int, words: str) -> None:
    """By their number."""
    assert words in refused(decoders, tmp_path / "call.wav", hostile_media.wav(channels=channels, bits=8))


@pytest.mark.parametrize(("tag", "shown"), [(0x0133, "0x0133"), (0x4242, "0x4242"), (0, "none")])
def test_a_codec_without_a_name_is_refused_by_its_tag(decoders: Decoders, tmp_path: Path, tag: int, shown: str) -> None:
    """244 bytes ended the transcriber."""
    reason = refused(decoders, tmp_path / "call.wav", hostile_media.wav(tag=tag, samples=bytes(200)))
    assert "codec that is not known" in reason
    assert shown in reason


@pytest.mark.parametrize("bits", [0, 7, 48, 65_535])
def test_a_sample_format_that_cannot_be_is_refused_or_read(decoders: Decoders, tmp_path: Path, bits: int) -> None:
    """Never an error of another kind."""
    (tmp_path / "call.wav").write_bytes(hostile_media.wav(bits=bits))
    try:
        with decoders.open(tmp_path / "call.wav", name="call.wav") as audio:
            assert sum(block.shape[1] for block in audio.blocks()) < 10 * SAMPLE_RATE
    except UnreadableAudio as error:
        assert "call.wav" in str(error)  # noqa: PT017 - it may as well be read


def test_a_table_of_billions_takes_no_memory(decoders: Decoders, tmp_path: Path) -> None:
    """433 bytes that claim 100 million samples took 3.6 GB: the decoder has 256 MiB, and the recording fails."""
    content = hostile_media.mp4(samples=100_000_000)
    assert len(content) < 500
    refused(decoders, tmp_path / "call.mp4", content)


def test_nested_atoms_and_empty_pages_are_refused(decoders: Decoders, tmp_path: Path) -> None:
    """Thousands of either."""
    refused(decoders, tmp_path / "call.mp4", hostile_media.mp4(samples=1, nested=5_000))
    refused(decoders, tmp_path / "call.ogg", hostile_media.ogg_pages(pages=50_000))


def test_a_wide_recording_comes_in_small_pieces(decoders: Decoders, tmp_path: Path) -> None:
    """64 channels at 384 kHz, the most there is: no piece is larger than any other recording's."""
    content = hostile_media.wav(rate=384_000, channels=64, samples=bytes(64 * 2 * 38_400))
    (tmp_path / "wide.wav").write_bytes(content)
    with decoders.open(tmp_path / "wide.wav", name="wide.wav") as audio:
        sizes = [block.size for block in audio.blocks()]
    assert audio.duration_ms == 100
    assert sum(sizes) == pytest.approx(64 * SAMPLE_RATE // 10, abs=64 * 10)
    assert max(sizes) <= 8 * SLICE_VALUES


def test_large_frames_come_in_small_pieces(decoders: Decoders, tmp_path: Path) -> None:
    """Frames of 8 seconds: blocks stay at about one, and none of the audio is lost."""
    (tmp_path / "call.flac").write_bytes(hostile_media.flac(frames=5))
    with decoders.open(tmp_path / "call.flac", name="call.flac") as audio:
        blocks = [block.shape[1] for block in audio.blocks()]
    assert sum(blocks) == 2 * 5 * 65_535
    assert max(blocks) <= 2 * SAMPLE_RATE


def test_a_name_from_outside_stays_a_name(decoders: Decoders, tmp_path: Path) -> None:
    """Escape sequences and ten thousand characters of it reach neither log nor reason."""
    (tmp_path / "file").write_bytes(b"no audio")
    with pytest.raises(UnreadableAudio) as caught, decoders.open(tmp_path / "file", name="x" * 10_000 + "\x1b[31m\n.wav"):
        pass
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 600


def test_nothing_is_left_to_be_imported(decoders: Decoders, tmp_path: Path) -> None:
    """A decoder cannot open what a kind of stream needs beyond audio: subtitles and video beside the sound."""
    with av.open(str(tmp_path / "film.mkv"), "w") as container:
        sound: Any = container.add_stream("pcm_s16le", rate=8_000, layout="mono")
        picture: Any = container.add_stream("mpeg4", rate=10, width=32, height=32)
        titles: Any = container.add_stream("ass")
        titles.codec_context.subtitle_header = b"[Script Info]\r\n"
        titles.time_base = Fraction(1, 1000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8_000), dtype=np.int16), "s16", "mono")
        frame.sample_rate = 8_000
        container.mux(sound.encode(frame))
        container.mux(picture.encode(av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), dtype=np.uint8), "rgb24")))
    with decoders.open(tmp_path / "film.mkv", name="film.mkv") as audio:
        assert sum(block.shape[1] for block in audio.blocks()) == SAMPLE_RATE
