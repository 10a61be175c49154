"""Live audio as it came, and what the engines hear of it.

Voice activity is told from the samples as they are; what is brought to 16 kHz is only what was said. G.711 goes through a table
(ITU-T G.711); 8 kHz becomes 16 kHz by a half-band filter of whole numbers in double precision, where sums of such are exact in
any order: an utterance sounds the same to the bit on every machine.
"""

import numpy as np
import numpy.typing as npt

from steno.events.records import AudioCodec
from steno_transcriber.speech import SAMPLE_RATE, Samples

Linear = npt.NDArray[np.int16]

_HALF = (
    *(20812, -6809, 3935, -2655, 1914, -1422, 1070, -807, 605, -449),
    *(328, -235, 164, -111, 72, -45, 26, -14, 7, -2),
)
"""One side of the filter, from the middle outwards, in 1/32768: a sinc in a Kaiser window of beta 8. Flat to 0.001 dB up to
3.5 kHz; images from 4.6 kHz on are 82 dB down. Written out, so that every machine has the same."""

_TAPS = np.array([*reversed(_HALF), *_HALF], dtype=np.float64)
_FULL_SCALE = 32768


def _mu_law() -> Linear:
    code = ~np.arange(256) & 0xFF
    magnitude = ((((code & 0x0F) << 3) + 0x84) << ((code & 0x70) >> 4)) - 0x84
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


def _a_law() -> Linear:
    code = np.arange(256) ^ 0x55
    exponent, mantissa = (code & 0x70) >> 4, (code & 0x0F) << 4
    magnitude = np.where(exponent == 0, mantissa + 8, (mantissa + 0x108) << np.maximum(exponent - 1, 0))
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


TABLES = {AudioCodec.PCMU: _mu_law(), AudioCodec.PCMA: _a_law()}
"""The linear value of each code."""


def linear(audio: bytes, codec: AudioCodec, *, channels: int) -> Linear:
    """Whole samples of all channels, interleaved, as linear ones of shape (channels, samples).

    Raises:
        KeyError: the codec is unknown.
    """
    if codec is AudioCodec.S16LE:
        values = np.frombuffer(audio, dtype="<i2")
    else:
        values = TABLES[codec].take(np.frombuffer(audio, dtype=np.uint8))
    return values.reshape(-1, channels).T


class LiveForm:
    """Linear audio at 8 or 16 kHz, for the segmenter."""

    dtype = np.int16

    def __init__(self, sample_rate: int) -> None:
        self.sample_rate = sample_rate

    def linear(self, audio: Linear) -> Linear:
        """As it is."""
        return audio

    def samples(self, audio: Linear) -> Samples:
        """At 16 kHz, from -1 to 1; silence lies around what is given."""
        if self.sample_rate == SAMPLE_RATE:
            return np.divide(audio, _FULL_SCALE, dtype=np.float32)
        around = len(_HALF)
        values = np.pad(audio.astype(np.float64), (around - 1, around))
        # Every sample stays, and behind each comes one that the filter makes. Loud audio may swing over what was sampled.
        found = np.empty(2 * len(audio), dtype=np.float32)
        found[0::2] = np.divide(audio, _FULL_SCALE, dtype=np.float32)
        found[1::2] = (np.correlate(values, _TAPS, mode="valid") / _FULL_SCALE**2).clip(-1.0, 1.0)
        return found


class LiveStretch:
    """A stretch of audio that grows. What is heard of it is to the bit what `LiveForm.samples` makes of the whole."""

    def __init__(self, form: LiveForm) -> None:
        self._form = form
        self._look = len(_HALF) if form.sample_rate != SAMPLE_RATE else 0
        self._kept: Linear = np.zeros(0, dtype=np.int16)
        self._told = 0  # of what is kept, at its beginning

    def accept(self, audio: Linear) -> Samples:
        """Take the next audio and give what can be heard: at 8 kHz the filter looks ahead, so 2.5 ms less than has come."""
        audio = np.concatenate([self._kept, audio])
        certain = max(self._told, len(audio) - self._look)
        scale = SAMPLE_RATE // self._form.sample_rate
        samples = self._form.samples(audio)[scale * self._told : scale * certain]
        forgotten = max(0, certain - self._look)
        self._kept, self._told = audio[forgotten:], certain - forgotten
        return samples
