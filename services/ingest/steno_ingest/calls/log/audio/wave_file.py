"""Writes the header of a WAVE file of telephone audio; the samples behind it stay in the codec they came in. Pure.

Sources: Microsoft and IBM, Multimedia Programming Interface and Data Specifications 1.0 (1991), RIFF WAVE; Microsoft, New
Multimedia Data Types and Data Techniques (1994), WAVEFORMATEX and the `fact` chunk of what is not PCM; RFC 2361, format tags.
"""

import struct

from steno.events.records import AudioCodec

FORMAT_TAGS = {AudioCodec.S16LE: 1, AudioCodec.PCMA: 6, AudioCodec.PCMU: 7}

# RIFF counts bytes in 32 bits; the longest header is 58 bytes, a padding byte may follow the data.
_MOST_DATA_BYTES = 2**32 - 1 - 64


def max_samples(codec: AudioCodec, channels: int) -> int:
    """Samples of one channel that a file can hold: 74 hours of two channels of G.711."""
    return _MOST_DATA_BYTES // (codec.sample_bytes * channels)


def wave_header(codec: AudioCodec, *, sample_rate: int, channels: int, samples: int) -> bytes:
    """The bytes in front of the samples.

    Args:
        samples: How many of one channel follow, interleaved with those of the others; a file of an odd number of bytes gets one
            more, see `padding`.

    Raises:
        ValueError: the file would be larger than the format can say, or the codec is not known.
    """
    if codec not in FORMAT_TAGS or samples > max_samples(codec, channels):
        raise ValueError(f"{samples} samples of {channels} channels of {codec} make no WAVE file")
    frame_bytes = codec.sample_bytes * channels
    shape = struct.pack(
        "<HHIIHH", FORMAT_TAGS[codec], channels, sample_rate, sample_rate * frame_bytes, frame_bytes, 8 * codec.sample_bytes
    )
    if codec is AudioCodec.S16LE:
        chunks = _chunk(b"fmt ", shape)
    else:
        chunks = _chunk(b"fmt ", shape + struct.pack("<H", 0)) + _chunk(b"fact", struct.pack("<I", samples))
    data_bytes = samples * frame_bytes
    riff_bytes = len(b"WAVE") + len(chunks) + 8 + data_bytes + data_bytes % 2
    return b"RIFF" + struct.pack("<I", riff_bytes) + b"WAVE" + chunks + b"data" + struct.pack("<I", data_bytes)


def padding(data_bytes: int) -> bytes:
    """What follows the samples: chunks begin at even places."""
    return b"\0" * (data_bytes % 2)


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content
