"""The calls that have ended and whose recordings are being made, beside the reading of the log."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from steno.errors import Retryable
from steno.retry import RetryPolicy
from steno_ingest.calls.ledger.account_rows import KeptAccount

log = structlog.get_logger("steno.ingest.recorder")

_AT_ONCE = 4

#: Nobody waits for a recording: an unexpected error gets about three minutes to pass.
PATIENT = RetryPolicy(unexpected_attempts=12)


class RecordingJobs:
    """Makes recordings, a few at once, each until it is made or, by an error that stays, given up.

    The calls are in the database: what is abandoned or given up here is begun again by whoever has their partition next.
    """

    def __init__(
        self,
        finish: Callable[[KeptAccount], Awaitable[None]],
        *,
        give_up: Callable[[KeptAccount, Exception], Awaitable[None]],
        retry: RetryPolicy = PATIENT,
    ) -> None:
        """
        Args:
            finish: Does it for one call; `steno_ingest.calls.log.recording.recorder.Recorder.finish`.
            give_up: Told of a call that is given up, and why, so that whoever asks for the call sees it.
        """
        self._finish = finish
        self._give_up = give_up
        self._retry = retry
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._tasks: dict[asyncio.Task[None], KeptAccount] = {}

    def begin(self, call: KeptAccount) -> None:
        """Takes on a call that has ended."""
        task = asyncio.create_task(self._until_done(call))
        self._tasks[task] = call
        task.add_done_callback(self._done)

    async def abandon(self, partition: int) -> None:
        """Leaves the calls of a partition to others."""
        tasks = [task for task, call in self._tasks.items() if call.partition == partition]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _until_done(self, call: KeptAccount) -> None:
        try:
            await self._insist(call, lambda: self._finish(call))
        except Exception as error:
            log.exception("call.recording_failed", call_id=call.call_id)
            failure = error
        else:
            return
        await self._insist(call, lambda: self._give_up(call, failure))

    async def _insist(self, call: KeptAccount, work: Callable[[], Awaitable[None]]) -> None:
        """Does it again and again: for ever where something is away, else as often as an unexpected error may take to pass."""
        away = unexpected = 0
        while True:
            try:
                async with self._slots:
                    return await work()
            except Retryable as error:
                # An error among many that were none of ours is the first of its kind.
                away, unexpected = away + 1, 0
                reason, seconds = str(error), self._retry.decide(error, away) or 0.0
            except Exception as error:
                away, unexpected = 0, unexpected + 1
                again = self._retry.decide(error, unexpected)
                if again is None:
                    raise
                reason, seconds = repr(error), again
            log.warning("call.recording_delayed", call_id=call.call_id, reason=reason, again_in_seconds=round(seconds, 3))
            await asyncio.sleep(seconds)

    def _done(self, task: asyncio.Task[None]) -> None:
        call = self._tasks.pop(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("call.recording_failure_untold", call_id=call.call_id, reason=repr(error), exc_info=error)
