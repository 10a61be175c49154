"""Live audio as it came becomes what the segmenter and the engines hear: each channel by itself, 16 kHz, float32.

What comes out is the same to the bit whatever the blocks, and wherever decoding begins (`LOOK_SAMPLES` later at the latest):
whoever takes a call over hears what the one before heard. G.711 goes through a table (ITU-T G.711); 8 kHz becomes 16 kHz by a
half-band filter of whole numbers, in double precision, where sums of such are exact in any order.
"""

import numpy as np
import numpy.typing as npt

from steno.events.records import AudioCodec
from steno_transcriber.speech import SAMPLE_RATE, Samples

Block = npt.NDArray[np.float32]
"""Shape (channels, samples)."""

Values = npt.NDArray[np.float64]

_HALF = (
    *(20812, -6809, 3935, -2655, 1914, -1422, 1070, -807, 605, -449),
    *(328, -235, 164, -111, 72, -45, 26, -14, 7, -2),
)
"""One side of the filter, from the middle outwards, in 1/32768: a sinc in a Kaiser window of beta 8. Flat to 0.001 dB up to
3.5 kHz; images from 4.6 kHz on are 82 dB down. Written out, so that every machine has the same."""

_TAPS: Values = np.array([*reversed(_HALF), *_HALF], dtype=np.float64)
_EVEN_SCALE = 1 / 32768
_ODD_SCALE = 1 / 32768**2

LOOK_SAMPLES = len(_HALF)
"""How far the filter looks back and ahead, in samples of 8 kHz."""


def _mu_law() -> Values:
    code = ~np.arange(256) & 0xFF
    magnitude = ((((code & 0x0F) << 3) + 0x84) << ((code & 0x70) >> 4)) - 0x84
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.float64)


def _a_law() -> Values:
    code = np.arange(256) ^ 0x55
    exponent, mantissa = (code & 0x70) >> 4, (code & 0x0F) << 4
    magnitude = np.where(exponent == 0, mantissa + 8, (mantissa + 0x108) << np.maximum(exponent - 1, 0))
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.float64)


TABLES = {AudioCodec.PCMU: _mu_law(), AudioCodec.PCMA: _a_law()}
"""The linear value of each code."""


class LiveDecoder:
    """Decodes one unbroken stretch of a call's audio; before it and behind it lies silence."""

    def __init__(self, *, codec: AudioCodec, sample_rate: int, channels: int) -> None:
        if sample_rate not in (SAMPLE_RATE, SAMPLE_RATE // 2) or codec is AudioCodec.UNKNOWN:
            raise ValueError(f"audio of {codec.value} at {sample_rate} Hz cannot be decoded")
        self._codec = codec
        self._channels = channels
        self._upsamplers = [_Upsampler() for _ in range(channels)] if sample_rate != SAMPLE_RATE else []

    def accept(self, audio: bytes) -> Block:
        """Take the next audio, channels interleaved, and give what can be heard of it.

        At 8 kHz that is `LOOK_SAMPLES` less than has come.
        """
        values = self._values(audio).reshape(-1, self._channels).T
        if not self._upsamplers:
            return (values * _EVEN_SCALE).astype(np.float32)
        return np.stack([upsampler.accept(channel) for upsampler, channel in zip(self._upsamplers, values, strict=True)])

    def finish(self) -> Block:
        """The rest: the audio has ended."""
        rests = [upsampler.accept(np.zeros(LOOK_SAMPLES)) for upsampler in self._upsamplers]
        return np.stack(rests) if rests else np.zeros((self._channels, 0), dtype=np.float32)

    def _values(self, audio: bytes) -> Values:
        if self._codec is AudioCodec.S16LE:
            return np.frombuffer(audio, dtype="<i2").astype(np.float64)
        return TABLES[self._codec].take(np.frombuffer(audio, dtype=np.uint8))


class _Upsampler:
    """8 to 16 kHz, one channel: every sample stays, and between two of them comes one that the filter makes."""

    def __init__(self) -> None:
        # The sample before the first has a neighbour behind it that is never given out.
        self._kept: Values = np.zeros(LOOK_SAMPLES - 1)

    def accept(self, values: Values) -> Samples:
        values = np.concatenate([self._kept, values])
        count = len(values) - (len(_TAPS) - 1)
        if count <= 0:
            self._kept = values
            return np.zeros(0, dtype=np.float32)
        self._kept = values[count:]
        found = np.zeros(2 * count, dtype=np.float32)
        if np.count_nonzero(values):  # silence costs nothing
            found[0::2] = values[LOOK_SAMPLES - 1 : LOOK_SAMPLES - 1 + count] * _EVEN_SCALE
            # Loud audio may swing over what was sampled.
            found[1::2] = (np.correlate(values, _TAPS, mode="valid") * _ODD_SCALE).clip(-1.0, 1.0)
        return found
