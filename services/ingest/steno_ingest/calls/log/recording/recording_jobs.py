"""Runs the jobs that make recordings of ended calls, beside the reading of the log."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from steno.errors import Retryable
from steno.retry import RetryPolicy, retry
from steno_ingest.calls.ledger.account_rows import SavedAccount

log = structlog.get_logger("steno.ingest.recorder")

_AT_ONCE = 4

#: Nobody waits for a recording, so an unexpected error has about three minutes to pass.
PATIENT = RetryPolicy(unexpected_attempts=12)


class RecordingJobs:
    """Makes recordings, a few at once. Each job is retried until the recording is made, or given up after an error that stays.

    The calls are in the database: a job that is cancelled or given up is started again by the next reader of the partition.
    """

    def __init__(
        self,
        finish: Callable[[SavedAccount], Awaitable[None]],
        *,
        give_up: Callable[[SavedAccount, Exception], Awaitable[None]],
        policy: RetryPolicy = PATIENT,
    ) -> None:
        """
        Args:
            finish: Makes the recording of one call; `steno_ingest.calls.log.recording.recorder.Recorder.finish`.
            give_up: Notes that a call was given up, and why, where users see it.
        """
        self._finish = finish
        self._give_up = give_up
        self._policy = policy
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._tasks: dict[asyncio.Task[None], SavedAccount] = {}

    def start(self, call: SavedAccount) -> None:
        """Starts the job of a call that has ended."""
        task = asyncio.create_task(self._run(call))
        self._tasks[task] = call
        task.add_done_callback(self._done)

    async def cancel(self, partition: int) -> None:
        """Cancels the jobs of a partition; returns when none of them runs any more."""
        tasks = [task for task, call in self._tasks.items() if call.partition == partition]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, call: SavedAccount) -> None:
        try:
            await self._retry_until_done(call, lambda: self._finish(call))
        except Exception as error:
            log.exception("call.recording_failed", call_id=call.call_id)
            failure = error
        else:
            return
        await self._retry_until_done(call, lambda: self._give_up(call, failure))

    async def _retry_until_done(self, call: SavedAccount, work: Callable[[], Awaitable[None]]) -> None:
        """Retries: without end while a dependency is away, else for as long as an unexpected error may take to pass."""

        async def attempt() -> None:
            async with self._slots:
                await work()

        def failed(error: Exception, seconds: float) -> None:
            reason = str(error) if isinstance(error, Retryable) else repr(error)
            log.warning("call.recording_delayed", call_id=call.call_id, reason=reason, again_in_seconds=round(seconds, 3))

        await retry(attempt, self._policy, failed=failed)

    def _done(self, task: asyncio.Task[None]) -> None:
        call = self._tasks.pop(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("call.recording_failure_untold", call_id=call.call_id, reason=repr(error), exc_info=error)
