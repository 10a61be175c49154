"""Queues what waits to be sent to a peer, bounded: one that reads slowly misses hypotheses, one that never reads is cut off."""

import asyncio
from collections import deque

from steno_ingest.calls.doors.actions import Close, SendBytes, SendText
from steno_ingest.metrics import HYPOTHESES_DROPPED

Message = SendText | SendBytes | Close

_SLOW = 32
"""Messages that may wait before hypotheses are left out: the next one replaces them anyway."""

_MOST_MESSAGES = 1000
_MOST_BYTES = 1 << 20


class PeerNotReading(Exception):
    """A peer has let more wait than may."""


class Outgoing:
    """A bounded queue of messages; nothing is added behind a `Close`."""

    def __init__(self) -> None:
        self._line: deque[Message] = deque()
        self._bytes = 0
        self._some = asyncio.Event()
        self._few = asyncio.Event()
        self._few.set()
        #: A `Close` is in line, or was sent.
        self.closing = False

    def close(self, message: Close) -> None:
        """Adds the last message."""
        if not self.closing:
            self.closing = True
            self._line.append(message)
            self._some.set()

    def put(self, message: SendText | SendBytes, *, droppable: bool = False) -> None:
        """Adds a message.

        Args:
            droppable: It may be left out where others wait.

        Raises:
            PeerNotReading: too many wait.
        """
        if self.closing:
            return
        if droppable and len(self._line) >= _SLOW:
            HYPOTHESES_DROPPED.inc()
            return
        self._line.append(message)
        self._bytes += _size(message)
        self._some.set()
        if len(self._line) >= _SLOW:
            self._few.clear()
        if len(self._line) > _MOST_MESSAGES or self._bytes > _MOST_BYTES:
            raise PeerNotReading(f"{len(self._line)} messages of {self._bytes} bytes wait for a peer that does not read")

    async def get(self) -> Message:
        """The next message, once there is one."""
        while not self._line:
            self._some.clear()
            await self._some.wait()
        message = self._line.popleft()
        self._bytes -= _size(message)
        if len(self._line) < _SLOW:
            self._few.set()
        return message

    async def wait_for_room(self) -> None:
        """Returns when few messages wait."""
        await self._few.wait()


def _size(message: Message) -> int:
    match message:
        case SendText():
            return len(message.text)
        case SendBytes():
            return len(message.data)
        case Close():
            return 0
