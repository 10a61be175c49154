"""A whole utterance engine: it hears one word in every utterance. The worked example of `docs/extending.md`."""

import hashlib
from collections.abc import Iterable, Iterator

from steno_transcriber.engines.port import EngineInfo, Pack, RecognitionOptions, Unsupported
from steno_transcriber.engines.refusals import refusal_of
from steno_transcriber.speech import SAMPLES_PER_MS, Recognition, Samples, Utterance, Word


class OneWordEngine:
    """Says "hello" for as long as somebody speaks."""

    info = EngineInfo(name="one_word", model="hello", digest=hashlib.sha256(b"hello").hexdigest(), languages=frozenset({"en"}))

    def refusal(self, options: RecognitionOptions) -> Unsupported | None:
        """By model and language, as most engines."""
        return refusal_of(self.info, options)

    def packs(self, utterances: Iterable[Utterance]) -> Iterator[Pack]:
        """Each utterance alone: it gains nothing by more."""
        return (Pack(utterances=(utterance,)) for utterance in utterances)

    def decode(self, pack: Pack, options: RecognitionOptions) -> list[Recognition]:
        """A function of the utterance alone, called from many threads."""
        self._check(options)
        return [_hello(utterance.start_ms, utterance.duration_ms) for utterance in pack.utterances]

    def stream(self, *, channel: int, start_ms: int, options: RecognitionOptions) -> "OneWordStream":
        """While an utterance is spoken."""
        self._check(options)
        return OneWordStream(start_ms)

    def close(self) -> None:
        """There is no model to let go of."""

    def _check(self, options: RecognitionOptions) -> None:
        if (refusal := self.refusal(options)) is not None:
            raise refusal


class OneWordStream:
    """Counts samples."""

    def __init__(self, start_ms: int) -> None:
        self._start_ms = start_ms
        self._heard = 0

    def accept(self, samples: Samples) -> None:
        """The next samples."""
        self._heard += len(samples)

    def hypothesis(self) -> Recognition:
        """What is said so far."""
        return self.final()

    def final(self) -> Recognition:
        """What was said: as `decode` says of the same audio."""
        return _hello(self._start_ms, self._heard // SAMPLES_PER_MS)

    def close(self) -> None:
        """It holds nothing."""


def _hello(start_ms: int, duration_ms: int) -> Recognition:
    if not duration_ms:
        return Recognition(text="", confidence=0.0)
    word = Word(text="hello", start_ms=start_ms, duration_ms=duration_ms, confidence=1.0)
    return Recognition(text="hello", confidence=1.0, words=(word,))
