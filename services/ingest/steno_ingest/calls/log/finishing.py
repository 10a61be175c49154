"""The calls that have ended and whose recordings are being made, beside the reading of the log."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from steno.errors import Retryable
from steno.kafka.retry import RetryPolicy
from steno_ingest.calls.ledger.account_rows import KeptAccount

log = structlog.get_logger("steno.ingest.recorder")

_AT_ONCE = 4


class Finishing:
    """Makes recordings, a few at once, each until it is made.

    The calls are in the database: what is abandoned here is begun again by whoever has their partition next.
    """

    def __init__(self, finish: Callable[[KeptAccount], Awaitable[None]], *, retry: RetryPolicy | None = None) -> None:
        """
        Args:
            finish: Does it for one call; `steno_ingest.calls.log.recorder.Recorder.finish`.
        """
        self._finish = finish
        self._retry = retry or RetryPolicy()
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
        attempts = 0
        while True:
            try:
                async with self._slots:
                    return await self._finish(call)
            except Retryable as error:
                attempts += 1
                seconds = self._retry.decide(error, attempts) or 0.0
                log.warning(
                    "call.recording_delayed", call_id=call.call_id, reason=str(error), again_in_seconds=round(seconds, 3)
                )
            await asyncio.sleep(seconds)

    def _done(self, task: asyncio.Task[None]) -> None:
        call = self._tasks.pop(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            # Its pieces stay, and it is tried again when the partition is read anew; other calls go on.
            log.error("call.recording_failed", call_id=call.call_id, reason=repr(error), exc_info=error)
