"""A test double of an utterance engine, part of the product: its words are computed from the audio, without a model."""

import hashlib
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from steno.events.recognition import RecognitionOptions
from steno_transcriber.engines.port import EngineInfo, OpenSpeech, Pack, Unsupported
from steno_transcriber.engines.refusals import refusal_of
from steno_transcriber.speech import SAMPLES_PER_MS, Recognition, Utterance, Word

VOCABULARY = ("hello", "account", "balance", "card", "payment", "thank", "you", "please", "transfer", "check")
MS_PER_WORD = 400

Script = Callable[[Utterance], str]
"""What to say for an utterance; an empty string is nothing."""


def words_from_samples(utterance: Utterance) -> str:
    """A word of a small vocabulary for each whole 400 ms, by a checksum of the samples: more audio only adds words."""
    length = MS_PER_WORD * SAMPLES_PER_MS
    samples = np.ascontiguousarray(utterance.samples)
    begins = range(0, max(1, len(samples) - length + 1), length)
    return " ".join(VOCABULARY[zlib.crc32(samples[begin : begin + length].data) % len(VOCABULARY)] for begin in begins)


class ScriptedEngine:
    """Recognises the words of a script, evenly spread over the utterance; deterministic and instant."""

    def __init__(self, script: Script = words_from_samples, *, languages: frozenset[str] = frozenset({"en"})) -> None:
        self._script = script
        digest = hashlib.sha256(" ".join(VOCABULARY).encode()).hexdigest()
        self._info = EngineInfo(name="scripted", model="scripted", digest=digest, languages=languages)

    @property
    def info(self) -> EngineInfo:
        """Name, model, digest and languages."""
        return self._info

    def packs(self, utterances: Iterable[Utterance]) -> Iterator[Pack]:
        """A pack for each utterance."""
        return (Pack(utterances=(utterance,)) for utterance in utterances)

    def refusal(self, options: RecognitionOptions) -> Unsupported | None:
        """Why it cannot serve these options."""
        return refusal_of(self._info, options)

    def decode(self, pack: Pack, options: RecognitionOptions) -> list[Recognition]:
        """Recognise each utterance of the pack by the script."""
        self._check(options)
        return [self._recognise(utterance) for utterance in pack.utterances]

    def hypothesis_window_ms(self, duration_ms: int) -> int:
        """The same for all."""
        return 0

    def hypotheses(self, spoken: Sequence[OpenSpeech]) -> list[Recognition]:
        """Recognise each by the script."""
        return [self.decode(Pack(utterances=(each.utterance,)), each.options)[0] for each in spoken]

    def close(self) -> None:
        """Do nothing: it holds nothing."""

    def _check(self, options: RecognitionOptions) -> None:
        if (refusal := self.refusal(options)) is not None:
            raise refusal

    def _recognise(self, utterance: Utterance) -> Recognition:
        texts = self._script(utterance).split()
        if not texts:
            return Recognition(text="", confidence=0.0)
        step = utterance.duration_ms // len(texts)
        words = tuple(
            Word(text=text, start_ms=utterance.start_ms + index * step, duration_ms=step, confidence=0.9)
            for index, text in enumerate(texts)
        )
        return Recognition(text=" ".join(texts), confidence=0.9, words=words)
