"""Runs a log handler over one partition, from its assignment until it is revoked."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Protocol, TypeVar

import structlog
from aiokafka import TopicPartition

from steno.errors import Retryable
from steno.kafka.jobs import HELD, Attempt, Job
from steno.kafka.messages import Message
from steno.kafka.processing import cancelled_from_within
from steno.retry import RetryPolicy, retry

log = structlog.get_logger("steno.kafka.consumer")

T = TypeVar("T")

# Others on the event loop are let in after so many records, where taking them waits for nothing.
_TURN = 16


class LogHandler(Protocol):
    """Does the work of a log consumer.

    For one partition nothing of it is called at the same time; partitions go on side by side. An exception that is neither
    `Retryable` nor, from `handle`, judged as said there ends the consumer.
    """

    async def open(self, partition: int) -> int | None:
        """The partition is ours; called before any message of it.

        Returns the offset to begin at, which counts where it is below the committed one (and as far as the topic still
        reaches back); None begins at the committed one. It raises `Retryable` to be called again after a back-off. It may be
        cancelled when the partition is taken away meanwhile; `close` is called only for what it returned from.
        """

    async def handle(self, message: Message) -> None:
        """The next message of a partition; the one after it waits until this returns, and the log is read no further.

        It raises `Retryable` to be given the same message again after a back-off, for ever; `Permanent` to have it put into
        dead letters; any other exception is a fault of ours: the message is tried again, beside those of other keys, while
        those of its own key wait; it goes to dead letters where others go through, and is held until some do where none does
        (`steno.kafka.held_records`). A message may be given again after a rebalance or a crash. It is cancelled where it
        outlasts the drain time of the consumer.
        """

    async def give_up(self, message: Message, error: Exception) -> None:
        """A message goes to dead letters for a fault of ours: what it was to change is as it may be, so its key is to end.

        It raises `Retryable` to be told again.
        """

    async def settle(self, partition: int, held_from: int | None = None) -> int | None:
        """Makes the effects of what was taken safe, and returns the offset below which nothing is needed any more.

        Called about each second, and before the partition is let go; what it returns is committed. None: nothing to commit
        yet. Where it raises `Retryable`, what it returned before stands.

        Args:
            held_from: The lowest offset of a record that is held, and will be taken after those behind it; None where none is.
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
        # By key: a record that failed by a fault of ours, with those of its key behind it; and the keys to be gone on with.
        self._lines: dict[bytes | None, deque[Job]] = {}
        self._ready: deque[bytes | None] = deque()
        #: Whether a record is being taken now.
        self.busy = False
        #: The work; it ends after `finish`.
        self.task: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """Records that were not taken yet, the one that is being taken among them."""
        return len(self._jobs) + sum(map(len, self._lines.values()))

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

    def try_again(self, job: Job) -> None:
        """A record that was held is to be taken again."""
        self._ready.append(job.raw.key)
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
                elif self._backing_off:
                    await self._news()
                elif self._ready:
                    await self._go_on_with(self._ready.popleft())
                elif self._jobs:
                    await self._take_next()
                else:
                    await self._news()
            await self._settle()
        except asyncio.CancelledError as error:
            raise cancelled_from_within(error) from error

    async def _news(self) -> None:
        self._wake.clear()
        await self._wake.wait()

    async def _take_next(self) -> None:
        job = self._jobs[0]
        line = self._lines.get(job.raw.key)
        if line is None:
            if await self._take(job):
                self._jobs.popleft()
            elif not self._backing_off:
                self._line_up(self._jobs.popleft())
        else:
            self._line_up(self._jobs.popleft())
        await self._let_others_in()

    async def _let_others_in(self) -> None:
        self._taken += 1
        if self._taken % _TURN == 0:
            await asyncio.sleep(0)

    async def _go_on_with(self, key: bytes | None) -> None:
        """Takes the next record of a key of which one had failed."""
        line = self._lines.get(key)
        if line is None:
            return
        if await self._take(line[0]):
            job = line.popleft()
            job.partition.release(job)
            if not line:
                del self._lines[key]
            else:
                self._ready.append(key)
        elif self._backing_off:
            self._ready.appendleft(key)
        await self._let_others_in()

    def _line_up(self, job: Job) -> None:
        job.partition.hold(job)
        self._lines.setdefault(job.raw.key, deque()).append(job)

    async def _take(self, job: Job) -> bool:
        """Tries a record; False where it is to be tried again, after all of the partition or (a fault of ours) beside it."""
        if job.partition.revoked:
            return True
        self.busy = True
        again = await self._attempt(job)
        self.busy = False
        if again is None:
            if not job.partition.revoked:
                job.partition.tracker.finish(job.raw.offset)
            return True
        if again is HELD:
            return False
        if job.fault is None:
            self._backing_off = True
            asyncio.get_running_loop().call_later(again, self._go_on)
        else:
            asyncio.get_running_loop().call_later(again, self.try_again, job)
        return False

    def _go_on(self) -> None:
        self._backing_off = False
        self._wake.set()

    async def _settle(self) -> None:
        try:
            held_from = min((line[0].raw.offset for line in self._lines.values()), default=None)
            offset = await self._handler.settle(self.where.partition, held_from)
        except Retryable as error:
            log.warning("consumer.settle_delayed", topic=self.where.topic, partition=self.where.partition, reason=str(error))
            return
        if offset is not None:
            self._settled(self.where, offset if held_from is None else min(offset, held_from))

    async def _patiently(self, what: str, call: Callable[[], Awaitable[T]]) -> T:
        def failed(error: Exception, seconds: float) -> None:
            log.warning(
                f"consumer.{what}_delayed",
                topic=self.where.topic,
                partition=self.where.partition,
                reason=str(error),
                again_in_seconds=round(seconds, 3),
            )

        return await retry(call, replace(self._retry, unexpected_attempts=1), failed=failed)
