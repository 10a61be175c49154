"""Pieces of a call's audio: how they are cut while it comes, and how a recording is put together from them. Pure.

The name of a piece says where it begins and ends, in samples of one channel. Audio follows from the log alone, so two pieces
agree where they overlap: it does not matter which process wrote which, where it cut, or whether it wrote twice. A span without
a piece is silence.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from steno.events.records import AudioCodec

#: A piece is saved when it has so many bytes: eight seconds of a call of two channels of G.711.
PIECE_BYTES = 128 << 10
#: A piece is closed at this size if it was not saved before.
MAX_PIECE_BYTES = 4 * PIECE_BYTES

#: Gaps up to this long are filled with silence, so that a call with many gaps does not become many tiny objects.
_FILLED_SECONDS = 1

_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The format of a call's samples."""

    codec: AudioCodec
    sample_rate: int
    channels: int

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of all channels."""
        return self.codec.sample_bytes * self.channels

    def silence(self, samples: int) -> bytes:
        """Silence of this many samples on all channels."""
        return self.codec.silence * (samples * self.channels)


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Where a piece lies: from the sample `start` up to, not including, `end`."""

    start: int
    end: int

    @property
    def name(self) -> str:
        """The name of the piece; names in order are spans in order."""
        return f"{self.start:015}-{self.end:015}"

    @classmethod
    def named(cls, name: str) -> "Span | None":
        """The span of a piece by its name; None where it is no such name."""
        start, _, end = name.partition("-")
        return cls(int(start), int(end)) if start.isdecimal() and end.isdecimal() else None


@dataclass(slots=True)
class UnsavedAudio:
    """The audio of a call that is not in the object store yet."""

    shape: Shape
    closed: list[tuple[Span, bytes]] = field(default_factory=list)
    held_bytes: int = 0
    _start: int = 0
    _end: int = 0
    _open: bytearray = field(default_factory=bytearray)

    def add(self, position: int, audio: bytes) -> None:
        """Adds the next audio."""
        piece = self._open
        if position != self._end or not piece:
            self._skip_to(position)
        piece += audio
        self.held_bytes += len(audio)
        self._end = position + len(audio) // self.shape.frame_bytes
        if len(piece) >= MAX_PIECE_BYTES:
            self._close()

    def drain(self) -> list[tuple[Span, bytes]]:
        """Hands over all pieces."""
        self._close()
        taken, self.closed, self.held_bytes = self.closed, [], 0
        return taken

    def put_back(self, pieces: Sequence[tuple[Span, bytes]]) -> None:
        """Holds again the pieces that could not be saved."""
        self.closed = [*pieces, *self.closed]
        self.held_bytes += sum(len(audio) for _, audio in pieces)

    def _skip_to(self, position: int) -> None:
        if self._open and position - self._end <= _FILLED_SECONDS * self.shape.sample_rate:
            silence = self.shape.silence(position - self._end)
            self._open += silence
            self.held_bytes += len(silence)
            return
        self._close()
        self._start = position

    def _close(self) -> None:
        if self._open:
            self.closed.append((Span(self._start, self._end), bytes(self._open)))
            self._open.clear()


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The next part of a recording."""

    span: Span
    #: The piece that has its audio; None: it is silence.
    piece: Span | None


def layout(pieces: Iterable[Span], samples: int) -> Iterator[Part]:
    """The parts that make a recording of this many samples, in order and without gaps.

    Of pieces that overlap, the one that begins first is used.
    """
    position = 0
    for piece in sorted(pieces):
        end = min(piece.end, samples)
        if end <= position:
            continue
        if piece.start > position:
            yield Part(span=Span(position, piece.start), piece=None)
        position = max(position, piece.start)
        yield Part(span=Span(position, end), piece=piece)
        position = end
    if position < samples:
        yield Part(span=Span(position, samples), piece=None)


def blocks_of_silence(shape: Shape, samples: int) -> Iterator[bytes]:
    """Silence of any length, in blocks of at most a megabyte."""
    most = _BLOCK_BYTES // shape.frame_bytes
    while samples > 0:
        yield shape.silence(min(most, samples))
        samples -= most


def masked(audio: bytes, span: Span, masks: Sequence[tuple[int, int]], shape: Shape) -> bytes:
    """The audio of a span with silence where it is masked."""
    overlaps = [(max(start, span.start), min(end, span.end)) for start, end in masks]
    if not any(start < end for start, end in overlaps):
        return audio
    changed = bytearray(audio)
    for start, end in overlaps:
        if start < end:
            frame = shape.frame_bytes
            changed[(start - span.start) * frame : (end - span.start) * frame] = shape.silence(end - start)
    return bytes(changed)
