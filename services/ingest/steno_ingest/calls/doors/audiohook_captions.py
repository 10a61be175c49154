"""Chooses the next captions for an AudioHook client, and writes them as transcript events. Pure.

The client accepts a limited number of messages per second. So final captions are sent first, and of interim captions only the
newest of each channel, if there is room. Times are relative to the session, which may begin later than the call; earlier
captions are not sent.
"""

from collections import deque
from typing import Any

from steno.events.records import Hypothesis, Phrase
from steno_ingest.calls.doors.audiohook_messages import duration_of

# The number of phrases that may wait. Filling it takes minutes of speech; the topics have all phrases in any case.
_MOST_WAITING = 1000

ANSWERS = 2
"""The number of messages reserved for answers to the peer, which cannot wait."""


class Captions:
    """The captions that wait to be sent to the peer."""

    def __init__(self, *, interim: bool, reserve: float) -> None:
        """`interim`: whether interim captions are sent. `reserve`: the number of messages reserved for final captions."""
        self._interim = interim
        self._reserve = reserve
        self._phrases: deque[Phrase] = deque(maxlen=_MOST_WAITING)
        self._hypotheses: dict[int, Hypothesis] = {}
        # The start of the last final caption of each channel, sent or waiting.
        self._final_ms: dict[int, int] = {}
        self._wanted = True
        #: The position in the call where the session begins.
        self.begin_ms = 0

    def add(self, caption: Hypothesis | Phrase) -> None:
        """Adds a caption. Captions of an utterance whose phrase was already added are ignored."""
        if not self._wanted or caption.start_ms <= self._final_ms.get(caption.channel, self.begin_ms - 1):
            return
        if isinstance(caption, Phrase):
            self._final_ms[caption.channel] = caption.start_ms
            self._hypotheses.pop(caption.channel, None)
            self._phrases.append(caption)
        elif self._interim:
            self._hypotheses[caption.channel] = caption

    def next(self, room: float) -> Hypothesis | Phrase | None:
        """Returns the caption to send now, if any; `room` is the number of messages that may be sent."""
        room -= 1 + ANSWERS
        if self._phrases:
            return self._phrases.popleft() if room >= 0 else None
        if self._hypotheses and room >= self._reserve:
            return self._hypotheses.pop(next(iter(self._hypotheses)))
        return None

    def drop_hypotheses(self) -> None:
        """Drops interim captions from now on."""
        self._interim = False
        self._hypotheses.clear()

    def drop_all(self) -> None:
        """Drops all captions from now on."""
        self._wanted = False
        self._phrases.clear()
        self._hypotheses.clear()

    @property
    def waiting(self) -> bool:
        """Whether a final caption waits."""
        return bool(self._phrases)


def entity_of(caption: Hypothesis | Phrase, *, begin_ms: int = 0) -> dict[str, Any]:
    """Writes the transcript entity of a caption, for a session that begins at `begin_ms` of the call.

    All entities of an utterance have the same id, and the final one is the last.
    """
    interpretation: dict[str, Any] = {"type": "display", "transcript": caption.text}
    if isinstance(caption, Phrase):
        confidence = caption.confidence
        interpretation["tokens"] = [
            {
                "type": "word",
                "value": word.text,
                "confidence": round(word.confidence, 4),
                "offset": duration_of(max(0, word.start_ms - begin_ms)),
                "duration": duration_of(word.duration_ms),
                "language": caption.locale,
            }
            for word in caption.words
        ]
    else:
        # The share of the text on which two decodes agree.
        confidence = min(1.0, len(caption.stable_text) / len(caption.text)) if caption.text else 0.0
    return {
        "type": "transcript",
        "data": {
            "id": caption.phrase_id,
            "channelId": caption.channel,
            "isFinal": isinstance(caption, Phrase),
            "offset": duration_of(caption.start_ms - begin_ms),
            "duration": duration_of(caption.duration_ms),
            "alternatives": [
                {
                    "confidence": round(confidence, 4),
                    "languages": [caption.locale],
                    "interpretations": [interpretation],
                }
            ],
        },
    }
