"""Finds the frames of an utterance that have sound, its quietest moment, and the frames that words cover. Pure."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from steno_transcriber.speech import Samples, frame_powers

FRAME_MS = 20
LOUD_QUANTILE = 0.9
BELOW_LOUD_DB = 25.0
"""Speech falls so far between its vowels and what can still be told from the noise of a line."""
LEAST_DB = -80.0
"""Of full scale: below it there is nothing, however quiet the rest is."""
BESIDE_MS = 60
"""So far from a word sound may still be its own."""

Sounding = npt.NDArray[np.bool_]
"""A truth a frame of `FRAME_MS`: whether there is sound in it."""


def sounding(samples: Samples) -> Sounding:
    """The frames that are not much quieter than the loud ones. An incomplete frame at the end is ignored."""
    levels = 10 * np.log10(frame_powers(samples, FRAME_MS) + 1e-12)
    if not len(levels):
        return np.zeros(0, dtype=np.bool_)
    found: Sounding = levels > max(float(np.quantile(levels, LOUD_QUANTILE)) - BELOW_LOUD_DB, LEAST_DB)
    return found


def quietest_ms(samples: Samples, *, least_ms: int) -> int | None:
    """The quietest moment at which to cut samples into two parts of at least `least_ms`; None if too short."""
    powers, least = frame_powers(samples, FRAME_MS), -(-least_ms // FRAME_MS)
    if len(powers) < 2 * least:
        return None
    around = np.convolve(powers, np.ones(5), mode="same")[least : len(powers) - least + 1]
    return (least + int(np.argmin(around))) * FRAME_MS


def covered(spans: Iterable[tuple[float, float]], frames: int) -> Sounding:
    """The frames that lie in one of the spans, or next to one; spans are seconds from the first frame."""
    found = np.zeros(frames, dtype=np.bool_)
    for start, end in spans:
        first, last = int((start * 1000 - BESIDE_MS) // FRAME_MS), int((end * 1000 + BESIDE_MS) // FRAME_MS)
        found[max(first, 0) : max(last + 1, 0)] = True
    return found
