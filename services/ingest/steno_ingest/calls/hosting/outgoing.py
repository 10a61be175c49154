"""The bounded queue of messages to a peer: a slow reader misses hypotheses, one that does not read is cut off."""

import asyncio
from collections import deque

from steno_ingest.calls.doors.actions import Close, SendBytes, SendText
from steno_ingest.metrics import HYPOTHESES_DROPPED

Message = SendText | SendBytes | Close

_SLOW = 32
"""How many messages may wait before hypotheses are dropped, which the next one replaces anyway."""

_MOST_MESSAGES = 1000
_MOST_BYTES = 1 << 20


class PeerNotReading(Exception):
    """Too much waits for a peer that does not read."""


class Outgoing:
    """A bounded queue of messages. After a `Close` nothing is added."""

    def __init__(self) -> None:
        self._queue: deque[Message] = deque()
        self._bytes = 0
        self._not_empty = asyncio.Event()
        self._has_room = asyncio.Event()
        self._has_room.set()
        #: Whether a `Close` waits or was sent.
        self.closing = False

    def close(self, message: Close) -> None:
        """Adds the last message."""
        if not self.closing:
            self.closing = True
            self._queue.append(message)
            self._not_empty.set()

    def put(self, message: SendText | SendBytes, *, droppable: bool = False) -> None:
        """Adds a message.

        Args:
            droppable: Whether it may be dropped if many others wait.

        Raises:
            PeerNotReading: too many wait.
        """
        if self.closing:
            return
        if droppable and len(self._queue) >= _SLOW:
            HYPOTHESES_DROPPED.inc()
            return
        self._queue.append(message)
        self._bytes += _size(message)
        self._not_empty.set()
        if len(self._queue) >= _SLOW:
            self._has_room.clear()
        if len(self._queue) > _MOST_MESSAGES or self._bytes > _MOST_BYTES:
            raise PeerNotReading(f"{len(self._queue)} messages of {self._bytes} bytes wait for a peer that does not read")

    async def get(self) -> Message:
        """Waits for the next message."""
        while not self._queue:
            self._not_empty.clear()
            await self._not_empty.wait()
        message = self._queue.popleft()
        self._bytes -= _size(message)
        if len(self._queue) < _SLOW:
            self._has_room.set()
        return message

    async def wait_for_room(self) -> None:
        """Waits until few messages wait."""
        await self._has_room.wait()


def _size(message: Message) -> int:
    match message:
        case SendText():
            return len(message.text)
        case SendBytes():
            return len(message.data)
        case Close():
            return 0
