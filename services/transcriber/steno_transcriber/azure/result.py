"""Reads what Azure answers for a recording, of a batch job or of fast transcription. Pure.

Sources: the result schemas `transcriptionresult_v3_2` and `transcriptionresult_v2024-11-15` of Azure-Samples/
cognitive-services-speech-sdk, and `TranscribeResult` of the API 2024-11-15.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from steno_transcriber.engines.port import FinalAnswer, RecordingAnswer
from steno_transcriber.speech import Recognition, Word

TICKS_PER_MS = 10_000


class UnreadableResult(ValueError):
    """An answer is not what the API describes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What was said in a recording, and the channels that were answered for; none where nothing was said on any."""

    channels: frozenset[int]
    answer: RecordingAnswer


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Word(_Part):
    word: str
    offset_in_ticks: float = Field(alias="offsetInTicks", ge=0)
    duration_in_ticks: float = Field(alias="durationInTicks", ge=0)
    confidence: float | None = None


class _Best(_Part):
    confidence: float = 0.0
    display: str = ""
    words: tuple[_Word, ...] | None = ()


class _Phrase(_Part):
    status: str = Field(default="Success", alias="recognitionStatus")
    channel: int = Field(ge=0)
    offset_in_ticks: float = Field(alias="offsetInTicks", ge=0)
    duration_in_ticks: float = Field(alias="durationInTicks", ge=0)
    best: tuple[_Best, ...] = Field(default=(), alias="nBest")
    locale: str | None = None


class _Channel(_Part):
    channel: int = Field(ge=0)


class _File(_Part):
    source: str
    duration_in_ticks: float = Field(alias="durationInTicks", ge=0)
    combined: tuple[_Channel, ...] = Field(alias="combinedRecognizedPhrases")
    recognized: tuple[_Phrase, ...] = Field(alias="recognizedPhrases")


class _FastWord(_Part):
    text: str
    offset: int = Field(alias="offsetMilliseconds", ge=0)
    duration: int = Field(alias="durationMilliseconds", ge=0)


class _FastPhrase(_Part):
    channel: int = Field(default=0, ge=0)
    offset: int = Field(alias="offsetMilliseconds", ge=0)
    duration: int = Field(alias="durationMilliseconds", ge=0)
    text: str
    words: tuple[_FastWord, ...] = ()
    confidence: float = 0.0
    locale: str | None = None


class _FastChannel(_Part):
    channel: int = Field(default=0, ge=0)


class _Fast(_Part):
    duration: int = Field(alias="durationMilliseconds", ge=0)
    combined: tuple[_FastChannel, ...] = Field(alias="combinedPhrases")
    phrases: tuple[_FastPhrase, ...]


def read_result(content: bytes, *, language: str) -> tuple[str, Result]:
    """Reads a result file of a batch job; returns the URL of the audio as the file names it, and the result.

    Args:
        language: The locale that was asked for, where the file names none.

    Raises:
        UnreadableResult: the file is not what its schema describes.
    """
    try:
        file = _File.model_validate_json(content)
    except ValidationError as error:
        raise UnreadableResult(_first(error)) from None
    said = []
    for phrase in file.recognized:
        best = phrase.best[0] if phrase.best else _Best()
        if phrase.status != "Success" or not best.display.strip():
            continue
        words = [
            (word.word, _ms(word.offset_in_ticks), _ms(word.duration_in_ticks), word.confidence) for word in best.words or ()
        ]
        said.append(
            _final(
                channel=phrase.channel,
                start_ms=_ms(phrase.offset_in_ticks),
                duration_ms=_ms(phrase.duration_in_ticks),
                text=best.display,
                confidence=best.confidence,
                words=words,
                language=phrase.locale or language,
            )
        )
    channels = {entry.channel for entry in file.combined} | {phrase.channel for phrase in file.recognized}
    return file.source, _result(said, channels=frozenset(channels), duration_ms=_ms(file.duration_in_ticks))


def read_fast(content: bytes, *, language: str) -> Result:
    """Reads the answer of fast transcription.

    Raises:
        UnreadableResult: it is not what the API describes.
    """
    try:
        fast = _Fast.model_validate_json(content)
    except ValidationError as error:
        raise UnreadableResult(_first(error)) from None
    said = [
        _final(
            channel=phrase.channel,
            start_ms=phrase.offset,
            duration_ms=phrase.duration,
            text=phrase.text,
            confidence=phrase.confidence,
            words=[(word.text, word.offset, word.duration, None) for word in phrase.words],
            language=phrase.locale or language,
        )
        for phrase in fast.phrases
        if phrase.text.strip()
    ]
    channels = {entry.channel for entry in fast.combined} | {phrase.channel for phrase in fast.phrases}
    return _result(said, channels=frozenset(channels), duration_ms=fast.duration)


def _final(
    *,
    channel: int,
    start_ms: int,
    duration_ms: int,
    text: str,
    confidence: float,
    words: Iterable[tuple[str, int, int, float | None]],
    language: str,
) -> FinalAnswer:
    confidence = _share(confidence)
    duration_ms = max(1, duration_ms)
    recognition = Recognition(
        text=text.strip(),
        confidence=confidence,
        words=tuple(
            _within(word, begin, length, confidence if sure is None else _share(sure), start_ms, start_ms + duration_ms)
            for word, begin, length, sure in words
            if word
        ),
        language=language.partition("-")[0].lower(),
    )
    return FinalAnswer(channel=channel, start_ms=start_ms, duration_ms=duration_ms, recognition=recognition)


def _within(text: str, begin: int, length: int, confidence: float, start_ms: int, end_ms: int) -> Word:
    """A word inside its phrase: rounding, or a correction of the service, may put it outside by a little."""
    first = min(max(begin, start_ms), end_ms)
    return Word(text=text, start_ms=first, duration_ms=max(0, min(begin + length, end_ms) - first), confidence=confidence)


def _result(said: Iterable[FinalAnswer], *, channels: frozenset[int], duration_ms: int) -> Result:
    finals = list(_apart(sorted(said, key=lambda final: (final.start_ms, final.channel))))
    finals.sort(key=lambda final: (final.start_ms, final.channel))
    return Result(
        channels=channels,
        answer=RecordingAnswer(
            finals=tuple(finals),
            channel_count=max(channels, default=0) + 1,
            duration_ms=max([duration_ms, *(final.end_ms for final in finals)]),
        ),
    )


def _apart(finals: Iterable[FinalAnswer]) -> Iterable[FinalAnswer]:
    """No two of a channel begin together, since ids follow from the start: a later one begins a millisecond after."""
    taken: set[tuple[int, int]] = set()
    for final in finals:
        start_ms = final.start_ms
        while (final.channel, start_ms) in taken:
            start_ms += 1
        taken.add((final.channel, start_ms))
        if start_ms == final.start_ms:
            yield final
        else:
            yield _final(
                channel=final.channel,
                start_ms=start_ms,
                duration_ms=final.end_ms - start_ms,
                text=final.recognition.text,
                confidence=final.recognition.confidence,
                words=[(word.text, word.start_ms, word.duration_ms, word.confidence) for word in final.recognition.words],
                language=final.recognition.language,
            )


def _ms(ticks: float) -> int:
    return round(ticks / TICKS_PER_MS)


def _share(confidence: float) -> float:
    return min(1.0, max(0.0, confidence)) if confidence == confidence else 0.0


def _first(error: ValidationError) -> str:
    fault: Any = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}".removeprefix(": ")
