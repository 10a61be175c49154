"""Attempts at records that come ten thousand a second, and in order."""

import asyncio
from collections.abc import Callable
from typing import Any

from steno.kafka.attempts import Attempts
from steno.kafka.cluster import Cluster
from steno.kafka.messages import Message
from steno.kafka.slots import HELD, Job, Outcome


class PlainAttempts(Attempts):
    """The same without a span and a bound context for each record; and where one is no record of its topic, none of another key
    waits for its dead letter to be safe: it is `HELD` until it is."""

    def __init__(self, cluster: Cluster, *, fail: Callable[[BaseException], None], **options: Any) -> None:
        """`fail`: told what ends the consumer."""
        super().__init__(cluster, **options)
        self._fail = fail
        self._under_way: set[asyncio.Task[None]] = set()
        self._safe: set[Job] = set()

    async def __call__(self, job: Job) -> Outcome:
        if job in self._safe:
            self._safe.remove(job)
            return None
        return await super().__call__(job)

    def let_go(self) -> None:
        super().let_go()
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
        except Exception as error:  # noqa: BLE001 - whatever it is, the record is neither done nor safe: the consumer ends
            self._fail(error)
            return
        self._safe.add(job)
        self._try_again(job)
