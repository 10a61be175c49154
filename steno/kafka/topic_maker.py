"""Creates the topics of a service as soon as Kafka is reachable.

A service opens its ports without Kafka, so that its health can be checked. Components that need Kafka start after this one
(`steno.chassis.After`).
"""

import asyncio
import time
from collections.abc import Iterable
from functools import partial

import structlog

from steno.background import until_stopped
from steno.events.catalogue import Topic
from steno.kafka.cluster import Cluster
from steno.kafka.log_limiter import LogLimiter
from steno.kafka.topics import create_topics
from steno.retry import EACH_SECOND, retry

log = structlog.get_logger("steno.kafka.topic_maker")

_ATTEMPT_SECONDS = 10.0
"""How long one attempt may take; then the failure is reported and a new attempt begins."""


class TopicMaker:
    """Creates topics as soon as Kafka is reachable; a component of a service (`run`, `stop`)."""

    def __init__(self, cluster: Cluster, topics: Iterable[Topic]) -> None:
        self._cluster = cluster
        self._topics = tuple(topics)
        self._stopping = asyncio.Event()
        self._log_limiter = LogLimiter(at_first=1)
        #: Set once all topics can be used.
        self.made = asyncio.Event()
        #: Why they cannot be used yet, for a person; empty once they can.
        self.missing = "Kafka has not answered yet"

    async def run(self) -> None:
        """Works until `stop`. Raises `TopicMismatch` if an operator must act."""
        await until_stopped(self._make(), self._stopping)
        await self._stopping.wait()

    async def stop(self) -> None:
        """Lets `run` return, also if Kafka was never reached."""
        self._stopping.set()

    async def _make(self) -> None:
        make = partial(create_topics, self._cluster.kafka, self._cluster.topics, self._topics, seconds=_ATTEMPT_SECONDS)
        await retry(make, EACH_SECOND, failed=self._away)
        self.missing = ""
        self.made.set()

    def _away(self, error: Exception, _seconds: float) -> None:
        self.missing = str(error)
        if self._log_limiter.left_out(self.missing, time.monotonic()) is not None:
            log.warning("kafka.away", reason=self.missing)
