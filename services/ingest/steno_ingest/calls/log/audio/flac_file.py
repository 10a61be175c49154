"""Writes telephone audio as a FLAC file, for calls with much silence, a minute of which takes a few bytes.

Imports no adapter.

A WAVE file contains every sample of silence, so a call that was paused for hours becomes a file of hundreds of megabytes. In
FLAC a block of equal samples is stored as one value and a length (a constant subframe), and audio is stored uncompressed (a
verbatim subframe): the same samples at the same times, playable everywhere. G.711 is stored as 16-bit linear samples, twice
its size, so this format is used only if more than half of a file is silence.

Source: RFC 9639, Free Lossless Audio Codec.
"""

import asyncio
import sys
from array import array
from collections.abc import AsyncIterator, Iterator
from functools import cache

from steno.events.records import AudioCodec
from steno.g711 import LINEAR_VALUES
from steno_ingest.calls.log.audio.pieces import Shape

_LEAST_BLOCK, _MOST_BLOCK = 16, 65_535  # RFC 9639 §8.2; the last block may be shorter
_AUDIO_BLOCK = 4096
_RATES = {8000: 4, 16000: 5}  # §9.1.2
_SIXTEEN_BITS = 4 << 1  # §9.1.4
_CONSTANT, _VERBATIM = b"\x00", b"\x02"  # §9.2.1
_SYNC = b"\xff\xf9"  # §9.1: variable block size
_BLOCK_SIZE_FOLLOWS = 7 << 4  # §9.1.1: the block size minus one follows in 16 bits

Silence = int
"""A number of silent samples on all channels."""


async def flac(shape: Shape, samples: int, parts: AsyncIterator[bytes | Silence]) -> AsyncIterator[bytes]:
    """Gives a FLAC file in blocks.

    Args:
        samples: The number of samples per channel.
        parts: The samples: interleaved audio, or a length of silence.
    """
    yield _stream_info(shape, samples)
    writer = _Writer(shape)
    async for part in parts:
        found = writer.silence(part) if isinstance(part, int) else writer.audio(part)
        for block in found:
            yield block
            # The checksum of a block takes a millisecond, so other tasks run in between.
            await asyncio.sleep(0)
    for block in writer.end():
        yield block


def _stream_info(shape: Shape, samples: int) -> bytes:
    """§8.2: block sizes, sample format, number of samples; without frame sizes and digest."""
    form = shape.sample_rate << 44 | (shape.channels - 1) << 41 | 15 << 36 | samples
    blocks = _LEAST_BLOCK.to_bytes(2, "big") + _MOST_BLOCK.to_bytes(2, "big")
    return b"fLaC" + b"\x80" + (34).to_bytes(3, "big") + blocks + bytes(6) + form.to_bytes(8, "big") + bytes(16)


