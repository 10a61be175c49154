"""A WebSocket connection of a peer in memory, with its driver and host; the test is the peer."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, MutableMapping
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from typing import Any

from steno_ingest.calls.doors.port import AcceptedPeer, Door
from steno_ingest.calls.doors.stream import StreamDoor
from steno_ingest.calls.hosting.driver import CallDriver
from steno_ingest.calls.transports.websocket_connection import WebSocketConnection
from support.hosting import Hosting

from steno.events.catalogue import PHRASES, Topic
from steno.events.records import Phrase, Record
from steno.kafka.errors import KafkaUnavailable
from steno.kafka.messages import Message
from steno.storage.database import DatabaseUnavailable
from steno.tenants import Caller

START = {"type": "start", "call_id": "call-1", "codec": "PCMU", "sample_rate": 8000, "channels": [{}, {}]}


class ScriptedCaptions:
    """Captions that the test publishes."""

    def __init__(self) -> None:
        self.records: asyncio.Queue[Record] = asyncio.Queue()
        self.away = 0

    @contextmanager
    def follow(self, key: str, *, limit: int = 1000) -> Iterator[AsyncIterator[Message]]:
        assert (key, limit) == ("call-1", 1000)
        if self.away:
            self.away -= 1
            raise KafkaUnavailable("away")
        yield self._messages(PHRASES)

    async def _messages(self, topic: Topic) -> AsyncIterator[Message]:
        while True:
            record = await self.records.get()
            yield Message(
                topic=topic, partition=0, offset=0, key="call-1", record=record, headers={}, timestamp=datetime.now(UTC)
            )


class MemoryPhrases:
    """The phrases in the ledger, in memory."""

    def __init__(self) -> None:
        self.phrases: list[Phrase] = []
        self.count: int | None = None
        self.away = 0
        #: The number of queries.
        self.asked = 0

    async def live_phrases(self, call_id: str, *, tenant: str, first: int, limit: int) -> tuple[list[Phrase], int | None]:
        assert call_id == "call-1"
        self.asked += 1
        if self.away:
            self.away -= 1
            raise DatabaseUnavailable("away")
        own = (phrase for phrase in self.phrases if phrase.tenant == tenant and phrase.sequence >= first)
        found = sorted(own, key=lambda phrase: phrase.sequence)
        return found[:limit], self.count


class MemoryWebSocket:
    """A WebSocket whose peer is the test."""

    def __init__(self) -> None:
        self.incoming: asyncio.Queue[MutableMapping[str, Any]] = asyncio.Queue()
        self.sent: list[MutableMapping[str, Any]] = []
        #: While cleared, the peer does not read.
        self.reading = asyncio.Event()
        self.reading.set()

    def say(self, message: object) -> None:
        """Sends a message of the peer."""
        self.incoming.put_nowait({"type": "websocket.receive", "text": json.dumps(message), "bytes": None})

    def speak(self, audio: bytes) -> None:
        """Sends audio of the peer."""
        self.incoming.put_nowait({"type": "websocket.receive", "bytes": audio})

    def hang(self, code: int = 1006) -> None:
        """Closes the connection."""
        self.incoming.put_nowait({"type": "websocket.disconnect", "code": code})

    async def send(self, message: MutableMapping[str, Any]) -> None:
        await self.reading.wait()
        self.sent.append(message)

    @property
    def told(self) -> list[str]:
        """The kinds of messages to the peer, and the code of a close."""
        return [json.loads(m["text"])["type"] if "text" in m else str(m["code"]) for m in self.sent]


class MemoryConnection:
    """A connection with its driver and host."""

    def __init__(self, door: Door | None = None) -> None:
        self.caller = Caller("peer", "")
        self.key_holds = True
        self.heartbeats = 0
        self.hosting = Hosting()
        self.wire = MemoryWebSocket()
        self.captions = ScriptedCaptions()
        self.earlier_phrases = MemoryPhrases()
        self.driver = CallDriver(
            AcceptedPeer(door=door or StreamDoor(), caller=self.caller, holds=lambda: self.key_holds),
            self.hosting.host,
            self.captions,
            self.earlier_phrases,
            idle_seconds=60,
            now=lambda: self.hosting.seconds,
            heartbeats=lambda: self.heartbeats,
        )
        self.connection = WebSocketConnection(self.driver, receive=self.wire.incoming.get, send=self.wire.send)

    def tick(self, seconds: float) -> None:
        """Lets time pass."""
        self.hosting.seconds += seconds
        self.driver.tick()

    def understand(self, record: Record) -> None:
        """Publishes a caption."""
        self.captions.records.put_nowait(record)


@asynccontextmanager
async def open_connection(door: StreamDoor | None = None) -> AsyncIterator[tuple[MemoryConnection, asyncio.Task[None]]]:
    """Opens a connection and starts its call."""
    made = MemoryConnection(door)
    running = asyncio.create_task(made.connection.run())
    made.wire.say(START)
    await made.hosting.settle()
    try:
        yield made, running
    finally:
        made.wire.hang()
        await asyncio.wait({running}, timeout=5)
