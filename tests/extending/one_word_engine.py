"""A whole utterance engine: it hears one word in every utterance. The worked example of `docs/extending.md`."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence

from steno_transcriber.engines.port import EngineInfo, OpenSpeech, Pack, RecognitionOptions, Unsupported
from steno_transcriber.engines.refusals import refusal_of
from steno_transcriber.speech import Recognition, Utterance, Word


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

    def hypothesis_window_ms(self, duration_ms: int) -> int:
        """It makes no difference to it how many come together."""
        return 0

    def hypotheses(self, spoken: Sequence[OpenSpeech]) -> list[Recognition]:
        """While utterances are spoken."""
        return [self.decode(Pack(utterances=(each.utterance,)), each.options)[0] for each in spoken]

    def close(self) -> None:
        """There is no model to let go of."""

    def _check(self, options: RecognitionOptions) -> None:
        if (refusal := self.refusal(options)) is not None:
            raise refusal


def _hello(start_ms: int, duration_ms: int) -> Recognition:
    word = Word(text="hello", start_ms=start_ms, duration_ms=duration_ms, confidence=1.0)
    return Recognition(text="hello", confidence=1.0, words=(word,))
