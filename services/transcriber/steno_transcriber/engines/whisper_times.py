"""Shortens words that last implausibly long to where there is sound. Pure.

The model shares out all of a window among its words: one behind a pause begins in the pause, one before it may end there, and
what was not heard belongs to whichever word came next. (OpenAI's `timing.py` shortens such words at the borders of sentences;
here the sound decides.)
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from steno_transcriber.engines.loudness import FRAME_MS, Sounding

SECONDS_AT_MOST = 0.6
SECONDS_A_LETTER = 0.1
LETTERS_A_DIGIT = 4
"""A digit is a word, when spoken."""
MUCH = 1.5
HEARD_SECONDS = 0.2
"""Less sound than this is no word."""
SENTENCE_ENDS = ".?!。！？"  # noqa: RUF001 - full-width on purpose
FRAME_SECONDS = FRAME_MS / 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedWord:
    """A word from the model: seconds from the start of the window, probability from 0 to 1."""

    text: str
    start: float
    end: float
    probability: float


def within_sound(words: Iterable[TimedWord], sound: Sounding) -> Iterator[TimedWord]:
    """Give the words, with those that are much too long shortened to where there is sound.

    `sound` are the frames of the window.
    """
    begins_sentence = True
    for word in words:
        most = longest(word.text)
        too_long = word.end - word.start > MUCH * most
        yield _shortened(word, most, sound, late=begins_sentence) if too_long else word
        begins_sentence = word.text[-1] in SENTENCE_ENDS


def longest(text: str) -> float:
    """The maximum duration of a word, in seconds."""
    return SECONDS_AT_MOST + SECONDS_A_LETTER * sum(LETTERS_A_DIGIT if letter.isdigit() else 1 for letter in text)


def _shortened(word: TimedWord, most: float, sound: Sounding, *, late: bool) -> TimedWord:
    """`most` seconds of the word: the last if `late`, else the first, if there is sound in them; else where there is most."""
    length = round(most / FRAME_SECONDS)
    first, last = int(word.start / FRAME_SECONDS), int(word.end / FRAME_SECONDS) - length
    sounding = [int(np.count_nonzero(sound[begin : begin + length])) for begin in range(first, max(first, last) + 1)]
    usual = -1 if late else 0
    if sounding[usual] * FRAME_SECONDS >= HEARD_SECONDS:
        return replace(word, start=word.end - most) if late else replace(word, end=word.start + most)
    best = len(sounding) - 1 - int(np.argmax(sounding[::-1])) if late else int(np.argmax(sounding))
    start = word.start + best * FRAME_SECONDS
    return replace(word, start=start, end=min(start + most, word.end))
