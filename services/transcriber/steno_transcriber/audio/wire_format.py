"""The format in which a decoder process sends audio to the transcriber: frames of kind, length and content. Pure.

A decoder that was taken over by hostile media can write anything. So nothing is unpickled, each kind has a bound on its length,
and all content is validated like any input from outside.

| kind | bytes |
|---|---|
| FORMAT | channels, samples per second, then the names of container and codec |
| BLOCK | samples decoded so far, then 16 kHz samples, channel after channel |
| END | samples decoded, and what was wrong with the recording |
| REFUSED | a reason for a person |
| UNREAD | the number of the error with which the file could not be read |
| FAULT | an error of ours, for the log |
"""

import math
import struct
from dataclasses import astuple, dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

Block = npt.NDArray[np.float32]
"""Samples of all channels at 16 kHz in [-1, 1], shape (channels, samples)."""

LEAST_RATE, MOST_RATE = 4_000, 384_000
"""Samples per second of what is audio of people: half a telephone's rate, and twice the highest of studios."""

MOST_CHANNELS = 64

HEADER = struct.Struct("<BI")
_FORMAT = struct.Struct("<II")
_BLOCK = struct.Struct("<Q")
_END = struct.Struct("<QQQII")
_UNREAD = struct.Struct("<i")

_NAME_BYTES = 100
_REASON_BYTES = 2_000
MOST_BLOCK_VALUES = 1 << 21
"""Values of a block, 8 MiB of them."""


class Kind(IntEnum):
    """The kind of a frame."""

    FORMAT = 1
    BLOCK = 2
    END = 3
    REFUSED = 4
    UNREAD = 5
    FAULT = 6


_MOST_BYTES = {
    Kind.FORMAT: _FORMAT.size + _NAME_BYTES,
    Kind.BLOCK: _BLOCK.size + 4 * MOST_BLOCK_VALUES,
    Kind.END: _END.size,
    Kind.REFUSED: _REASON_BYTES,
    Kind.UNREAD: _UNREAD.size,
    Kind.FAULT: _REASON_BYTES,
}


class MalformedFrame(ValueError):
    """A decoder wrote something that is not a frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioFormat:
    """The format of a file: container and codec by ffmpeg's names, channels, samples per second."""

    container: str
    codec: str
    channels: int
    sample_rate: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaws:
    """The flaws of a recording that could be decoded nevertheless."""

    damaged_ms: int = 0
    """Silence in place of what could not be decoded; of several tracks, of the one with most."""
    missing_ms: int = 0
    """Silence where its container says that there is none of it."""
    changes: int = 0
    """How often its rate or channels changed."""
    left_out: int = 0
    """Audio tracks that were not decoded."""

    @classmethod
    def of_tracks(cls, tracks: "list[Flaws]", *, left_out: int) -> "Flaws":
        """Combines the flaws of tracks of a recording, of which others were left out."""
        return cls(
            damaged_ms=max(track.damaged_ms for track in tracks),
            missing_ms=max(track.missing_ms for track in tracks),
            changes=sum(track.changes for track in tracks),
            left_out=left_out,
        )


def format_fault(channels: int, sample_rate: int) -> str:
    """What is wrong with a number of channels and a sample rate; empty where nothing is."""
    if not LEAST_RATE <= sample_rate <= MOST_RATE:
        return f"says {sample_rate} samples a second; {LEAST_RATE} to {MOST_RATE} are decoded"
    if not 1 <= channels <= MOST_CHANNELS:
        return f"says {channels} channels; 1 to {MOST_CHANNELS} are decoded"
    return ""


def read_header(data: bytes) -> tuple[Kind, int]:
    """Decodes the kind of a frame and the length of its content.

    Raises:
        MalformedFrame: there is no such kind, or the length is not allowed for it.
    """
    number, length = HEADER.unpack(data)
    if number not in _MOST_BYTES:
        raise MalformedFrame(f"there is no frame of kind {number}")
    kind = Kind(number)
    if length > _MOST_BYTES[kind]:
        raise MalformedFrame(f"a frame of kind {kind.name} has {_MOST_BYTES[kind]} bytes at most, not {length}")
    return kind, length


def pack_format(audio_format: AudioFormat) -> bytes:
    """Encodes a frame FORMAT."""
    names = f"{audio_format.container}\0{audio_format.codec}".encode()[:_NAME_BYTES]
    return _frame(Kind.FORMAT, _FORMAT.pack(audio_format.channels, audio_format.sample_rate) + names)


