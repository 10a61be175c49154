"""Chooses how ffmpeg opens audio without a header: by a demuxer and a rate, or with a header put before it. Pure."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

from steno.audio_files import Headerless


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """How ffmpeg opens a file; by default as it detects itself."""

    demuxer: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    #: What is to stand before the file.
    header: bytes = b""


_LINEAR = {
    Headerless.SLIN: 8_000,
    Headerless.SLIN12: 12_000,
    Headerless.SLIN16: 16_000,
    Headerless.SLIN24: 24_000,
    Headerless.SLIN32: 32_000,
    Headerless.SLIN44: 44_100,
    Headerless.SLIN48: 48_000,
}
_DIALOGIC = {Headerless.VOX: 8_000, Headerless.VOX6: 6_000}
_DEMUXERS = {
    Headerless.G722: "g722",
    Headerless.G723: "g723_1",
    Headerless.G729: "g729",
    Headerless.GSM: "gsm",
}


def choose_opening(coding: Headerless, size: int) -> Opening:
    """Chooses how a file of a coding and a size in bytes is opened."""
    if coding in _DIALOGIC:  # which ffmpeg decodes, but looks for in files with a header alone
        return Opening(demuxer="wav", header=_wav_header(_DIALOGIC[coding], size))
    if coding in _DEMUXERS:
        return Opening(demuxer=_DEMUXERS[coding])
    if coding in _LINEAR:
        return _raw("s16le", _LINEAR[coding])
    return _raw({Headerless.L16: "s16be"}.get(coding, coding.value), 8_000)


def _raw(demuxer: str, sample_rate: int) -> Opening:
    return Opening(demuxer=demuxer, options={"sample_rate": str(sample_rate), "ch_layout": "mono"})


_WAVE_FORMAT_DIALOGIC_OKI_ADPCM = 0x17
"""RFC 2361, A.14: four bits a sample."""


def _wav_header(sample_rate: int, size: int) -> bytes:
    size = min(size, 2**32 - 64)
    shape = struct.pack("<HHIIHH", _WAVE_FORMAT_DIALOGIC_OKI_ADPCM, 1, sample_rate, sample_rate // 2, 1, 4)
    head = struct.pack("<4sI4s4sI", b"RIFF", size + 36, b"WAVE", b"fmt ", len(shape))
    return head + shape + struct.pack("<4sI", b"data", size)
