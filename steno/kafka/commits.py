"""Commits the offsets of one consumer: one commit at a time, whose result is always checked, however late it comes.

aiokafka continues a commit until the broker answers, also after its caller has stopped waiting. While a broker hangs, a commit
each second would therefore pile up, and nobody would see their failures when the broker is back. A commit that arrives late is
still correct, since the records below its offset are done.
"""

import asyncio
from collections.abc import Mapping

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError

from steno.kafka.assignment import Assignment
from steno.kafka.faults import REFUSED
from steno.kafka.watchdog import Watchdog

log = structlog.get_logger("steno.kafka.consumer")


class Commits:
    """Commits the offsets that an assignment reports as done."""

    def __init__(self, *, group: str, assignment: Assignment, watchdog: Watchdog, patience_seconds: float) -> None:
        """
        Args:
            patience_seconds: How long `commit` waits for the broker's answer; without an answer the commit stays in progress.
        """
        self._group = group
        self._assignment = assignment
        self._watchdog = watchdog
        self._patience_seconds = patience_seconds
        self._turn = asyncio.Lock()
        self._offsets: Mapping[TopicPartition, int] = {}
        self._under_way: asyncio.Task[None] | None = None

    async def commit(self, client: AIOKafkaConsumer) -> bool:
        """Commits what is done; returns False if the partitions no longer belong to this consumer.

        Raises:
            aiokafka.errors.KafkaError: this commit, or an earlier one still in progress, failed for good.
        """
        try:
            async with asyncio.timeout(self._patience_seconds), self._turn:
                # The result of an earlier commit is ignored: if the partitions are lost, the next commit finds out too.
                await self._settle()
                self._offsets = self._assignment.committable()
                if not self._offsets:
                    self._watchdog.committed()
                    return True
                self._watchdog.committing()
                self._under_way = asyncio.create_task(client.commit(self._offsets))
                return await self._settle()
        except TimeoutError:
            log.warning("consumer.commit_delayed", group=self._group)
            return True

    async def abandon(self) -> None:
        """Cancels a commit in progress; called when the client is closed."""
        if self._under_way is not None:
            self._under_way.cancel()
            await asyncio.wait([self._under_way])
            self._under_way = None

    async def _settle(self) -> bool:
        """Waits for the commit in progress; returns False if it was refused."""
        if self._under_way is None:
            return True
        if not self._under_way.done():
            await asyncio.wait([self._under_way])
        answered, self._under_way = self._under_way, None
        try:
            answered.result()
        except (CommitFailedError, IllegalStateError) as error:
            log.warning("consumer.commit_refused", group=self._group, reason=str(error))
            return False
        except REFUSED as error:
            # An operator must act. What is done stays to be committed, and is handled again by whoever has the partition then.
            log.error("consumer.access_refused", group=self._group, reason=repr(error))
            return True
        self._assignment.committed(self._offsets)
        self._watchdog.committed()
        return True
