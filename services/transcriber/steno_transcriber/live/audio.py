"""Converts the audio of live calls to samples for the engines. Pure.

Voice activity is detected in the samples as they are; only utterances are converted to 16 kHz. G.711 goes through a table
(ITU-T G.711); 8 kHz becomes 16 kHz by a half-band filter of whole numbers in double precision, where sums of such are exact in
any order: an utterance sounds the same to the bit on every machine.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from steno.events.records import AudioCodec
from steno.g711 import LINEAR_VALUES
from steno_transcriber.segmenter import SOUND_BYTES
from steno_transcriber.speech import SAMPLE_RATE, Samples

Linear = bytes
"""Samples of one channel: 16 bits, little endian.

Bytes rather than an array: numpy lets other threads in at each call, and one that decodes gives the interpreter back to the
event loop milliseconds later.
"""

_HALF = (
    *(20812, -6809, 3935, -2655, 1914, -1422, 1070, -807, 605, -449),
    *(328, -235, 164, -111, 72, -45, 26, -14, 7, -2),
)
"""One side of the filter, from the middle outwards, in 1/32768: a sinc in a Kaiser window of beta 8. Flat to 0.001 dB up to
3.5 kHz; images from 4.6 kHz on are 82 dB down. Written out, so that every machine has the same."""

_FULL_SCALE = 32768
_TO_FLOAT = np.float32(1 / _FULL_SCALE)

_BLOCK, _BLOCKS = 32, 32
"""How many samples are made of one row of a matrix, and the rows of a matrix: with more, the product would be made by several
threads."""

_AROUND = 2 * len(_HALF) - 1
"""How many samples more than it makes a row has."""


def _filter() -> npt.NDArray[np.float64]:
    """The filter as a matrix: a row of samples multiplied by it gives a block of those between them."""
    found = np.zeros((_BLOCK + _AROUND, _BLOCK))
    for column in range(_BLOCK):
        found[column : column + len(_HALF), column] = _HALF[::-1]
        found[column + len(_HALF) : column + 2 * len(_HALF), column] = _HALF
    return found / _FULL_SCALE**2


_FILTER = _filter()

_LOW_AND_HIGH = {
    codec: tuple(np.array(values, "<i2").view(np.uint8)[byte::SOUND_BYTES].tobytes() for byte in range(SOUND_BYTES))
    for codec, values in LINEAR_VALUES.items()
}


def linear(audio: bytes, codec: AudioCodec, *, channels: int) -> list[Linear]:
    """Converts interleaved audio to linear audio of each channel.

    Raises:
        KeyError: the codec is unknown.
    """
    if codec is AudioCodec.S16LE:
        return [memoryview(audio).cast("h")[channel::channels].tobytes() for channel in range(channels)]
    return [_from_g711(audio[channel::channels], codec) for channel in range(channels)]


def _from_g711(codes: bytes, codec: AudioCodec) -> Linear:
    found = bytearray(SOUND_BYTES * len(codes))
    for byte, table in enumerate(_LOW_AND_HIGH[codec]):
        found[byte::SOUND_BYTES] = codes.translate(table)
    return bytes(found)


class LiveForm:
    """The form of linear audio at 8 or 16 kHz, for the segmenter."""

    sample_items = SOUND_BYTES

    def __init__(self, sample_rate: int, *, gain: int = 1) -> None:
        """`gain` amplifies the samples for the engines."""
        self.sample_rate = sample_rate
        self._gain = np.float32(gain)

    def joined(self, pieces: Sequence[Linear]) -> Linear:
        """Bytes."""
        return b"".join(pieces)

    def sound(self, audio: Linear) -> bytes:
        """As it is."""
        return audio

    def values(self, audio: Linear) -> Samples:
        """From -1 to 1."""
        scaled: Samples = np.multiply(np.frombuffer(audio, dtype="<i2"), _TO_FLOAT, dtype=np.float32)
        return scaled

    def samples(self, audio: Linear) -> Samples:
        """At 16 kHz, from -1 to 1; silence lies around what is given."""
        scaled = self.values(audio)
        if self.sample_rate == SAMPLE_RATE:
            return self._raised(scaled)
        length = len(scaled)
        matrices = -(-length // (_BLOCK * _BLOCKS))
        padded = np.zeros(matrices * _BLOCK * _BLOCKS + _AROUND)
        padded[len(_HALF) - 1 : len(_HALF) - 1 + length] = np.frombuffer(audio, dtype="<i2")
        # Each row begins a block behind the one before, and reaches into the next.
        step, item = _BLOCK * padded.itemsize, padded.itemsize
        rows = np.ndarray((matrices, _BLOCKS, len(_FILTER)), np.float64, padded, strides=(_BLOCKS * step, step, item))
        # Every sample stays, and behind each comes one that the filter makes. Loud audio may swing over what was sampled.
        found = np.empty(2 * length, dtype=np.float32)
        found[0::2] = scaled
        np.clip((rows @ _FILTER).reshape(-1)[:length], -1.0, 1.0, out=found[1::2], casting="same_kind")
        return self._raised(found)

    def _raised(self, samples: Samples) -> Samples:
        return samples if self._gain == 1 else (samples * self._gain).clip(-1.0, 1.0)


class LiveStretch:
    """Converts a growing stretch of audio, with the same result to the bit as `LiveForm.samples` for the whole."""

    def __init__(self, form: LiveForm) -> None:
        self._form = form
        self._look = len(_HALF) if form.sample_rate != SAMPLE_RATE else 0
        self._kept: Linear = b""
        self._told = 0  # samples of what is kept, at its beginning

    def accept(self, audio: Linear) -> Samples:
        """Add the next audio, and return the next samples: at 8 kHz 2.5 ms less, as the filter looks ahead."""
        audio = self._kept + audio
        certain = max(self._told, len(audio) // SOUND_BYTES - self._look)
        scale = SAMPLE_RATE // self._form.sample_rate
        samples = self._form.samples(audio)[scale * self._told : scale * certain]
        forgotten = max(0, certain - self._look)
        self._kept, self._told = audio[SOUND_BYTES * forgotten :], certain - forgotten
        return samples