def pack_block(decoded_samples: int, block: Block) -> tuple[bytes, memoryview]:
    """Encodes a frame BLOCK, in two parts so that the samples are not copied."""
    if block.size > MOST_BLOCK_VALUES:
        raise ValueError(f"a block has {MOST_BLOCK_VALUES} values at most, not {block.size}")
    values = np.ascontiguousarray(block, dtype="<f4").reshape(-1).view(np.uint8).data
    return HEADER.pack(Kind.BLOCK, _BLOCK.size + len(values)) + _BLOCK.pack(decoded_samples), values


def pack_end(decoded_samples: int, flaws: Flaws) -> bytes:
    """Encodes a frame END."""
    return _frame(Kind.END, _END.pack(decoded_samples, *astuple(flaws)))


def pack_refusal(reason: str, kind: Kind = Kind.REFUSED) -> bytes:
    """Encodes a frame REFUSED or FAULT; a long reason is cut."""
    return _frame(kind, reason.encode(errors="replace")[:_REASON_BYTES])


def pack_unread(error_number: int) -> bytes:
    """Encodes a frame UNREAD."""
    return _frame(Kind.UNREAD, _UNREAD.pack(error_number))


def read_format(payload: bytes | bytearray) -> AudioFormat:
    """Decodes the content of a frame FORMAT.

    Raises:
        MalformedFrame: it is not valid.
    """
    if len(payload) < _FORMAT.size:
        raise MalformedFrame(f"a format has {_FORMAT.size} bytes at least, not {len(payload)}")
    channels, sample_rate = _FORMAT.unpack_from(payload)
    wrong = format_fault(channels, sample_rate)
    if wrong:
        raise MalformedFrame(f"a format {wrong}")
    container, _, codec = _text(payload[_FORMAT.size :]).partition("\0")
    return AudioFormat(container=printable(container), codec=printable(codec), channels=channels, sample_rate=sample_rate)


def read_block(payload: bytearray, channels: int) -> tuple[int, Block]:
    """Decodes the content of a frame BLOCK: samples decoded so far, and the samples themselves.

    Raises:
        MalformedFrame: it is not valid.
    """
    values = len(payload) - _BLOCK.size
    if values <= 0 or values % (4 * channels):
        raise MalformedFrame(f"{len(payload)} bytes are no block of {channels} channels")
    (decoded_samples,) = _BLOCK.unpack_from(payload)
    block: Block = np.frombuffer(payload, dtype="<f4", offset=_BLOCK.size).reshape(channels, -1)
    # A sum is not finite if a value is not; numbers beyond sense are no sound either.
    if not math.isfinite(loudest := float(np.abs(block).max())) or loudest > LOUDEST:
        raise MalformedFrame("a block holds what is no sound")
    return decoded_samples, block


LOUDEST = 1_000.0
"""What no sample is above: resampling overshoots full scale by a little, never by so much."""


def read_end(payload: bytes | bytearray, sample_rate: int) -> tuple[int, Flaws]:
    """Decodes the content of a frame END: samples decoded, and the flaws.

    Raises:
        MalformedFrame: it is not valid.
    """
    if len(payload) != _END.size:
        raise MalformedFrame(f"an end has {_END.size} bytes, not {len(payload)}")
    decoded_samples, damaged_ms, missing_ms, changes, left_out = _END.unpack(payload)
    if max(damaged_ms, missing_ms) > decoded_samples * 1000 // sample_rate + 1:
        raise MalformedFrame("more is said to be silence than there is")
    return decoded_samples, Flaws(damaged_ms=damaged_ms, missing_ms=missing_ms, changes=changes, left_out=left_out)


def read_refusal(payload: bytes | bytearray) -> str:
    """Decodes the content of a frame REFUSED or FAULT, as printable text."""
    return printable(_text(payload)) or "the recording cannot be decoded"


def read_unread(payload: bytes | bytearray) -> int:
    """Decodes the content of a frame UNREAD.

    Raises:
        MalformedFrame: it is not valid.
    """
    if len(payload) != _UNREAD.size:
        raise MalformedFrame(f"the number of an error has {_UNREAD.size} bytes, not {len(payload)}")
    return int(_UNREAD.unpack(payload)[0])


def printable(text: str) -> str:
    """Removes control characters, and others that are unsafe in a terminal or log, from a text."""
    return "".join(character if character.isprintable() else "�" for character in text)


def _frame(kind: Kind, payload: bytes) -> bytes:
    return HEADER.pack(kind, len(payload)) + payload


def _text(data: bytes | bytearray) -> str:
    return bytes(data).decode(errors="replace")
