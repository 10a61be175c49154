"""The names by which doors know recordings, and the formats that the decoder opens: one list for both."""

import av
import pytest
from steno_transcriber.audio.decode import CONTAINERS

from steno.audio_files import is_audio_name

# Pictures, subtitles and descriptions of streams, which are in formats that may hold audio, too.
NO_AUDIO = {"avif", "heic", "heif", "ism", "mj2", "psp", "mks"}
# ffmpeg knows these formats by their content alone.
UNNAMED = {
    "aiff": "aiff", "amr": "amr", "amrnb": "amr", "amrwb": "awb", "asf": "wma", "au": "au", "caf": "caf", "ilbc": "ilbc",
    "mpeg": "mpg", "mpegts": "ts", "s16be": "l16", "sox": "sox", "voc": "voc", "w64": "w64", "wav": "wav", "wv": "wv",
    # Bits a sample are told by nothing: it is read where its content tells, in a WAV say.
    "g726": "wav",
}  # fmt: skip


@pytest.mark.parametrize("name", CONTAINERS.split(","))
def test_whatever_the_decoder_opens_is_called_like_a_recording(name: str) -> None:
    """By each suffix that ffmpeg has for the format, or by one that is usual."""
    suffixes = set(av.ContainerFormat(name, "r").extensions) - NO_AUDIO or {UNNAMED[name]}
    assert [suffix for suffix in sorted(suffixes) if not is_audio_name(f"a.{suffix}")] == []
