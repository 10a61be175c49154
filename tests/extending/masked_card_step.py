"""A whole step before publication: it masks the digits of a card. The worked example of `docs/extending.md`."""

import re

from steno.events.records import Phrase


class MaskedCard:
    """Masks the digits of the phrase that follows one in which a card number is asked for."""

    name = "masked_card"

    def apply(self, phrase: Phrase, state: str) -> tuple[Phrase, str]:
        """The state is "asked" behind such a phrase."""
        after = "asked" if "card number" in phrase.text.lower() else ""
        if state != "asked":
            return phrase, after
        words = tuple(word.model_copy(update={"text": _masked(word.text)}) for word in phrase.words)
        return phrase.model_copy(update={"text": _masked(phrase.text), "words": words}), after


def _masked(text: str) -> str:
    return re.sub(r"\d", "x", text)
