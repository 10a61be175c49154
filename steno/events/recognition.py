"""What a publisher asks of a speech engine: `RecognitionOptions`, one frozen value that every engine is given. Pure.

A record carries it in two fields: `locale`, and `recognition` for all the rest.
"""

from enum import StrEnum
from typing import Annotated, Protocol

from pydantic import Field

from steno.events.fields import Locale, OptionName
from steno.events.values import Value


class Profanity(StrEnum):
    """What is written for a swear word; UNKNOWN is a choice of a later version."""

    UNKNOWN = "unknown"
    AS_SPOKEN = "as_spoken"
    MASKED = "masked"
    REMOVED = "removed"


class RecognitionDetails(Value):
    """All that is asked of an engine but the language."""

    candidate_locales: Annotated[tuple[Locale, ...], Field(max_length=16)] = ()
    hints: Annotated[tuple[OptionName, ...], Field(max_length=200)] = ()
    vocabulary: OptionName = ""
    profanity: Profanity = Profanity.AS_SPOKEN
    model: OptionName = ""
    words: bool = True
    redaction: OptionName = ""


class RecognitionOptions(RecognitionDetails):
    """Everything that is asked of an engine.

    | option | means |
    |---|---|
    | `locale` | BCP 47 tag of the language; empty: the engine chooses |
    | `candidate_locales` | the languages it chooses among; empty: all that it knows |
    | `hints` | words and phrases that are likely to be said; an engine that cannot use them ignores them |
    | `vocabulary` | name of a vocabulary that the operator keeps |
    | `profanity` | what is written for a swear word |
    | `model` | name of the model that is to be used; empty: the operator's choice |
    | `words` | whether the phrases carry their words with times |
    | `redaction` | name of the redaction policy; empty: nothing is redacted |

    An engine cannot serve an option that is not in its power; then the transcript fails, except for `hints`.
    """

    locale: Locale = ""


class _Asked(Protocol):
    @property
    def locale(self) -> str: ...

    @property
    def recognition(self) -> RecognitionDetails: ...


class AsksForRecognition:
    """Mixin of the records that carry recognition options, in the fields `locale` and `recognition`."""

    @property
    def options(self: _Asked) -> RecognitionOptions:
        """What is asked of the engine."""
        details = {name: getattr(self.recognition, name) for name in RecognitionDetails.model_fields}
        return RecognitionOptions(locale=self.locale, **details)