class _Writer:
    """The frames of a file."""

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self._position = 0
        #: Audio that is not written as a frame yet.
        self._audio = bytearray()
        #: The silence after it.
        self._silent = 0

    def audio(self, data: bytes) -> Iterator[bytes]:
        """Adds audio."""
        yield from self._quiet()
        self._audio += data
        size = _AUDIO_BLOCK * self._shape.frame_bytes
        # At least the minimum size of a block is kept, for a block before the next silence.
        while len(self._audio) >= size + _LEAST_BLOCK * self._shape.frame_bytes:
            yield self._verbatim(bytes(self._audio[:size]))
            del self._audio[:size]

    def silence(self, samples: Silence) -> Iterator[bytes]:
        """Adds silence."""
        self._silent += samples
        yield from ()

    def end(self) -> Iterator[bytes]:
        """Gives the last frames."""
        yield from self._quiet(last=True)
        if self._audio:
            yield self._verbatim(bytes(self._audio))

    def _quiet(self, *, last: bool = False) -> Iterator[bytes]:
        """Gives the silence as blocks; short silence, or silence that fills up a block of audio, becomes audio."""
        shape = self._shape
        missing = max(0, _LEAST_BLOCK - len(self._audio) // shape.frame_bytes) if self._audio else 0
        if self._silent < missing + _LEAST_BLOCK:
            self._audio += shape.silence(self._silent)
            self._silent = 0
            return
        if self._audio:
            self._audio += shape.silence(missing)
            self._silent -= missing
            yield self._verbatim(bytes(self._audio))
            self._audio.clear()
        while self._silent >= _LEAST_BLOCK or (last and self._silent):
            samples = min(self._silent, _MOST_BLOCK)
            value = _linear(shape.silence(1), shape)[0]
            yield self._frame(samples, [_CONSTANT + value] * shape.channels)
            self._silent -= samples
        self._audio += shape.silence(self._silent)
        self._silent = 0

    def _verbatim(self, audio: bytes) -> bytes:
        channels = _linear(audio, self._shape)
        return self._frame(len(channels[0]) // 2, [_VERBATIM + channel for channel in channels])

    def _frame(self, samples: int, subframes: list[bytes]) -> bytes:
        """§9: header, a subframe for each channel, and two checksums."""
        header = _SYNC + bytes(
            (_BLOCK_SIZE_FOLLOWS | _RATES[self._shape.sample_rate], (self._shape.channels - 1) << 4 | _SIXTEEN_BITS)
        )
        header += _coded_number(self._position) + (samples - 1).to_bytes(2, "big")
        frame = b"".join((header, _crc8(header).to_bytes(1, "big"), *subframes))
        self._position += samples
        return frame + _crc16(frame).to_bytes(2, "big")


def _linear(audio: bytes, shape: Shape) -> list[bytes]:
    """Returns the samples of each channel, 16-bit linear, most significant byte first."""
    channels = []
    for channel in range(shape.channels):
        if shape.codec is AudioCodec.S16LE:
            step = 2 * shape.channels
            high, low = audio[2 * channel + 1 :: step], audio[2 * channel :: step]
        else:
            codes = audio[channel :: shape.channels]
            highs, lows = _tables(shape.codec)
            high, low = codes.translate(highs), codes.translate(lows)
        samples = bytearray(2 * len(high))
        samples[0::2], samples[1::2] = high, low
        channels.append(bytes(samples))
    return channels


@cache
def _tables(codec: AudioCodec) -> tuple[bytes, bytes]:
    """Returns the upper and lower bytes of the linear value of each code."""
    pairs = [value.to_bytes(2, "big", signed=True) for value in LINEAR_VALUES[codec]]
    return bytes(pair[0] for pair in pairs), bytes(pair[1] for pair in pairs)


def _coded_number(number: int) -> bytes:
    """§9.1.5: encoded like UTF-8, up to 36 bits."""
    if number < 0x80:
        return bytes((number,))
    following = []
    lead, room = 0x80, 0x40
    while number >= room:
        following.append(0x80 | number & 0x3F)
        number >>= 6
        lead |= room
        room >>= 1
    return bytes((lead & 0xFF | number, *reversed(following)))


@cache
def _crc8_table() -> bytes:
    return bytes(_remainder(byte, bits=8, polynomial=0x07) for byte in range(256))


@cache
def _crc16_table() -> "array[int]":
    """The remainders of two bytes at once, for speed."""
    return array("H", (_remainder(pair, bits=16, polynomial=0x8005) for pair in range(1 << 16)))


def _remainder(value: int, *, bits: int, polynomial: int) -> int:
    """Returns the CRC remainder of eight or sixteen bits (§9.1.8, §9.3)."""
    top, mask = 1 << (bits - 1), (1 << bits) - 1
    for _ in range(bits):
        value = (value << 1 ^ polynomial if value & top else value << 1) & mask
    return value


def _crc8(data: bytes) -> int:
    table, crc = _crc8_table(), 0
    for byte in data:
        crc = table[crc ^ byte]
    return crc


def _crc16(data: bytes) -> int:
    # A leading zero does not change the result.
    pairs = array("H", data if len(data) % 2 == 0 else b"\0" + data)
    if sys.byteorder == "little":
        pairs.byteswap()
    table, crc = _crc16_table(), 0
    for pair in pairs:
        crc = table[crc ^ pair]
    return crc
