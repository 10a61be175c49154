"""Handles up to a number of records at once; they finish in any order."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable

from steno.kafka.jobs import HELD, Attempt, Job


class WorkerPool:
    """Runs up to `concurrency` jobs at once; others wait in a bounded queue. Jobs that back off occupy no slot.

    A task handles one job after another while there are any, so a fast handler does not need a new task for each record.
    """

    def __init__(self, *, concurrency: int, queue_length: int, attempt: Attempt, fail: Callable[[BaseException], None]) -> None:
        """
        Args:
            queue_length: How many jobs may wait for a slot.
            attempt: Makes one attempt at a job; an exception ends the consumer.
            fail: Called with that exception.
        """
        self._concurrency = concurrency
        self._queue_length = queue_length
        self._attempt = attempt
        self._fail = fail
        self._waiting: deque[Job] = deque()
        self._running: set[asyncio.Task[None]] = set()
        self._holding = False
        self._has_room = asyncio.Event()
        self._has_room.set()

    @property
    def room(self) -> int:
        """The number of jobs that may be added now."""
        return max(0, self._queue_length - len(self._waiting))

    @property
    def running(self) -> int:
        """The number of jobs being handled."""
        return len(self._running)

    def add(self, jobs: Iterable[Job]) -> None:
        """Adds jobs to the queue."""
        self._holding = False
        self._waiting.extend(jobs)
        self._serve()

    async def wait_for_room(self, seconds: float) -> bool:
        """Waits until at least half of the queue is free; returns False if that takes too long."""
        if 2 * self.room >= self._queue_length:
            return True
        self._has_room.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._has_room.wait()
        except TimeoutError:
            return False
        return True

    def hold(self) -> None:
        """Drops jobs that wait or back off; starts none until jobs are added again."""
        self._holding = True
        self._waiting.clear()
        self._has_room.set()

    async def drain(self, seconds: float, *, grace_seconds: float) -> int:
        """Drops jobs that wait or back off, lets running ones finish, then cancels the rest; returns the number cancelled.

        A handler that ignores its cancellation is abandoned after `grace_seconds`; its result is ignored.
        """
        self.hold()
        return await drain(self._running, seconds, grace_seconds=grace_seconds)

    def _serve(self) -> None:
        for _ in range(min(len(self._waiting), self._concurrency - len(self._running))):
            task = asyncio.create_task(self._work())
            self._running.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.remove(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail(error)
        elif self._waiting:
            self._serve()

    async def _work(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        while self._waiting and not task.cancelling():
            job = self._waiting.popleft()
            if 2 * len(self._waiting) <= self._queue_length:
                self._has_room.set()
            if job.partition.revoked:
                continue
            again = await self._attempt(job)
            if again is None:
                if not job.partition.revoked:
                    job.partition.tracker.finish(job.raw.offset)
            elif again is HELD:
                job.partition.hold(job)
            else:
                if job.alone:
                    job.partition.hold(job)
                asyncio.get_running_loop().call_later(again, self._put_back, job)

    def try_again(self, job: Job) -> None:
        """Adds a held job to the end of the queue."""
        job.partition.release(job)
        if not (job.partition.revoked or self._holding):
            self._waiting.append(job)
            self._serve()

    def _put_back(self, job: Job) -> None:
        if job.alone:
            job.partition.release(job)
        if not (job.partition.revoked or self._holding):
            self._waiting.appendleft(job)
            self._serve()


async def drain(tasks: Iterable[asyncio.Task[None]], seconds: float, *, grace_seconds: float) -> int:
    """Lets tasks finish, then cancels the rest and waits up to `grace_seconds`; returns the number cancelled."""
    left = {task for task in tasks if not task.done()}
    if left and seconds > 0:
        _, left = await asyncio.wait(left, timeout=seconds)
    for task in left:
        task.cancel()
    if left:
        await asyncio.wait(left, timeout=grace_seconds)
    return len(left)
