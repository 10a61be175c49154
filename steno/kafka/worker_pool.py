"""Handles a bounded number of records at once, in any order of completion."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable

from steno.kafka.jobs import HELD, Attempt, Job


class WorkerPool:
    """Runs jobs, `concurrency` at once; the others wait in a line of bounded length, and those that back off hold no slot.

    A task serves job after job while there are any, so an instant handler costs no task a record.
    """

    def __init__(self, *, concurrency: int, line: int, attempt: Attempt, fail: Callable[[BaseException], None]) -> None:
        """
        Args:
            line: How many jobs may wait for a slot.
            attempt: Tries a job; what it raises ends the consumer.
            fail: Told what `attempt` raised.
        """
        self._concurrency = concurrency
        self._line = line
        self._attempt = attempt
        self._fail = fail
        self._waiting: deque[Job] = deque()
        self._running: set[asyncio.Task[None]] = set()
        self._holding = False
        self._has_room = asyncio.Event()
        self._has_room.set()

    @property
    def room(self) -> int:
        """How many more jobs may be added now."""
        return max(0, self._line - len(self._waiting))

    @property
    def running(self) -> int:
        """How many jobs are being handled."""
        return len(self._running)

    def add(self, jobs: Iterable[Job]) -> None:
        """Lines jobs up."""
        self._holding = False
        self._waiting.extend(jobs)
        self._serve()

    async def wait_for_room(self, seconds: float) -> bool:
        """Waits until at least half the line is free; False when that took too long."""
        if 2 * self.room >= self._line:
            return True
        self._has_room.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._has_room.wait()
        except TimeoutError:
            return False
        return True

    def hold(self) -> None:
        """Drops what waits or backs off; nothing is begun until jobs are added again."""
        self._holding = True
        self._waiting.clear()
        self._has_room.set()

    async def drain(self, seconds: float, *, grace_seconds: float) -> int:
        """Drops what waits or backs off, lets what runs finish, then cancels the rest; returns how many jobs were cancelled.

        A handler that does not heed its cancellation is left behind after `grace_seconds`; what it still does counts for
        nothing.
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
            if 2 * len(self._waiting) <= self._line:
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
        """A job that was held is to be tried again, behind those that wait."""
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
    """Lets tasks finish, then cancels the rest and waits a little for them to heed it; returns how many were cancelled."""
    left = {task for task in tasks if not task.done()}
    if left and seconds > 0:
        _, left = await asyncio.wait(left, timeout=seconds)
    for task in left:
        task.cancel()
    if left:
        await asyncio.wait(left, timeout=grace_seconds)
    return len(left)
