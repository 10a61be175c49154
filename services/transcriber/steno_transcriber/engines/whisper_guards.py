"""Judges decoded text: whether it was invented by the decoder, and whether words are missing. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum, auto

import numpy as np

from steno_transcriber.engines.loudness import FRAME_MS, Sounding
from steno_transcriber.engines.whisper_decoder import Decoded
from steno_transcriber.speech import Word


class Verdict(Enum):
    """The judgement on the text of a window."""

    BELIEVED = auto()
    #: Nobody may have spoken.
    IMPROBABLE = auto()
    #: The decoder ran in circles.
    CIRCULAR = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Guards:
    """The limits beyond which text is taken for invented, or for incomplete.

    Attributes:
        most_compression: How many times the text of a window may be compressed (Radford et al., "Robust Speech Recognition
            via Large-Scale Weak Supervision", 4.5).
        most_words_per_second: Of sound. Nobody speaks faster for long.
        least_log_probability: Less is improbable where there may be no speech: to a probability over `most_no_speech`, or
            because at least `sparse_seconds` of sound gave fewer words than `sparse_words_per_second`.
        slope: By how much more improbable text may be, the less there is of a probability of no speech: times the difference.
        surely_log_probability: Less is improbable in any case.
        least_confidence: Of an utterance's words, on average, or they are not taken from a window that it shares.
        most_missed_ms: How much of an utterance may sound without any word to it: more than a click, less than a "no".
        most_missed_beside_ms: The same, in one that has words.
    """

    most_compression: float = 2.4
    most_words_per_second: float = 7.0
    least_log_probability: float = -1.0
    most_no_speech: float = 0.6
    sparse_seconds: float = 3.0
    sparse_words_per_second: float = 0.7
    slope: float = 3.0
    surely_log_probability: float = -1.6
    least_confidence: float = 0.3
    most_missed_ms: int = 200
    most_missed_beside_ms: int = 2_000

    def judge(self, decoded: Decoded, sound_seconds: float, *, utterances: int = 1) -> Verdict:
        """Judge the text of a window, by its number of utterances and its seconds of sound.

        Where several may be no speech, or what may be none is the same words again and again, the text is improbable however
        probable it is: "beep, beep, beep", "Oh, oh, oh" to music.
        """
        words = len(decoded.words) or len(decoded.text.split())
        if decoded.capped or decoded.compression > self.most_compression or words > self._most_words(sound_seconds):
            return Verdict.CIRCULAR
        sparse = sound_seconds >= self.sparse_seconds and words < self.sparse_words_per_second * sound_seconds
        if decoded.no_speech > self.most_no_speech and (utterances > 1 or _repeats_only(decoded.text)):
            return Verdict.IMPROBABLE
        surely_speech = 0.0 if sparse else max(self.most_no_speech - decoded.no_speech, 0.0)
        least = max(self.least_log_probability - self.slope * surely_speech, self.surely_log_probability)
        return Verdict.IMPROBABLE if words and decoded.log_probability < least else Verdict.BELIEVED

    def doubts(self, words: Sequence[Word]) -> bool:
        """Whether the rest of a window cannot vouch for the words of one utterance in it.

        They are improbable for themselves; or they repeat themselves, as a decoder does that counts as one what several
        utterances said, and the next time as two.
        """
        improbable = sum(word.confidence for word in words) < self.least_confidence * len(words)
        return bool(words) and (improbable or _repeats([word.text for word in words]))

    def misses(self, missed: Sounding, words: Sequence[Word]) -> bool:
        """Whether an utterance lacks words, by the number of frames with sound that no word covers."""
        return self.misses_much(missed) if words else _milliseconds(missed) > self.most_missed_ms

    def misses_much(self, missed: Sounding) -> bool:
        """Whether an utterance that has words lacks others."""
        return _milliseconds(missed) > self.most_missed_beside_ms

    def _most_words(self, sound_seconds: float) -> float:
        return 2 + self.most_words_per_second * sound_seconds


def _repeats_only(text: str) -> bool:
    """Whether a text is nothing but the same words again and again, three times at least."""
    plain = [word for word in _plain(text.split()) if word]
    return any(all(word == plain[at % length] for at, word in enumerate(plain)) for length in range(1, len(plain) // 3 + 1))


def _repeats(texts: Sequence[str]) -> bool:
    """Whether words repeat themselves directly. Digits may: numbers have them twice."""
    plain = _plain(texts)
    return any(
        plain[begin : begin + length] == plain[begin + length : begin + 2 * length]
        and not all(text.isdigit() for text in plain[begin : begin + length])
        for length in range(1, len(plain) // 2 + 1)
        for begin in range(len(plain) - 2 * length + 1)
    )


def _plain(words: Iterable[str]) -> list[str]:
    """Words in lower case, without marks."""
    return ["".join(letter for letter in word.lower() if letter.isalnum()) for word in words]


def _milliseconds(frames: Sounding) -> int:
    return FRAME_MS * int(np.count_nonzero(frames))
