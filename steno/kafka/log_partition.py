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

# Handling that never waits yields to other tasks after so many records.
_TURN = 16


class LogHandler(Protocol):
    """Handles the records of a log consumer.

    The calls for one partition come one at a time; different partitions are concurrent. An exception other than `Retryable`
    ends the consumer, except those of `handle` and `give_up`, which are described there.
    """

    async def open(self, partition: int) -> int | None:
        """Called when a partition is assigned, before any message of it.

        Returns the offset to begin at. It is used only if it is below the committed one; if the topic no longer has it, reading
        begins at the oldest record. None begins at the committed offset. It may raise `Retryable` to be called again after a
        back-off. It may be cancelled when the partition is revoked meanwhile; `close` is called only if it returned.
        """

    async def handle(self, message: Message) -> None:
        """Handles the next message of a partition; the messages after it wait until this returns.

        It raises `Retryable` to get the same message again after a back-off, without limit, and `Permanent` to send it to dead
        letters. After any other exception the message is tried again while messages of other keys are handled and those of its
        own key wait; it goes to dead letters if others succeed, and is held if none does (`steno.kafka.held_records`). A
        message may come again after a rebalance or a crash. The call is cancelled if it exceeds the drain time of the consumer.
        """

    async def give_up(self, message: Message, error: Exception) -> None:
        """Called before a message goes to dead letters after an unexpected error, so that the work of its key can be ended.

        It may raise `Retryable` to be called again. After any other error the message is held and handled again.
        """

    async def settle(self, partition: int, held_from: int | None = None) -> int | None:
        """Persists the effects of the handled messages, and returns the offset below which no message is needed again.

        Called about every second, and before the partition is released; the returned offset is committed. None: nothing to
        commit yet. It may raise `Retryable`; then the last returned offset stays valid.

        Args:
            held_from: The lowest offset of a held record, which will be handled after later ones; None if none is held.
        """

    async def close(self, partition: int) -> None:
        """Called when the partition was revoked or lost; discards its state.

        The settled offset is committed by then, unless the partition was lost.
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
            attempt: Makes one attempt at a record.
            begin: Starts fetching the partition, from an offset or (None) from the committed one. May raise `Retryable`.
            settle: Called with the settled offset.
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
        # By key: a record that failed with an unexpected error, followed by later ones of its key; and the keys to resume.
        self._lines: dict[bytes | None, deque[Job]] = {}
        self._ready: deque[bytes | None] = deque()
        #: Whether a record is being handled now.
        self.busy = False
        #: The task that handles records; it ends after `finish`.
        self.task: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """The number of records that are not handled yet, including the one in progress."""
        return len(self._jobs) + sum(map(len, self._lines.values()))

    def start(self, fail: Callable[[BaseException], None]) -> None:
        """Starts the task; `fail` is called with an error that ends the consumer."""

        def noticed(task: asyncio.Task[None]) -> None:
            if not task.cancelled() and (error := task.exception()) is not None:
                fail(error)

        self.task = asyncio.create_task(self._work())
        self.task.add_done_callback(noticed)

    def add(self, job: Job) -> None:
        """Adds the next record."""
        self._jobs.append(job)
        self._wake.set()

    def try_again(self, job: Job) -> None:
        """Resumes the key of a held record."""
        self._ready.append(job.raw.key)
        self._wake.set()

    def settle_soon(self) -> None:
        """Makes the handler settle before the next record."""
        self._settle_due = True
        self._wake.set()

    def finish(self) -> None:
        """Ends the task once the record in progress is done and the handler has settled."""
        self._finishing = True
        self._wake.set()
        if not self._begun and self.task is not None:
            self.task.cancel()

    async def close(self) -> None:
        """Closes the handler, if it was opened; called once the task has ended."""
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
        """Handles the next record of a key of which one had failed."""
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
        """Makes one attempt at a record; returns False if it must be tried again: before all others of the partition, or (after
        an unexpected error) while others are handled."""
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
