"""Converts the frames of any codec to blocks at 16 kHz, in pieces of bounded size. Pure."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import soxr

from steno_transcriber.audio.wire_format import Block
from steno_transcriber.speech import SAMPLE_RATE

SLICE_VALUES = 1 << 17
"""Values of all channels that are converted and resampled at once, however large the frames of a codec are."""

Piece = npt.NDArray[np.float32]
"""Samples of all channels in [-1, 1], shape (samples, channels)."""


def slices(frame: Any, most: int) -> Iterator[Piece]:
    """Gives the samples of a frame in pieces of at most `most` samples."""
    array: npt.NDArray[Any] = frame.to_ndarray()
    array = array.T if frame.format.is_planar else array.reshape(-1, frame.layout.nb_channels)
    for begin in range(0, len(array), most):
        yield _scaled(array[begin : begin + most])


def _scaled(array: npt.NDArray[Any]) -> Piece:
    match array.dtype.kind:
        case "u":
            scaled = (array - 128.0) / 128.0
        case "i":
            scaled = array / float(2 ** (8 * array.itemsize - 1))
        case _:
            scaled = np.clip(array, -1.0, 1.0)
            if np.isnan(scaled.sum()):
                scaled = np.nan_to_num(scaled)
    return np.asarray(scaled, dtype=np.float32)


def remap(piece: Piece, channels: int) -> Piece:
    """Changes the number of channels: one is copied to all, all are mixed into one, otherwise missing ones are silent."""
    found = piece.shape[1]
    if found == channels:
        return piece
    if found == 1:
        return np.repeat(piece, channels, axis=1)
    if channels == 1:
        return np.asarray(piece.mean(axis=1, keepdims=True), dtype=np.float32)
    fitted = np.zeros((len(piece), channels), dtype=np.float32)
    fitted[:, :found] = piece[:, :channels]
    return fitted


class Resampler:
    """Resamples audio to 16 kHz, in blocks of about a second, or less with many channels; the input rate may change."""

    def __init__(self, channels: int) -> None:
        self._channels = channels
        self._rate = 0
        self._stream: Any = None
        self._waiting: list[Piece] = []
        self._waits = 0

    def put(self, piece: Piece, rate: int) -> Iterator[Block]:
        """Adds a piece of at most `most` samples."""
        yield from self._at(rate)
        self._waiting.append(piece)
        self._waits += len(piece)
        if self._waits >= self.most(rate):
            yield from self._out(last=False)

    def put_silence(self, samples: int, rate: int) -> Iterator[Block]:
        """Adds silence of any length at little cost: whole seconds bypass the resampler."""
        yield from self._at(rate)
        seconds = max(0, samples // rate - 2)
        if seconds:
            # The second before them pushes out what the filter still holds of the sound.
            yield from self._zeros(rate, rate)
            yield from self._out(last=False)
            for _ in range(seconds):
                yield np.zeros((self._channels, SAMPLE_RATE), dtype=np.float32)
            samples -= (seconds + 1) * rate
        yield from self._zeros(samples, rate)

    def end(self) -> Iterator[Block]:
        """Ends the audio, and gives what is left."""
        if self._rate:
            yield from self._out(last=True)

    def most(self, rate: int) -> int:
        """The maximum number of samples that are resampled at once."""
        return max(1, min(rate, SLICE_VALUES // self._channels))

    def _at(self, rate: int) -> Iterator[Block]:
        if rate == self._rate:
            return
        yield from self.end()
        self._rate = rate
        self._stream = None if rate == SAMPLE_RATE else soxr.ResampleStream(rate, SAMPLE_RATE, self._channels, dtype="float32")

    def _zeros(self, samples: int, rate: int) -> Iterator[Block]:
        most = self.most(rate)
        for begin in range(0, samples, most):
            yield from self.put(np.zeros((min(most, samples - begin), self._channels), dtype=np.float32), rate)

    def _out(self, *, last: bool) -> Iterator[Block]:
        piece = np.concatenate(self._waiting) if self._waiting else np.zeros((0, self._channels), dtype=np.float32)
        self._waiting.clear()
        self._waits = 0
        found = piece if self._stream is None else self._stream.resample_chunk(piece, last=last)
        if len(found):
            yield np.ascontiguousarray(found.reshape(len(found), -1).T)
