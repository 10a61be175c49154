"""Sends the server's messages of an AudioHook session, numbered and within the client's rate limit. Pure.

The client accepts a limited number of messages per second, and answers further ones with error 429. It expects the pong to its
first ping as our second message, so other messages wait for that.
"""

import json
from collections import deque
from collections.abc import Mapping
from typing import Any

from steno.events.records import Hypothesis, Phrase
from steno_ingest.calls.doors.actions import SendText
from steno_ingest.calls.doors.audiohook_captions import ANSWERS, Captions, entity_of
from steno_ingest.calls.doors.audiohook_messages import BadMessage, ClientMessage


class TokenBucket:
    """The rate limit of messages: a burst of `burst`, then `rate` per second."""

    def __init__(self, *, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._level = burst
        self._at: float | None = None

    def level(self, now: float) -> float:
        """Returns how many messages may be sent; negative if some were sent beyond the limit."""
        if self._at is not None and now > self._at:
            self._level = min(self._burst, self._level + (now - self._at) * self._rate)
        if self._at is None or now > self._at:
            self._at = now
        return self._level

    def spend(self, now: float) -> None:
        """Takes a token for a message."""
        self._level = self.level(now) - 1

    def wait(self, seconds: float, now: float) -> None:
        """Empties the bucket until the peer accepts messages again."""
        self._level, self._at = 0, now + seconds


class Outgoing:
    """The numbered messages to the peer, within the rate limit."""

    def __init__(self, session_id: str, *, bucket: TokenBucket, captions: Captions) -> None:
        self._session_id = session_id
        self._bucket = bucket
        self._captions = captions
        self._requests: deque[str] = deque()
        #: The number of our last message.
        self.sequence = 0
        #: The number of the peer's last message.
        self.client_sequence = 0

    def check(self, message: ClientMessage) -> None:
        """Checks the numbers of a received message.

        Raises:
            BadMessage: it belongs to another session, is not the next one, or acknowledges a message that was not sent.
        """
        if message.session_id.lower() != self._session_id.lower():
            raise BadMessage("the id is not that of the session")
        if message.sequence != self.client_sequence + 1:
            raise BadMessage(f"seq is {message.sequence}, but should be {self.client_sequence + 1}")
        self.client_sequence = message.sequence
        if message.server_sequence > self.sequence:
            raise BadMessage(f"serverseq is {message.server_sequence}, but only {self.sequence} were sent")

    def message(self, kind: str, parameters: Mapping[str, Any], *, now: float) -> SendText:
        """Makes a message that is sent immediately: an answer, or the last one."""
        self._bucket.spend(now)
        self.sequence += 1
        content = {
            "version": "2",
            "id": self._session_id,
            "type": kind,
            "seq": self.sequence,
            "clientseq": self.client_sequence,
            "parameters": parameters,
        }
        return SendText(text=json.dumps(content, ensure_ascii=False, separators=(",", ":")))

    def request(self, kind: str) -> None:
        """Adds a message without parameters, sent when the rate limit allows it. A waiting one of the same kind is replaced."""
        if kind in self._requests:
            self._requests.remove(kind)
        self._requests.append(kind)

    def caption(self, caption: Hypothesis | Phrase) -> None:
        """Adds a caption, sent when the rate limit allows it."""
        self._captions.add(caption)

    def begin_at(self, milliseconds: int) -> None:
        """Sets the position in the call where the session begins."""
        self._captions.begin_ms = milliseconds

    def no_captions(self) -> None:
        """Drops all captions, since the peer does not accept them."""
        self._captions.drop_all()

    def only_final(self) -> None:
        """Drops interim captions from now on."""
        self._captions.drop_hypotheses()

    def due(self, now: float) -> list[SendText]:
        """Returns the messages that may be sent now."""
        sent = []
        while self._requests and self._bucket.level(now) >= 1 + ANSWERS:
            sent.append(self.message(self._requests.popleft(), {}, now=now))
        while caption := self._captions.next(self._bucket.level(now)):
            sent.append(self.message("event", {"entities": [entity_of(caption, begin_ms=self._captions.begin_ms)]}, now=now))
        return sent

    def wait(self, seconds: float, *, now: float) -> None:
        """Sends no more captions for so long."""
        self._bucket.wait(seconds, now)

    @property
    def all_sent(self) -> bool:
        """Whether all final captions were sent."""
        return not self._captions.waiting
