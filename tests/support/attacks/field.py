"""Where attacks happen, and what became of each."""

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

#: What a client meets that is not wanted.
TURNED_AWAY = (aiohttp.ClientError, KafkaError, OSError, TimeoutError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What an attacker knows."""

    ingest: str
    notifier: str
    kafka: str
    #: The attacker's own.
    key: str
    #: Ids of calls that are others'.
    others: list[str]
    #: The data folder of the suite, which is none of his business.
    data: str
    seconds: float
    seed: int

    def written(self) -> str:
        """For the attackers' process."""
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, path: Path) -> "Place":
        """What `written` gave."""
        return cls(**json.loads(path.read_text()))


@dataclass(slots=True, kw_only=True)
class Field:
    """One attack at work."""

    place: Place
    chance: Random
    #: What was answered, and how often.
    tally: Counter[str] = field(default_factory=Counter)
    strikes: int = 0

    def name(self, what: str) -> str:
        """An id of the attacker's own."""
        return f"attack-{what}-{self.strikes}-{self.chance.randrange(10**9)}"

    @asynccontextmanager
    async def session(self, *, key: bool = True, seconds: float = 20) -> AsyncIterator[aiohttp.ClientSession]:
        """A client, with the attacker's key or without."""
        headers = {"Authorization": f"Bearer {self.place.key}"} if key else {}
        connector = aiohttp.TCPConnector(limit=0)
        timeout = aiohttp.ClientTimeout(total=seconds)
        async with aiohttp.ClientSession(headers=headers, timeout=timeout, connector=connector) as session:
            yield session

    async def ask(self, session: aiohttp.ClientSession, method: str, url: str, **request: Any) -> int:
        """A request; its status is tallied. 0 where there was no answer."""
        try:
            async with session.request(method, url, **request) as answer:
                await answer.read()
                self.tally[str(answer.status)] += 1
                return answer.status
        except TURNED_AWAY as error:
            self.tally[type(error).__name__] += 1
            return 0

    @asynccontextmanager
    async def producer(self) -> AsyncIterator[AIOKafkaProducer]:
        """A producer that can write whatever a broker takes."""
        producer = AIOKafkaProducer(bootstrap_servers=self.place.kafka, acks=1, linger_ms=20, max_request_size=1 << 20)
        await producer.start()
        try:
            yield producer
        finally:
            await producer.stop()


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """One kind of attack: it strikes again and again, with pauses."""

    name: str
    #: key: with a key of his own; nobody: without; kafka: with access to the topics.
    by: str
    strike: Callable[[Field], Awaitable[None]]
    #: Between two strikes.
    pause_seconds: float
    #: When the first one may come.
    from_second: float = 0.0
