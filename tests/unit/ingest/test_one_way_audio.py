"""Channels on which nobody is heard, told from the bytes of their codec."""

from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from steno_ingest.calls.log.account.one_way_audio import LOUD, Loudness, OneWayAudio

from steno.events.records import AudioCodec

NAMES = {AudioCodec.PCMU: "pcm_mulaw", AudioCodec.PCMA: "pcm_alaw", AudioCodec.S16LE: "pcm_s16le"}
CODECS = pytest.mark.parametrize("codec", list(NAMES))
CHUNK = 800


def encoded(samples: NDArray[np.int16], codec: AudioCodec) -> bytes:
    """Samples of one channel in a codec, by ffmpeg."""
    encoder: Any = av.CodecContext.create(NAMES[codec], "w")
    encoder.sample_rate, encoder.layout, encoder.format = 8000, "mono", "s16"
    frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
    frame.sample_rate = 8000
    return b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])


def interleaved(*channels: bytes, codec: AudioCodec) -> bytes:
    """The audio of several channels as a call has it."""
    size = codec.sample_bytes
    return b"".join(channel[at : at + size] for at in range(0, len(channels[0]), size) for channel in channels)


def tone(level: int) -> NDArray[np.int16]:
    """A chunk of a 400 Hz tone of so much amplitude."""
    return (level * np.sin(np.arange(CHUNK) * 2 * np.pi * 400 / 8000)).astype(np.int16)


@CODECS
def test_speech_is_heard_and_the_noise_of_a_line_is_not(codec: AudioCodec) -> None:
    """A tone of -36 dBFS on the one channel, of -48 dBFS on the other."""
    audio = interleaved(encoded(tone(2 * LOUD), codec), encoded(tone(LOUD // 2), codec), codec=codec)
    assert Loudness(codec, 2).heard(audio) == [True, False]


@CODECS
def test_a_click_is_nobody(codec: AudioCodec) -> None:
    """A single loud sample in a silent chunk."""
    samples = np.zeros(CHUNK, np.int16)
    samples[400] = 20_000
    audio = interleaved(encoded(samples, codec), encoded(tone(9000), codec), codec=codec)
    assert Loudness(codec, 2).heard(audio) == [False, True]


LOUDLY, SILENTLY = b"\x10" * CHUNK, b"\xff" * CHUNK


def told(pattern: str, *, after_chunks: int) -> list[tuple[int, int, int]]:
    """What is told of a call of two channels: (chunk, channel, since which chunk). A letter a chunk: who is heard."""
    one_way = OneWayAudio(AudioCodec.PCMU, 2, samples=after_chunks * CHUNK)
    found = []
    for number, who in enumerate(pattern):
        audio = interleaved(LOUDLY if who in "0b" else SILENTLY, LOUDLY if who in "1b" else SILENTLY, codec=AudioCodec.PCMU)
        for channel, since in one_way.add(number * CHUNK, CHUNK, audio):
            found.append((number, channel, since // CHUNK))
    return found


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("b" * 50, []),
        ("01" * 50, []),
        ("0" * 10, [(4, 1, 0)]),
        ("bbb" + "1" * 10, [(7, 0, 3)]),
        ("-" * 50, []),
        ("0000" + "-" * 50, []),
        ("0-" * 10, [(8, 1, 0)]),
        ("00000" + "b" + "00000", [(4, 1, 0), (10, 1, 6)]),
        ("0000" + "1" + "0000", []),
    ],
    ids=["both", "in turns", "one", "the other", "nobody", "on hold", "with pauses", "two spans", "just in time"],
)
def test_a_channel_is_told_once_for_each_span(pattern: str, expected: list[tuple[int, int, int]]) -> None:
    """Only the time counts in which the other is heard; told after five chunks of it."""
    assert told(pattern, after_chunks=5) == expected


def test_one_channel_has_no_other() -> None:
    """Silence of a mono call is silence."""
    one_way = OneWayAudio(AudioCodec.PCMU, 1, samples=1)
    assert list(one_way.add(0, CHUNK, SILENTLY)) == []
