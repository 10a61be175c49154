"""The topics, made as soon as Kafka is there: the door opens without it, and what comes in waits in the outbox."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from steno.errors import Retryable

log = structlog.get_logger("steno.ingest.topics")

_PAUSE_SECONDS = 1.0


class Topics:
    """Makes the topics as soon as Kafka is there."""

    def __init__(self, make: Callable[[], Awaitable[None]]) -> None:
        """
        Args:
            make: Makes the topics, in bounded time; raises `Retryable` where Kafka is away.
        """
        self._make = make
        self._stopping = asyncio.Event()
        #: Set once all topics can be used.
        self.made = asyncio.Event()

    async def run(self) -> None:
        """Works until `stop`. Raises what says that an operator must act (`TopicMismatch`)."""
        making = asyncio.create_task(self._until_made())
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({making, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if making.done():
                making.result()
            await stopping
        finally:
            making.cancel()
            await asyncio.gather(making, return_exceptions=True)

    async def stop(self) -> None:
        """Gives up, where there is no Kafka still."""
        self._stopping.set()

    async def _until_made(self) -> None:
        while True:
            try:
                await self._make()
            except Retryable as error:
                log.warning("kafka.away", reason=str(error))
                await asyncio.sleep(_PAUSE_SECONDS)
            else:
                return self.made.set()
