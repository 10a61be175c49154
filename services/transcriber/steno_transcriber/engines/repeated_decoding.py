"""A recognition stream for engines that decode whole utterances: each call decodes all of the audio again. Pure."""

from collections.abc import Callable

import numpy as np

from steno_transcriber.speech import SAMPLES_PER_MS, Recognition, Samples, Utterance

Decode = Callable[[Utterance], Recognition]


class RepeatedDecoding:
    """One utterance while it is spoken (`RecognitionStream`)."""

    def __init__(self, *, channel: int, start_ms: int, hypothesis: Decode, final: Decode) -> None:
        """`hypothesis` and `final` are functions that decode an utterance, the first one faster."""
        self._channel = channel
        self._start_ms = start_ms
        self._hypothesis = hypothesis
        self._final = final
        self._samples: list[Samples] = []

    def accept(self, samples: Samples) -> None:
        """Add the next samples of the utterance."""
        self._samples.append(samples)

    def hypothesis(self) -> Recognition:
        """Recognise what was said so far."""
        return self._decoded(self._hypothesis)

    def final(self) -> Recognition:
        """Recognise the whole utterance."""
        return self._decoded(self._final)

    def close(self) -> None:
        """Release the audio."""
        self._samples.clear()

    def _decoded(self, decode: Decode) -> Recognition:
        samples = np.concatenate(self._samples) if self._samples else np.zeros(0, dtype=np.float32)
        if len(samples) < SAMPLES_PER_MS:
            return Recognition(text="", confidence=0.0)
        return decode(
            Utterance(
                channel=self._channel,
                start_ms=self._start_ms,
                duration_ms=len(samples) // SAMPLES_PER_MS,
                padding_before_ms=0,
                samples=samples,
            )
        )
