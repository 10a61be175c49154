"""Cuts a call's audio into pieces, and arranges them to a recording. Pure.

The name of a piece has its start and end, in samples of one channel. Audio depends on the log only, so overlapping pieces have
the same audio: it does not matter which process wrote a piece, where it was cut, or whether it was written twice. A span
without a piece is silence.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from steno.events.records import AudioCodec

#: The size at which a piece is saved: eight seconds of two channels of G.711.
PIECE_BYTES = 128 << 10
#: A piece is closed at this size if it was not saved before.
MAX_PIECE_BYTES = 4 * PIECE_BYTES

#: Gaps up to this length are filled with silence, so that a call with many gaps does not need many small objects.
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
        """The size of one sample of all channels in bytes."""
        return self.codec.sample_bytes * self.channels

    def silence(self, samples: int) -> bytes:
        """Returns silence on all channels."""
        return self.codec.silence * (samples * self.channels)


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """The samples of a piece, from `start` to before `end`."""

    start: int
    end: int

    @property
    def name(self) -> str:
        """The name of the piece; sorted names are sorted spans."""
        return f"{self.start:015}-{self.end:015}"

    @classmethod
    def named(cls, name: str) -> "Span | None":
        """Reads a span from the name of a piece; returns None if it is not such a name."""
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
        """Returns all pieces, which are no longer held."""
        self._close()
        taken, self.closed, self.held_bytes = self.closed, [], 0
        return taken

    def put_back(self, pieces: Sequence[tuple[Span, bytes]]) -> None:
        """Takes back pieces that could not be saved."""
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
    """A part of a recording."""

    span: Span
    #: The piece with its audio; None for silence.
    piece: Span | None


def layout(pieces: Iterable[Span], samples: int) -> Iterator[Part]:
    """Gives the parts of a recording of `samples`, in order and without gaps.

    Of overlapping pieces the one with the earlier start is used.
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
    """Gives silence in blocks of at most a megabyte."""
    most = _BLOCK_BYTES // shape.frame_bytes
    while samples > 0:
        yield shape.silence(min(most, samples))
        samples -= most


def masked(audio: bytes, span: Span, masks: Sequence[tuple[int, int]], shape: Shape) -> bytes:
    """Returns the audio of a span with its masked parts replaced by silence."""
    overlaps = [(max(start, span.start), min(end, span.end)) for start, end in masks]
    if not any(start < end for start, end in overlaps):
        return audio
    changed = bytearray(audio)
    for start, end in overlaps:
        if start < end:
            frame = shape.frame_bytes
            changed[(start - span.start) * frame : (end - span.start) * frame] = shape.silence(end - start)
    return bytes(changed)
