"""Runs the background jobs that make the recordings of ended calls."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from steno.errors import Retryable
from steno.retry import RetryPolicy, retry
from steno_ingest.calls.ledger.account_rows import SavedAccount

log = structlog.get_logger("steno.ingest.recorder")

_AT_ONCE = 4

#: Recordings are not urgent, so unexpected errors are retried for about three minutes.
PATIENT = RetryPolicy(unexpected_attempts=12)


class RecordingJobs:
    """Makes recordings, a few at a time. A job is retried until the recording is made, or given up after a lasting error.

    The calls are in the database, so the next reader of the partition starts a cancelled or given-up job again.
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
            give_up: Reports to users that a call was given up, and why.
        """
        self._finish = finish
        self._give_up = give_up
        self._policy = policy
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._tasks: dict[asyncio.Task[None], SavedAccount] = {}

    def start(self, call: SavedAccount) -> None:
        """Starts the job of an ended call."""
        task = asyncio.create_task(self._run(call))
        self._tasks[task] = call
        task.add_done_callback(self._done)

    async def cancel(self, partition: int) -> None:
        """Cancels the jobs of a partition and waits for their end."""
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
        """Retries without limit while a dependency is unreachable, and for a limited time after unexpected errors."""

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
            log.error("call.recording_failure_not_reported", call_id=call.call_id, reason=repr(error), exc_info=error)
