"""Writes the messages of one turn for a Speech SDK client. Pure."""

from typing import Any

from steno.events.records import Hypothesis, Phrase
from steno_ingest.calls.doors import speech_sdk_messages as messages
from steno_ingest.calls.doors.actions import SendText
from steno_ingest.calls.doors.speech_sdk_phrases import TICKS_PER_MS, Status, hypothesis_body, phrase_body, status_body
from steno_ingest.calls.doors.speech_sdk_turn import Token, Turn


class TurnWriter:
    """Writes the messages of a turn. Places are ticks in the audio of the call."""

    def __init__(self, turn: Turn, *, channels: int, origin: int, token: Token | None) -> None:
        """
        Args:
            channels: The number of channels of the call.
            origin: Where the call begins in the session of the client, in ticks.
            token: What the client has of its call with these messages.
        """
        self._turn = turn
        self._channels = channels
        self._base = -origin if turn.options.session_offsets else turn.begin_ticks
        self._known_until = 0 if token is None else token.ticks - origin - turn.begin_ticks
        self._token = token

    def start(self) -> SendText:
        """The beginning of the turn."""
        return self._message("turn.start", {"context": {"serviceTag": self._turn.request_id}})

    def start_detected(self, caption: Hypothesis | Phrase) -> SendText:
        """Somebody begins to speak."""
        return self._message("speech.startDetected", {"Offset": self._offset(caption.start_ms * TICKS_PER_MS)})

    def hypothesis(self, hypothesis: Hypothesis) -> SendText:
        """What was said so far."""
        body = hypothesis_body(hypothesis, self._turn.options, base=self._base, channels=self._channels)
        return self._message("speech.hypothesis", body)

    def phrase(self, phrase: Phrase) -> SendText:
        """What was said."""
        body = phrase_body(phrase, self._turn.options, base=self._base, channels=self._channels)
        return self._message("speech.phrase", body)

    def silence(self, until: int) -> SendText:
        """Nobody spoke from the beginning of the turn on."""
        return self._message("speech.phrase", status_body(Status.INITIAL_SILENCE, offset=self._offset(until)))

    def no_match(self, until: int) -> SendText:
        """Nothing was said that could be written down."""
        return self._message("speech.phrase", status_body(Status.NO_MATCH, offset=self._offset(until)))

    def acknowledgement(self, until: int) -> SendText:
        """The audio up to here need not be sent again."""
        return self._message("speech.phrase", status_body(Status.END_OF_DICTATION, offset=self._offset(until)))

    def end_detected(self, at: int) -> SendText:
        """The audio of the turn has ended."""
        return self._message("speech.endDetected", {"Offset": self._offset(at)})

    def end(self) -> SendText:
        """The end of the turn."""
        return self._message("turn.end", {})

    def _offset(self, ticks: int) -> int:
        return max(0, ticks - self._base)

    def _message(self, path: str, body: Any) -> SendText:
        headers: dict[str, str] = {}
        # With it in a message before the first phrase, the native SDK would not say any more where its audio begins.
        if path == "speech.phrase" and self._turn.options.continuation.said and self._token is not None:
            headers["X-Continuation-Token"] = str(self._token)
            if self._turn.options.session_offsets:
                # The SDK for JavaScript reads it to drop audio; the native one would take its places from it.
                headers["X-Continuation-Audio-Streams-1-Offset"] = str(max(0, self._known_until))
        return SendText(text=messages.write(path, self._turn.request_id, body, headers=headers))
