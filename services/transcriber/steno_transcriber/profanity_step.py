"""The step that masks or removes English swear words. Pure.

| | masked | removed |
|---|---|---|
| "Shit, it's gone." | "****, it's gone." | "it's gone." |
| its words | each letter an asterisk, times as they are | without the word |

A phrase of which nothing is left keeps its place, with an empty text.
"""

import re
from collections.abc import Callable

from steno.events.records import Phrase
from steno_transcriber.english_swear_words import is_swear_word

_WORD = re.compile(r"[^\W\d_]+(?:['\N{RIGHT SINGLE QUOTATION MARK}][^\W\d_]+)*")
_LETTER = re.compile(r"[^\W\d_]")


class MaskingStep:
    """Writes an asterisk for each letter of a swear word."""

    name = "profanity"

    def apply(self, phrase: Phrase, state: str) -> tuple[Phrase, str]:
        """See `steno_transcriber.steps.Step`."""
        return _changed(phrase, _masked), state


class RemovingStep:
    """Leaves swear words out, with the punctuation at them."""

    name = "profanity"

    def apply(self, phrase: Phrase, state: str) -> tuple[Phrase, str]:
        """See `steno_transcriber.steps.Step`."""
        return _changed(phrase, _without), state


def _changed(phrase: Phrase, change: Callable[[str], str]) -> Phrase:
    words = tuple(word.model_copy(update={"text": text}) for word in phrase.words if (text := change(word.text)))
    return phrase.model_copy(update={"text": change(phrase.text), "words": words})


def _masked(text: str) -> str:
    return _WORD.sub(lambda found: _LETTER.sub("*", found[0]) if is_swear_word(found[0]) else found[0], text)


def _without(text: str) -> str:
    if not any(map(is_swear_word, _WORD.findall(text))):
        return text
    return " ".join(left for part in text.split() if (left := _rest_of(part)))


def _rest_of(part: str) -> str:
    """What is left of a part of a text that has no spaces; nothing where only punctuation is."""
    if not any(map(is_swear_word, _WORD.findall(part))):
        return part
    rest = _WORD.sub(lambda found: "" if is_swear_word(found[0]) else found[0], part).strip("-")
    return rest if _WORD.search(rest) else ""
