"""One partition of a log consumer, from being dealt until being let go: opened, taken record by record, settled, closed."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

import structlog
from aiokafka import TopicPartition

from steno.errors import Retryable
from steno.kafka.attempts import cancelled_from_within
from steno.kafka.messages import Message
from steno.kafka.retry import RetryPolicy
from steno.kafka.slots import Attempt, Job

log = structlog.get_logger("steno.kafka.consumer")

T = TypeVar("T")

# Others on the event loop are let in after so many records, where taking them waits for nothing.
_TURN = 16


class LogHandler(Protocol):
    """Does the work of a log consumer.

    For one partition nothing of it is called at the same time; partitions go on side by side. An exception that is neither
    `Retryable` nor, from `take`, judged as said there ends the consumer.
    """

    async def open(self, partition: int) -> int | None:
        """The partition is ours; called before any message of it.

        Returns the offset to begin at, which counts where it is below the committed one (and as far as the topic still
        reaches back); None begins at the committed one. It raises `Retryable` to be called again after a back-off. It may be
        cancelled when the partition is taken away meanwhile; `close` is called only for what it returned from.
        """

    async def take(self, message: Message) -> None:
        """The next message of a partition; the one after it waits until this returns, and the log is read no further.

        It raises `Retryable` to be given the same message again after a back-off, for ever; `Permanent` to have it put into
        dead letters; any other exception is tried a few times more, then the message goes to dead letters. A message may be
        given again after a rebalance or a crash. It is cancelled where it outlasts the drain time of the consumer.
        """

    async def settle(self, partition: int) -> int | None:
        """Makes the effects of what was taken safe, and returns the offset below which nothing is needed any more.

        Called about each second, and before the partition is let go; what it returns is committed. None: nothing to commit
        yet. Where it raises `Retryable`, what it returned before stands.
        """

    async def close(self, partition: int) -> None:
        """The partition is not ours any more, by order or because the group has put this member out: let go of its state.

        What was settled is committed by then, if the partition was still ours.
        """


class LogPartition:
    """Runs a handler over one partition."""

    def __init__(
        self,
        where: TopicPartition,
        *,
        handler: LogHandler,
        attempt: Attempt,
        retry: RetryPolicy,
        begin: Callable[[TopicPartition, int | None], Awaitable[None]],
        settle: Callable[[TopicPartition, int], None],
    ) -> None:
        """
        Args:
            attempt: Tries one record.
            begin: Has the partition fetched, from an offset or (None) from the committed one. May raise `Retryable`.
            settle: Told what need not be read again.
        """
        self.where = where
        self._handler = handler
        self._attempt = attempt
        self._retry = retry
        self._begin = begin
        self._settled = settle
        self._jobs: deque[Job] = deque()
        self._wake = asyncio.Event()
        self._opened = False
        self._begun = False
        self._finishing = False
        self._settle_due = False
        self._backing_off = False
        self._taken = 0
        #: Whether a record is being taken now.
        self.busy = False
        #: The work; it ends after `finish`.
        self.task: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """Records that were not taken yet, the one that is being taken among them."""
        return len(self._jobs)

    def start(self, fail: Callable[[BaseException], None]) -> None:
        """Begins to work; `fail` is told of what ends the consumer."""

        def noticed(task: asyncio.Task[None]) -> None:
            if not task.cancelled() and (error := task.exception()) is not None:
                fail(error)

        self.task = asyncio.create_task(self._work())
        self.task.add_done_callback(noticed)

    def add(self, job: Job) -> None:
        """The next record."""
        self._jobs.append(job)
        self._wake.set()

    def settle_soon(self) -> None:
        """Has the handler settle before it takes another record."""
        self._settle_due = True
        self._wake.set()

    def finish(self) -> None:
        """Has the work end once the record being taken is done and what was taken is settled."""
        self._finishing = True
        self._wake.set()
        if not self._begun and self.task is not None:
            self.task.cancel()

    async def close(self) -> None:
        """Has the handler let go, if it had begun; called once the work has ended."""
        if self._opened:
            await self._handler.close(self.where.partition)

    async def _work(self) -> None:
        try:
            offset = await self._patiently("open", lambda: self._handler.open(self.where.partition))
            self._opened = True
            await self._patiently("begin", lambda: self._begin(self.where, offset))
            self._begun = True
            while not self._finishing:
                if self._settle_due:
                    self._settle_due = False
                    await self._settle()
                elif self._jobs and not self._backing_off:
                    await self._take(self._jobs[0])
                else:
                    self._wake.clear()
                    await self._wake.wait()
            await self._settle()
        except asyncio.CancelledError as error:
            raise cancelled_from_within(error) from error

    async def _take(self, job: Job) -> None:
        if not job.partition.revoked:
            self.busy = True
            again = await self._attempt(job)
            self.busy = False
            if again is not None:
                self._backing_off = True
                asyncio.get_running_loop().call_later(again, self._go_on)
                return
            if not job.partition.revoked:
                job.partition.tracker.finish(job.raw.offset)
        self._jobs.popleft()
        self._taken += 1
        if self._taken % _TURN == 0:
            await asyncio.sleep(0)

    def _go_on(self) -> None:
        self._backing_off = False
        self._wake.set()

    async def _settle(self) -> None:
        try:
            offset = await self._handler.settle(self.where.partition)
        except Retryable as error:
            log.warning("consumer.settle_delayed", topic=self.where.topic, partition=self.where.partition, reason=str(error))
            return
        if offset is not None:
            self._settled(self.where, offset)

    async def _patiently(self, what: str, call: Callable[[], Awaitable[T]]) -> T:
        attempts = 0
        while True:
            try:
                return await call()
            except Retryable as error:
                attempts += 1
                seconds = self._retry.decide(error, attempts) or 0.0
                log.warning(
                    f"consumer.{what}_delayed",
                    topic=self.where.topic,
                    partition=self.where.partition,
                    reason=str(error),
                    again_in_seconds=round(seconds, 3),
                )
                await asyncio.sleep(seconds)
