"""Faust's consumer thread without the thread: aiokafka's consumer runs on the event loop of the process.

Faust gives it a loop and a thread of its own so that agents that block theirs do not stop the heartbeats. Nothing here blocks
the loop, and each phrase woke the thread several times over, which cost a third of its CPU time.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread
from mode.utils.futures import maybe_async


class _Task:
    """Stands where Faust starts a thread."""

    def __init__(self, service: "LoopConsumer") -> None:
        self._service = service

    def start(self) -> None:
        """Runs the service as the thread would; what it raises has been told to Faust by then."""
        self._running = asyncio.create_task(self._service._serve())
        self._running.add_done_callback(lambda task: task.cancelled() or task.exception())

    def stop(self) -> None:
        """There is no thread to wait for."""


class LoopConsumer(AIOKafkaConsumerThread):
    """Runs on the loop that it is made on."""

    Worker: Any = _Task

    def __init__(self, consumer: Any, *, loop: asyncio.AbstractEventLoop, **kwargs: Any) -> None:
        super().__init__(consumer, loop=loop, thread_loop=loop, **kwargs)

    async def call_thread(self, fun: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return await maybe_async(fun(*args, **kwargs))

    async def _gather_remaining_tasks(self) -> None:
        """Cancels nothing: the tasks that are left on this loop are the process's."""
