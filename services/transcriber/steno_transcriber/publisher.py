"""The interface for publishing records, and a publisher that waits while Kafka is not available."""

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

import structlog

from steno.events.catalogue import Topic
from steno.events.records import Record
from steno.retry import RetryPolicy, retry

log = structlog.get_logger("steno.transcriber")

T = TypeVar("T")


class Publisher(Protocol):
    """Sends records; the producer of `steno.kafka` is one."""

    async def send(self, topic: Topic, record: Record, *, event_id: str | None = None) -> None:
        """Returns when the record is safe."""


class Retrying:
    """Repeats failed work for as long as a retry may help."""

    def __init__(self, policy: RetryPolicy, *, sleep: Callable[[float], Awaitable[None]]) -> None:
        self._policy = policy
        self._sleep = sleep

    async def run(self, work: Callable[[], Awaitable[T]], *, call_id: str) -> T:
        """Returns the result of the first attempt that succeeds; raises an error that no retry helps against."""

        def failed(error: Exception, seconds: float) -> None:
            log.warning("live.again", call_id=call_id, reason=repr(error), seconds=round(seconds, 1))

        return await retry(work, self._policy, failed=failed, sleep=self._sleep)


class RetryingPublisher:
    """A publisher for one call that sends a record again while Kafka is not available."""

    def __init__(self, publisher: Publisher, retrying: Retrying, *, call_id: str) -> None:
        self._publisher = publisher
        self._retrying = retrying
        self._call_id = call_id

    async def send(self, topic: Topic, record: Record, *, event_id: str | None = None) -> None:
        """Returns when the record is safe.

        Raises:
            RecordRefused: Kafka rejects it for good.
        """
        await self._retrying.run(lambda: self._publisher.send(topic, record, event_id=event_id), call_id=self._call_id)
