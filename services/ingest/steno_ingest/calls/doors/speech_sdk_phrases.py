"""Writes captions for Speech SDK clients, as its protocol has them: `speech.hypothesis` and `speech.phrase`. Pure.

Times are ticks of 100 ns. Keys are those that the SDK reads (`DetailedSpeechPhrase.ts` and others in
microsoft/cognitive-services-speech-sdk-js).
"""

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from steno.events.records import Hypothesis, Phrase, Word
from steno_ingest.calls.doors.speech_sdk_options import SdkOptions

TICKS_PER_MS = 10_000

_PUNCTUATION = re.compile(r"[^\w\s'\u2019-]|(?<!\w)['\u2019-]|['\u2019-](?!\w)")


class Status(StrEnum):
    """Values of `RecognitionStatus`."""

    SUCCESS = "Success"
    NO_MATCH = "NoMatch"
    INITIAL_SILENCE = "InitialSilenceTimeout"
    #: Raises no event in any client, and acknowledges audio.
    END_OF_DICTATION = "EndOfDictation"


def hypothesis_body(hypothesis: Hypothesis, options: SdkOptions, *, base: int, channels: int) -> Mapping[str, Any]:
    """Writes a hypothesis of a call with so many channels. `base` is where offsets count from, in ticks of the call's audio."""
    return {
        **_place(hypothesis, base=base),
        "Text": hypothesis.text,
        **_who(hypothesis, options, channels),
    }


def phrase_body(phrase: Phrase, options: SdkOptions, *, base: int, channels: int) -> Mapping[str, Any]:
    """Writes a phrase of a call with so many channels. `base` is where offsets count from, in ticks of the call's audio."""
    told = {
        "Id": phrase.phrase_id,
        "RecognitionStatus": Status.SUCCESS.value,
        "DisplayText": phrase.text,
        **_place(phrase, base=base),
        **_who(phrase, options, channels),
    }
    if options.detailed:
        told["NBest"] = [_alternative(phrase, base=base)]
    return told


def status_body(status: Status, *, offset: int, duration: int = 0) -> Mapping[str, Any]:
    """Writes a phrase without words."""
    return {"RecognitionStatus": status.value, "Offset": offset, "Duration": duration}


def lexical(text: str) -> str:
    """A text as words alone: lower case, no punctuation. Numbers stay as they are written."""
    return " ".join(_PUNCTUATION.sub(" ", text).lower().split())


def _alternative(phrase: Phrase, *, base: int) -> Mapping[str, Any]:
    words = lexical(phrase.text)
    return {
        "Confidence": phrase.confidence,
        "Lexical": words,
        "ITN": words,
        "MaskedITN": words,
        "Display": phrase.text,
        "Words": _words(phrase.words, base=base),
        "DisplayWords": [
            {"DisplayText": word.text, **_span(word.start_ms, word.duration_ms, base=base)} for word in phrase.words
        ],
    }


def _words(words: Sequence[Word], *, base: int) -> list[Mapping[str, Any]]:
    return [
        {"Word": said, **_span(word.start_ms, word.duration_ms, base=base), "Confidence": word.confidence}
        for word in words
        if (said := lexical(word.text))
    ]


def _place(caption: Hypothesis | Phrase, *, base: int) -> dict[str, Any]:
    return dict(_span(caption.start_ms, caption.duration_ms, base=base))


def _span(start_ms: int, duration_ms: int, *, base: int) -> Mapping[str, int]:
    """What began before the turn begins with it: an offset is not negative."""
    start = max(0, start_ms * TICKS_PER_MS - base)
    return {"Offset": start, "Duration": max(0, (start_ms + duration_ms) * TICKS_PER_MS - base - start)}


def _who(caption: Hypothesis | Phrase, options: SdkOptions, channels: int) -> dict[str, Any]:
    """The channel, the speaker and the language, where they were asked for. In one channel nobody tells speakers apart."""
    told: dict[str, Any] = {}
    if options.separate_channels:
        told["Channel"] = caption.channel
    if options.speakers:
        told["SpeakerId"] = f"Guest-{caption.channel + 1}" if channels > 1 else "Unknown"
    if options.recognition.candidate_locales:
        told["PrimaryLanguage"] = {"Language": caption.locale or "Unknown", "Confidence": "Unknown"}
    return told
