"""The commits of one consumer: one at a time, and each of them judged, however late its answer comes.

aiokafka keeps a commit until the broker answers, and goes on with it when whoever asked for it waits no longer: while a broker
stands still, a commit each second would pile up, and each would fail into nobody's hands when the broker is back. A commit that
arrives late is still true: it says what was done, and that stays done.
"""

import asyncio
from collections.abc import Mapping

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError

from steno.kafka.assignment import Assignment
from steno.kafka.watchdog import Watchdog

log = structlog.get_logger("steno.kafka.consumer")


class Commits:
    """Commits what an assignment says is done."""

    def __init__(self, *, group: str, assignment: Assignment, watchdog: Watchdog, patience_seconds: float) -> None:
        """
        Args:
            patience_seconds: How long `commit` waits for the broker's answer; what is unanswered then stays under way.
        """
        self._group = group
        self._assignment = assignment
        self._watchdog = watchdog
        self._patience_seconds = patience_seconds
        self._turn = asyncio.Lock()
        self._offsets: Mapping[TopicPartition, int] = {}
        self._under_way: asyncio.Task[None] | None = None

    async def commit(self, client: AIOKafkaConsumer) -> bool:
        """Commits what is done; False when the partitions are no longer ours.

        Raises:
            aiokafka.errors.KafkaError: this commit, or one before it that was still under way, failed for good.
        """
        try:
            async with asyncio.timeout(self._patience_seconds), self._turn:
                # What an earlier one says of the partitions, the next one says again if it still holds.
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
        """Gives up a commit under way; called when the client is closed."""
        if self._under_way is not None:
            self._under_way.cancel()
            await asyncio.wait([self._under_way])
            self._under_way = None

    async def _settle(self) -> bool:
        """Waits for the commit under way and judges it; False when it was refused."""
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
        self._assignment.committed(self._offsets)
        self._watchdog.committed()
        return True
