"""Chooses which captions an AudioHook client is told next, and writes them as transcript events. Pure.

The client takes so many messages a second. So what is final goes first, and of what is not final only the newest of each
channel, where there is room: the next one says it better anyway. Times are those of its session, which may be a later part of
the call; what was said before it began is not told.
"""

from collections import deque
from typing import Any

from steno.events.records import Hypothesis, Phrase
from steno_ingest.calls.doors.audiohook_messages import duration_of

# Phrases that wait to be sent. It takes minutes to fill at any pace that people speak at; the topics have them all in any case.
_MOST_WAITING = 1000

ANSWERS = 2
"""Messages that are left for answers to the peer, which cannot wait."""


class Captions:
    """Captions on their way to the peer."""

    def __init__(self, *, interim: bool, reserve: float) -> None:
        """`interim`: whether the peer is told what is not final yet. `reserve`: messages that are kept for what is final."""
        self._interim = interim
        self._reserve = reserve
        self._phrases: deque[Phrase] = deque(maxlen=_MOST_WAITING)
        self._hypotheses: dict[int, Hypothesis] = {}
        # Of each channel, where the last utterance began of which the peer has, or will have, the end.
        self._final_ms: dict[int, int] = {}
        self._wanted = True
        #: Where in the call the session begins.
        self.begin_ms = 0

    def add(self, caption: Hypothesis | Phrase) -> None:
        """Adds a caption to be sent. What is said of an utterance behind its phrase, or once more, is left out."""
        if not self._wanted or caption.start_ms <= self._final_ms.get(caption.channel, self.begin_ms - 1):
            return
        if isinstance(caption, Phrase):
            self._final_ms[caption.channel] = caption.start_ms
            self._hypotheses.pop(caption.channel, None)
            self._phrases.append(caption)
        elif self._interim:
            self._hypotheses[caption.channel] = caption

    def next(self, room: float) -> Hypothesis | Phrase | None:
        """The caption to send now, where there is room for so many messages."""
        room -= 1 + ANSWERS
        if self._phrases:
            return self._phrases.popleft() if room >= 0 else None
        if self._hypotheses and room >= self._reserve:
            return self._hypotheses.pop(next(iter(self._hypotheses)))
        return None

    def drop_hypotheses(self) -> None:
        """From now on only what is final is of interest."""
        self._interim = False
        self._hypotheses.clear()

    def drop_all(self) -> None:
        """From now on nothing is of interest."""
        self._wanted = False
        self._phrases.clear()
        self._hypotheses.clear()

    @property
    def waiting(self) -> bool:
        """Whether something final is still to be sent."""
        return bool(self._phrases)


def entity_of(caption: Hypothesis | Phrase, *, begin_ms: int = 0) -> dict[str, Any]:
    """The transcript entity of a caption, for a session that begins there in the call. The entities of an utterance have one
    id, and the final one is the last."""
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
        # As sure as there is text that two decodes agree on.
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
