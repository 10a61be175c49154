"""What the Speech SDK says of one channel, as answers of a call engine. Pure.

The SDK counts from the first sample that it was given, in ticks of 100 ns. The times of words count from the beginning of the
service's turn instead; the SDK moves the time of the whole result and leaves theirs, so the same difference moves them.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from steno_transcriber.engines.port import Answer, EngineUnavailable, FinalAnswer, PartialAnswer, SilentUntil
from steno_transcriber.speech import Recognition, Word

TICKS_PER_MS = 10_000

MOST_TICKS = 1 << 62
"""No time of a call is so late; Python reads `Infinity` in JSON as well."""

_NOTHING = Recognition(text="", confidence=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A result as the SDK gives it: `detail` is the JSON of the service, whose times count from its turn."""

    channel: int
    offset: int
    duration: int
    text: str
    detail: str

    def until(self, end: int) -> "Result":
        """The result as far as it lies before the end of what was sent: audio behind it is not answered by it."""
        offset = min(self.offset, end)
        duration = min(self.duration, end - offset)
        return self if (offset, duration) == (self.offset, self.duration) else replace(self, offset=offset, duration=duration)


class ChannelAnswers:
    """Turns the results of one channel into answers that are in order of time and never overlap.

    A final answer takes the start of the hypotheses before it, which the service may place a little differently, so that it
    takes their place.
    """

    def __init__(self, channel: int, *, begin_ms: int, language: str) -> None:
        self._channel = channel
        self._begin_ms = begin_ms
        self._language = language
        self._settled_ms = begin_ms
        self._open_ms: int | None = None
        self._doubtful = False

    @property
    def speaking(self) -> bool:
        """Whether there was a hypothesis whose phrase has not come."""
        return self._open_ms is not None

    def disconnected(self) -> None:
        """The connection is gone, and the SDK makes another one. It may not send again what a hypothesis was of."""
        self._doubtful = self.speaking

    def hypothesis(self, result: Result) -> list[Answer]:
        """What was said so far. A late one, of what is answered already, is left out."""
        start_ms, end_ms = self._span(result)
        if end_ms <= self._settled_ms or not result.text:
            return []
        if self._open_ms is None:
            self._open_ms = max(start_ms, self._settled_ms)
        end_ms = max(end_ms, self._open_ms + 1)
        said = Recognition(text=result.text, confidence=0.0, language=self._language)
        duration_ms = end_ms - self._open_ms
        return [PartialAnswer(channel=self._channel, start_ms=self._open_ms, duration_ms=duration_ms, recognition=said)]

    def phrase(self, result: Result) -> list[Answer]:
        """What was said.

        Raises:
            EngineUnavailable: the service answered nonsense.
        """
        start_ms, end_ms = self._span(result)
        if end_ms <= self._settled_ms:
            return []
        if self._open_ms is None:
            self._open_ms = max(start_ms, self._settled_ms)
        end_ms = max(end_ms, self._open_ms + 1)
        return [self._final(self._recognition(result, start_ms=self._open_ms, end_ms=end_ms), end_ms)]

    def nothing(self, result: Result) -> list[Answer]:
        """Nothing was said until the end of the result, or nothing that the service understood. Raises as `silent_until`."""
        return self.silent_until(self._span(result)[1])

    def silent_until(self, until_ms: int) -> list[Answer]:
        """Nothing more is answered of the audio before a time.

        Raises:
            EngineUnavailable: there was a hypothesis on a connection that is gone, so that silence is no answer to it.
        """
        if self._doubtful:
            raise EngineUnavailable("a connection was lost while somebody spoke, and the next one has heard nothing of it")
        if self._open_ms is not None:
            return [self._final(_NOTHING, max(until_ms, self._open_ms + 1))]
        if until_ms <= self._settled_ms:
            return []
        self._settled_ms = until_ms
        return [SilentUntil(channel=self._channel, until_ms=until_ms)]

    def _final(self, recognition: Recognition, end_ms: int) -> FinalAnswer:
        assert self._open_ms is not None
        start_ms, self._open_ms, self._settled_ms, self._doubtful = self._open_ms, None, end_ms, False
        return FinalAnswer(channel=self._channel, start_ms=start_ms, duration_ms=end_ms - start_ms, recognition=recognition)

    def _span(self, result: Result) -> tuple[int, int]:
        begin = self._begin_ms + result.offset // TICKS_PER_MS
        return begin, self._begin_ms + (result.offset + result.duration) // TICKS_PER_MS

    def _recognition(self, result: Result, *, start_ms: int, end_ms: int) -> Recognition:
        detail = _detail(result.detail)
        best = _best(detail)
        confidence = _share(best.get("Confidence", detail.get("Confidence", 0.0)))
        moved = self._begin_ms * TICKS_PER_MS + result.offset - _ticks(detail.get("Offset", result.offset))
        words = []
        for told in _list(best.get("Words")):
            text = str(told.get("Word", "")).strip()
            begin = min(max((_ticks(told.get("Offset")) + moved) // TICKS_PER_MS, start_ms), end_ms)
            end = min(max((_ticks(told.get("Offset")) + _ticks(told.get("Duration")) + moved) // TICKS_PER_MS, begin), end_ms)
            if text:
                share = _share(told.get("Confidence", confidence))
                words.append(Word(text=text, start_ms=begin, duration_ms=end - begin, confidence=share))
        language = _language(detail) or self._language
        return Recognition(text=result.text.strip(), confidence=confidence, words=tuple(words), language=language)


def _detail(text: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text) if text else {}
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise EngineUnavailable("Azure answered a phrase that is no JSON object")
    return found


def _best(detail: Mapping[str, Any]) -> Mapping[str, Any]:
    return next(iter(_list(detail.get("NBest"))), {})


def _list(value: object) -> Sequence[Mapping[str, Any]]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def _language(detail: Mapping[str, Any]) -> str:
    told = detail.get("PrimaryLanguage")
    return str(told.get("Language", "")).split("-")[0].lower() if isinstance(told, dict) else ""


def _ticks(value: object) -> int:
    return int(value) if isinstance(value, int | float) and 0 <= value < MOST_TICKS else 0


def _share(value: object) -> float:
    return min(1.0, max(0.0, float(value))) if isinstance(value, int | float) else 0.0
