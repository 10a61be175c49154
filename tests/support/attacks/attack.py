"""The base of attacks: their target, and their runs with results."""

import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import aiohttp
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from steno.events.codec import Codec
from steno.events.schemas import ShippedSchemaIds

CODEC = Codec(ShippedSchemaIds())

#: The errors of a refused or disconnected client.
EXPECTED_ERRORS = (aiohttp.ClientError, KafkaError, OSError, TimeoutError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The addresses and credentials that attackers have."""

    ingest: str
    notifier: str
    kafka: str
    #: The attacker's own key.
    key: str
    #: Ids of other callers' calls.
    others: list[str]
    #: The data folder of the suite, to which attackers have no access.
    data: str
    seconds: float
    seed: int

    def to_json(self) -> str:
        """Converts it to JSON, for the attackers' process."""
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, path: Path) -> "Target":
        """Reads a file with the result of `to_json`."""
        return cls(**json.loads(path.read_text()))


@dataclass(slots=True, kw_only=True)
class AttackRun:
    """The run of one attack."""

    target: Target
    chance: Random
    #: The number of responses by status or error.
    tally: Counter[str] = field(default_factory=Counter)
    attempts: int = 0

    def name(self, what: str) -> str:
        """Makes an id of the attacker."""
        return f"attack-{what}-{self.attempts}-{self.chance.randrange(10**9)}"

    @asynccontextmanager
    async def session(self, *, key: bool = True, seconds: float = 20) -> AsyncIterator[aiohttp.ClientSession]:
        """Opens a client, with the attacker's key or without."""
        headers = {"Authorization": f"Bearer {self.target.key}"} if key else {}
        connector = aiohttp.TCPConnector(limit=0)
        timeout = aiohttp.ClientTimeout(total=seconds)
        async with aiohttp.ClientSession(headers=headers, timeout=timeout, connector=connector) as session:
            yield session

    async def ask(self, session: aiohttp.ClientSession, method: str, url: str, **request: Any) -> int:
        """Sends a request and counts its status, which it returns; 0 if there was no response."""
        try:
            async with session.request(method, url, **request) as answer:
                await answer.read()
                self.tally[str(answer.status)] += 1
                return answer.status
        except EXPECTED_ERRORS as error:
            self.tally[type(error).__name__] += 1
            return 0

    @asynccontextmanager
    async def producer(self) -> AsyncIterator[AIOKafkaProducer]:
        """Opens a producer that can write everything that a broker accepts."""
        producer = AIOKafkaProducer(bootstrap_servers=self.target.kafka, acks=1, linger_ms=20, max_request_size=1 << 20)
        await producer.start()
        try:
            yield producer
        finally:
            await producer.stop()


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """One kind of attack, which is repeated with pauses."""

    name: str
    #: The attacker's access. key: its own API key; nobody: none; kafka: the topics.
    by: str
    attempt: Callable[[AttackRun], Awaitable[None]]
    #: The pause between two attempts.
    pause_seconds: float
    #: The time of the first attempt.
    from_second: float = 0.0
