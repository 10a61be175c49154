"""Decides whether a short stretch of audio has speech. Pure: a function of the samples alone, on one kind of processor.

By Silero's voice activity detector, a neural network that comes with faster-whisper. It tells short words from clicks and
tones where WebRTC's detector does not, and costs seven times as much: 1.7 ms of CPU for a second of audio.
"""

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from steno_transcriber.speech import Samples

if TYPE_CHECKING:
    from faster_whisper.vad import SileroVADModel

WINDOW = 512
"""The number of samples for which the detector gives a probability: 32 ms."""

SPEECH = 0.5
"""The probability from which a window is speech: the detector's own default."""

LEAST_WINDOWS = 4
"""How many windows must be speech: 128 ms. Clicks and blips of a line are shorter, words are not."""


@cache
def load_detector() -> "SileroVADModel":
    """Load the detector, once a process. Takes a tenth of a second and 30 MB."""
    from faster_whisper.vad import get_vad_model

    return get_vad_model()


def has_speech(samples: Samples, *, after: int) -> bool:
    """Whether there is speech after the first `after` samples, which the detector hears first."""
    whole = np.pad(samples, (0, -len(samples) % WINDOW))
    probabilities = load_detector()(whole).ravel()[after // WINDOW :]
    return int(np.count_nonzero(probabilities >= SPEECH)) >= LEAST_WINDOWS
