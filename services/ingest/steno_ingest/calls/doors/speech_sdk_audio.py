"""Reads the audio of a Speech SDK client: a RIFF header, then samples without an end. Pure.

G.711 at 8 kHz and linear 16-bit audio at 8 or 16 kHz go on as they came. Everything else becomes linear 16-bit audio at 16 kHz.
"""

import struct
from collections.abc import Iterator
from typing import Protocol

import numpy as np
import numpy.typing as npt

from steno.events.records import AudioCodec
from steno_ingest.calls.doors.audio_format import AudioFormat

_PCM, _A_LAW, _MU_LAW, _G722, _EXTENSIBLE = 0x0001, 0x0006, 0x0007, 0x028F, 0xFFFE
"""Format tags of `WAVEFORMATEX` (Microsoft's mmreg.h); 0x028F is what the SDK writes for G.722."""

_MOST_HEADER_BYTES = 4096
_MOST_CHANNELS = 8
_RATES = range(4_000, 192_001)
_RATE = 16_000


class BadAudio(Exception):
    """The header is not one that can be read, or says a format that is not supported; the text says which."""


class Conversion(Protocol):
    """Converts the audio of a client to that of its call."""

    def convert(self, audio: bytes) -> bytes:
        """Converts the next audio: whole sample frames, channels interleaved."""

    def finish(self) -> bytes:
        """Returns the rest, at the end of the audio."""


class _Unchanged:
    def convert(self, audio: bytes) -> bytes:
        return audio

    def finish(self) -> bytes:
        return b""


class SdkAudio:
    """The audio of one turn."""

    def __init__(self) -> None:
        self._head = bytearray()
        self._rest = b""
        self._conversion: Conversion | None = None
        self._frame_bytes = 1
        #: The format of the call's audio, and its channels, once the header was read.
        self.format: AudioFormat | None = None
        self.channels = 0

    def add(self, data: bytes) -> bytes:
        """Adds the next bytes, and returns the audio in them, in whole sample frames of `format`.

        Raises:
            BadAudio: the header cannot be read, or its format is not supported.
        """
        if self._conversion is None:
            self._head += data
            found = _find_data(bytes(self._head))
            if found is None:
                if len(self._head) > _MOST_HEADER_BYTES:
                    raise BadAudio(f"the RIFF header of the audio does not end within {_MOST_HEADER_BYTES} bytes")
                return b""
            described, begin = found
            self._set_format(described)
            data = bytes(self._head[begin:])
            self._head.clear()
        assert self._conversion is not None
        data = self._rest + data
        whole = len(data) - len(data) % self._frame_bytes
        self._rest = data[whole:]
        return self._conversion.convert(data[:whole])

    def finish(self) -> bytes:
        """Ends the audio, and returns the rest of it. A part of a sample frame is dropped."""
        return b"" if self._conversion is None else self._conversion.finish()

    def _set_format(self, described: bytes) -> None:
        tag, channels, rate, _, _, bits = struct.unpack("<HHIIHH", described[:16])
        if tag == _EXTENSIBLE and len(described) >= 26:
            tag = struct.unpack("<H", described[24:26])[0]
        if not 1 <= channels <= _MOST_CHANNELS or rate not in _RATES:
            raise BadAudio(f"the RIFF header says {channels} channels at {rate} Hz; there are 1 to 8 channels at 4 to 192 kHz")
        self.channels = channels
        codec = {_MU_LAW: AudioCodec.PCMU, _A_LAW: AudioCodec.PCMA}.get(tag)
        if codec is not None and rate == 8000:
            self._use(AudioFormat(codec, rate), _Unchanged(), channels)
        elif tag == _PCM and bits == 16 and rate in (8000, _RATE):
            self._use(AudioFormat(AudioCodec.S16LE, rate), _Unchanged(), 2 * channels)
        elif tag == _PCM and bits in (8, 16):
            self._use(AudioFormat(AudioCodec.S16LE, _RATE), _Resampled(bits, rate, channels), bits // 8 * channels)
        elif tag == _G722 and channels == 1 and rate == _RATE:
            self._use(AudioFormat(AudioCodec.S16LE, _RATE), _Wideband(), 1)
        else:
            raise BadAudio(
                f"the audio is {bits}-bit of format {tag:#06x} at {rate} Hz in {channels} channels; send linear audio of 8 "
                "or 16 bits, A-law or mu-law at 8000 Hz, or G.722 in one channel"
            )

    def _use(self, used: AudioFormat, conversion: Conversion, frame_bytes: int) -> None:
        self.format, self._conversion, self._frame_bytes = used, conversion, frame_bytes


class _Resampled:
    """Linear audio of another rate or of 8 bits, which are unsigned."""

    def __init__(self, bits: int, rate: int, channels: int) -> None:
        # Few clients need it, and it takes a while to load.
        import soxr

        self._type = "<i2" if bits == 16 else "u1"
        self._channels = channels
        self._stream = None if rate == _RATE else soxr.ResampleStream(rate, _RATE, channels, dtype="int16")

    def convert(self, audio: bytes) -> bytes:
        samples = np.frombuffer(audio, dtype=self._type).reshape(-1, self._channels)
        if self._type == "u1":
            samples = (samples.astype("<i2") - 128) * 256
        return self._resample(samples.astype("<i2"), last=False)

    def finish(self) -> bytes:
        return self._resample(np.zeros((0, self._channels), dtype="<i2"), last=True)

    def _resample(self, samples: npt.NDArray[np.int16], *, last: bool) -> bytes:
        if self._stream is None:
            return samples.tobytes()
        found: npt.NDArray[np.int16] = self._stream.resample_chunk(samples, last=last)
        return found.astype("<i2").tobytes()


class _Wideband:
    """G.722 at 64 kbit/s (ITU-T G.722), two samples a byte."""

    def __init__(self) -> None:
        import G722  # as `_Resampled`

        self._decoder = G722.G722(_RATE, 64_000)

    def convert(self, audio: bytes) -> bytes:
        return np.asarray(self._decoder.decode(audio), dtype="<i2").tobytes()

    def finish(self) -> bytes:
        return b""


def _find_data(head: bytes) -> tuple[bytes, int] | None:
    """Returns the content of the `fmt ` chunk and where the samples begin; None if more bytes are needed.

    The sizes of the file and of its samples are not read: a client that streams does not know them.
    """
    if len(head) < 12:
        if not b"RIFF".startswith(head[:4]):
            raise _not_riff()
        return None
    if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        raise _not_riff()
    described = b""
    for name, begin, size in _chunks(head):
        if name == b"data":
            if len(described) < 16:
                raise BadAudio("the RIFF header of the audio does not say its format before its samples")
            return described, begin
        if name == b"fmt " and len(head) >= begin + size:
            described = head[begin : begin + size]
    return None


def _chunks(head: bytes) -> Iterator[tuple[bytes, int, int]]:
    """The chunks of a RIFF file as far as it has come: name, begin and size; chunks begin at even places."""
    at = 12
    while at + 8 <= len(head):
        size = int.from_bytes(head[at + 4 : at + 8], "little")
        yield head[at : at + 4], at + 8, size
        at += 8 + size + size % 2


def _not_riff() -> BadAudio:
    return BadAudio("the audio of a turn does not begin with a RIFF header")
