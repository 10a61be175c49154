"""Writes the header of a WAVE file of telephone audio, whose samples stay in their codec. Pure.

Sources: Microsoft and IBM, Multimedia Programming Interface and Data Specifications 1.0 (1991), RIFF WAVE; Microsoft, New
Multimedia Data Types and Data Techniques (1994), WAVEFORMATEX and the `fact` chunk of non-PCM formats; RFC 2361, format tags.
"""

import struct

from steno.events.records import AudioCodec

FORMAT_TAGS = {AudioCodec.S16LE: 1, AudioCodec.PCMA: 6, AudioCodec.PCMU: 7}

# RIFF counts bytes in 32 bits; the longest header is 58 bytes, a padding byte may follow the data.
_MOST_DATA_BYTES = 2**32 - 1 - 64


def max_samples(codec: AudioCodec, channels: int) -> int:
    """Returns the maximum number of samples per channel of a file: 74 hours for two channels of G.711."""
    return _MOST_DATA_BYTES // (codec.sample_bytes * channels)


def wave_header(codec: AudioCodec, *, sample_rate: int, channels: int, samples: int) -> bytes:
    """Returns the header of a file.

    Args:
        samples: The number of samples per channel that follow; see also `padding`.

    Raises:
        ValueError: the file would be too large for the format, or the codec is not supported.
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
    """Returns the bytes after the samples: chunks must begin at even offsets."""
    return b"\0" * (data_bytes % 2)


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content
