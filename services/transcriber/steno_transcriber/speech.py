"""The values of recognition: utterances, words, and what an engine recognised. Pure.

Times are milliseconds from the start of the call's audio. Samples are mono float32 in [-1, 1] at `SAMPLE_RATE`.
"""

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

SAMPLE_RATE = 16_000
"""Samples per second of everything between the decoder and the engines."""

SAMPLES_PER_MS = SAMPLE_RATE // 1000

Samples = npt.NDArray[np.float32]


def frame_powers(samples: Samples, frame_ms: int) -> npt.NDArray[np.float64]:
    """The mean power of each whole frame of a length."""
    length = frame_ms * SAMPLES_PER_MS
    frames = samples[: len(samples) // length * length].reshape(-1, length)
    powers: npt.NDArray[np.float64] = np.square(frames, dtype=np.float64).mean(axis=1)
    return powers


@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance:
    """A stretch of speech on one channel, as found by voice activity detection.

    `samples` hold the speech with some audio around it: `padding_before_ms` of it lie before `start_ms`.
    """

    channel: int
    start_ms: int
    duration_ms: int
    padding_before_ms: int
    samples: Samples = field(repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.channel < 0 or self.start_ms < 0 or self.duration_ms <= 0:
            raise ValueError(f"an utterance needs a channel, a start and a length: {self!r}")
        if not 0 <= self.padding_before_ms <= self.start_ms:
            raise ValueError(f"an utterance's padding lies inside the call: {self!r}")

    @property
    def end_ms(self) -> int:
        """Where the speech ends."""
        return self.start_ms + self.duration_ms

    @property
    def audio_start_ms(self) -> int:
        """Where `samples` begin."""
        return self.start_ms - self.padding_before_ms

    def until(self, end_ms: int) -> "Utterance | None":
        """The part of it before `end_ms`; None where there is none."""
        if end_ms <= self.start_ms:
            return None
        samples = self.samples[: (end_ms - self.audio_start_ms) * SAMPLES_PER_MS]
        return replace(self, duration_ms=min(self.duration_ms, end_ms - self.start_ms), samples=samples)

    def since(self, begin_ms: int) -> "Utterance | None":
        """The part of it from `begin_ms` on; None where there is none."""
        if begin_ms <= self.start_ms:
            return self
        if begin_ms >= self.end_ms:
            return None
        samples = self.samples[(begin_ms - self.audio_start_ms) * SAMPLES_PER_MS :]
        return replace(self, start_ms=begin_ms, duration_ms=self.end_ms - begin_ms, padding_before_ms=0, samples=samples)


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """One word with its time in the call and the engine's confidence in it, from 0 to 1."""

    text: str
    start_ms: int
    duration_ms: int
    confidence: float

    def __post_init__(self) -> None:
        if not self.text or self.start_ms < 0 or self.duration_ms < 0 or not 0.0 <= self.confidence <= 1.0:
            raise ValueError("a word needs text, a time inside the call and a confidence from 0 to 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognition:
    """What an engine recognised in one utterance; the text is empty where that is nothing.

    `language` is the BCP 47 primary language the engine decoded in.
    """

    text: str
    confidence: float
    words: tuple[Word, ...] = ()
    language: str = "en"

    def __bool__(self) -> bool:
        return bool(self.text)
