"""Processes the records of a log consumer: ten thousand a second, so without a span or a log context for each."""

import asyncio
from collections.abc import Callable
from typing import Any

from steno.kafka.cluster import Cluster
from steno.kafka.jobs import HELD, Job, Outcome
from steno.kafka.messages import Message
from steno.kafka.processing import RecordProcessor


class OrderedRecordProcessor(RecordProcessor):
    """The `RecordProcessor` of a log consumer.

    It opens no span and binds no log context for a record. An unreadable record is `HELD` until its dead letter is safe, so
    that records of other keys do not wait for that.
    """

    def __init__(self, cluster: Cluster, *, fail: Callable[[BaseException], None], **options: Any) -> None:
        """`fail` is called with an error that ends the consumer."""
        super().__init__(cluster, **options)
        self._fail = fail
        self._under_way: set[asyncio.Task[None]] = set()
        self._safe: set[Job] = set()

    async def __call__(self, job: Job) -> Outcome:
        if job in self._safe:
            self._safe.remove(job)
            return None
        return await super().__call__(job)

    def clear(self) -> None:
        super().clear()
        self._safe.clear()
        for task in self._under_way:
            task.cancel()

    async def _process(self, message: Message) -> None:
        await self._handler(message)

    async def _put_aside(self, job: Job, verdict: Exception) -> Outcome:
        if job.message is not None or not self._dead_letters.owns(job.partition.topic):
            return await super()._put_aside(job, verdict)
        task = asyncio.create_task(self._put_aside_meanwhile(job, verdict))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        return HELD

    async def _put_aside_meanwhile(self, job: Job, verdict: Exception) -> None:
        try:
            while True:
                outcome = await super()._put_aside(job, verdict)
                if not isinstance(outcome, float):
                    break
                await asyncio.sleep(outcome)
        except Exception as error:  # noqa: BLE001 - the record is neither done nor safe, so any error ends the consumer
            self._fail(error)
            return
        self._safe.add(job)
        self._try_again(job)
