"""The audio of a call in pieces: how it grows, and how it is put together again. Pure.

A piece is named by where it begins and ends, in samples of one channel. What two pieces have of the same span is the same,
since audio follows from the log alone, so it does not matter which process wrote which, where it cut, or whether it wrote
twice. Spans without a piece are silence.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from steno.events.records import AudioCodec

#: A piece is worth flusher when it has so many bytes: eight seconds of a call of two channels of G.711.
PIECE_BYTES = 128 << 10
#: It grows no further than this where nobody comes to keep it.
MOST_PIECE_BYTES = 4 * PIECE_BYTES

#: Gaps up to this long are filled while a piece grows, so that a call full of holes is no heap of tiny objects.
_FILLED_SECONDS = 1

_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What samples of a call look like."""

    codec: AudioCodec
    sample_rate: int
    channels: int

    @property
    def frame_bytes(self) -> int:
        """Bytes of one sample of all channels."""
        return self.codec.sample_bytes * self.channels

    def silence(self, samples: int) -> bytes:
        """So many samples of silence on all channels."""
        return self.codec.silence * (samples * self.channels)


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A piece of audio: from its first sample up to, not including, the last."""

    start: int
    end: int

    @property
    def name(self) -> str:
        """What it is called: names in order are spans in order."""
        return f"{self.start:015}-{self.end:015}"

    @classmethod
    def named(cls, name: str) -> "Span | None":
        """The span of that name; None where it is no name of one."""
        start, _, end = name.partition("-")
        return cls(int(start), int(end)) if start.isdecimal() and end.isdecimal() else None


@dataclass(slots=True)
class UnsavedAudio:
    """The audio of a call that is not in the object store yet."""

    shape: Shape
    closed: list[tuple[Span, bytes]] = field(default_factory=list)
    #: Bytes that it holds.
    held: int = 0
    _start: int = 0
    _end: int = 0
    _open: bytearray = field(default_factory=bytearray)

    def add(self, position: int, audio: bytes) -> None:
        """Adds audio behind what there is."""
        piece = self._open
        if position != self._end or not piece:
            self._follow(position)
        piece += audio
        self.held += len(audio)
        self._end = position + len(audio) // self.shape.frame_bytes
        if len(piece) >= MOST_PIECE_BYTES:
            self._close()

    def take(self) -> list[tuple[Span, bytes]]:
        """Hands over all it holds."""
        self._close()
        taken, self.closed, self.held = self.closed, [], 0
        return taken

    def put_back(self, pieces: Sequence[tuple[Span, bytes]]) -> None:
        """Takes back what could not be kept."""
        self.closed = [*pieces, *self.closed]
        self.held += sum(len(audio) for _, audio in pieces)

    def _follow(self, position: int) -> None:
        if self._open and position - self._end <= _FILLED_SECONDS * self.shape.sample_rate:
            silence = self.shape.silence(position - self._end)
            self._open += silence
            self.held += len(silence)
            return
        self._close()
        self._start = position

    def _close(self) -> None:
        if self._open:
            self.closed.append((Span(self._start, self._end), bytes(self._open)))
            self._open.clear()


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The next part of a recording: of a piece, or of silence."""

    span: Span
    #: The piece it is of; None: silence.
    piece: Span | None


def layout(pieces: Iterable[Span], samples: int) -> Iterator[Part]:
    """From which pieces a recording of so many samples is made, in order and without a hole.

    Of pieces that overlap, the one that begins first gives what it has.
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
    """Silence of any length, in blocks that fit into memory."""
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
