"""Tasks that go on by themselves until they are done, or all are cancelled."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import structlog

from steno.errors import StenoError

T = TypeVar("T")

log = structlog.get_logger("steno.transcriber.azure")


class Tasks:
    """Tasks of one event loop. An unexpected error is logged: nobody else may be waiting for it."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()

    def start(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        """Starts a task."""
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._done)
        return task

    async def cancel_all(self) -> None:
        """Cancels all tasks and waits for their end."""
        tasks = list(self._running)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _done(self, task: "asyncio.Task[Any]") -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None and not isinstance(error, StenoError):
            log.error("azure.task_failed", exc_info=error)
