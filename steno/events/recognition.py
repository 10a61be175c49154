"""What a publisher asks of a speech engine: `RecognitionOptions`, one frozen value that every engine is given. Pure.

A record carries it in two fields: `locale`, and `recognition` for all the rest.
"""

from enum import StrEnum
from typing import Annotated, Protocol

from pydantic import AfterValidator, Field

from steno.events.fields import Locale, OptionName
from steno.events.values import Value


class Profanity(StrEnum):
    """What is written for a swear word; UNKNOWN is a choice of a later version."""

    UNKNOWN = "unknown"
    AS_SPOKEN = "as_spoken"
    MASKED = "masked"
    REMOVED = "removed"


SHORTEST_SILENCE_MS, LONGEST_SILENCE_MS = 100, 5_000


def _silence(milliseconds: int) -> int:
    if 0 < milliseconds < SHORTEST_SILENCE_MS:
        raise ValueError(f"must be 0 or {SHORTEST_SILENCE_MS} to {LONGEST_SILENCE_MS} ms")
    return milliseconds


SegmentationSilence = Annotated[int, Field(ge=0, le=LONGEST_SILENCE_MS), AfterValidator(_silence)]


class RecognitionDetails(Value):
    """All that is asked of an engine but the language."""

    candidate_locales: Annotated[tuple[Locale, ...], Field(max_length=16)] = ()
    hints: Annotated[tuple[OptionName, ...], Field(max_length=200)] = ()
    vocabulary: OptionName = ""
    profanity: Profanity = Profanity.AS_SPOKEN
    model: OptionName = ""
    words: bool = True
    redaction: OptionName = ""
    segmentation_silence_ms: SegmentationSilence = 0


class RecognitionOptions(RecognitionDetails):
    """Everything that is asked of an engine.

    | option | means |
    |---|---|
    | `locale` | BCP 47 tag of the language; empty: the engine chooses |
    | `candidate_locales` | the languages it chooses among; empty: all that it knows |
    | `hints` | what is likely to be said, what matters first; an engine that cannot use them ignores them |
    | `vocabulary` | name of a vocabulary that the operator keeps |
    | `profanity` | what is written for a swear word; `masked` and `removed` for English only |
    | `model` | name of the model that is to be used; empty: the operator's choice |
    | `words` | whether the phrases carry their words with times |
    | `redaction` | name of the redaction policy; empty: nothing is redacted |
    | `segmentation_silence_ms` | the silence that ends an utterance, 100 to 5000; 0: the service's own |

    An engine cannot serve an option that is not in its power; then the transcript fails. Two are ignored instead: `hints`, and
    by a call engine, which cuts the audio itself, `segmentation_silence_ms`.
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
