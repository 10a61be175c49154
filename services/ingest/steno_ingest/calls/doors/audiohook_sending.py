"""Sends our messages of an AudioHook session: numbered, and no more than the client takes. Pure.

The client takes so many messages a second from a server, and answers more with error 429. It wants the answer to its first ping
as our second message, so what it did not ask for waits for that.
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
    """How many messages may be sent now: `burst` at once, `rate` a second from then on."""

    def __init__(self, *, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._level = burst
        self._at: float | None = None

    def level(self, now: float) -> float:
        """Messages that may be sent; below nothing where some had to go without."""
        if self._at is not None and now > self._at:
            self._level = min(self._burst, self._level + (now - self._at) * self._rate)
        if self._at is None or now > self._at:
            self._at = now
        return self._level

    def spend(self, now: float) -> None:
        """A message is sent."""
        self._level = self.level(now) - 1

    def wait(self, seconds: float, now: float) -> None:
        """The peer wants no more for so long."""
        self._level, self._at = 0, now + seconds


class Outgoing:
    """Our messages, numbered and limited."""

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
        """Checks the numbers of a message that came.

        Raises:
            BadMessage: it is of another session, it is not the next one, or it answers what we did not say.
        """
        if message.session_id.lower() != self._session_id.lower():
            raise BadMessage("the id is not that of the session")
        if message.sequence != self.client_sequence + 1:
            raise BadMessage(f"seq is {message.sequence}, and should be {self.client_sequence + 1}")
        self.client_sequence = message.sequence
        if message.server_sequence > self.sequence:
            raise BadMessage(f"serverseq is {message.server_sequence}, and only {self.sequence} were sent")

    def message(self, kind: str, parameters: Mapping[str, Any], *, now: float) -> SendText:
        """A message that does not wait: the peer asked for it, or it is the last one."""
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
        """A message without parameters that is sent once the peer is ready for it. Of several that wait, each kind stands once,
        where it came last."""
        if kind in self._requests:
            self._requests.remove(kind)
        self._requests.append(kind)

    def caption(self, caption: Hypothesis | Phrase) -> None:
        """A caption to be sent once there is room."""
        self._captions.add(caption)

    def begin_at(self, milliseconds: int) -> None:
        """The session begins there in the call."""
        self._captions.begin_ms = milliseconds

    def no_captions(self) -> None:
        """The peer takes none."""
        self._captions.drop_all()

    def only_final(self) -> None:
        """From now on only what is final is of interest."""
        self._captions.drop_hypotheses()

    def due(self, now: float) -> list[SendText]:
        """What may be sent now."""
        sent = []
        while self._requests and self._bucket.level(now) >= 1 + ANSWERS:
            sent.append(self.message(self._requests.popleft(), {}, now=now))
        while caption := self._captions.next(self._bucket.level(now)):
            sent.append(self.message("event", {"entities": [entity_of(caption, begin_ms=self._captions.begin_ms)]}, now=now))
        return sent

    def wait(self, seconds: float, *, now: float) -> None:
        """The peer wants no more captions for so long."""
        self._bucket.wait(seconds, now)

    @property
    def all_sent(self) -> bool:
        """Whether all that is final was sent."""
        return not self._captions.waiting
