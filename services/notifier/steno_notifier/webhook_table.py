"""The webhooks topic as a table: read whole at start, then followed.

Every process reads all of it, in order, under no consumer group: what counts is the newest record of each key, so records of
one key must not pass each other, and a process must know when it has read what there is.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from steno.errors import Retryable
from steno.events.catalogue import WEBHOOKS
from steno.events.records import WebhookState
from steno.kafka import Cluster, client_options
from steno.kafka.errors import KafkaUnavailable
from steno.kafka.reading import readable
from steno_notifier.again import Again, Work
from steno_notifier.intake import Intake

log = structlog.get_logger("steno.notifier.webhooks")

_POLL_MS = 200
_PAUSE_SECONDS = 1.0


class WebhookTable:
    """A component: keeps the rows of the webhooks as their topic says.

    What is no record of a webhook is passed over. What a fault of ours does not bear is applied again after a while.
    """

    def __init__(self, cluster: Cluster, intake: Intake, *, again: Again | None = None) -> None:
        self._kafka = cluster.kafka
        self._topic = cluster.topic_name(WEBHOOKS)
        self._codec = cluster.codec
        self._intake = intake
        self._again = again or Again()
        self._stopping = asyncio.Event()
        #: Set once all that the topic held at start is applied.
        self.complete = asyncio.Event()

    async def run(self) -> None:
        """Reads until `stop`; while Kafka is away it waits.

        Raises:
            KafkaError: the client cannot go on; the process is to start anew.
        """
        stopped = asyncio.create_task(self._stopping.wait())
        connecting = asyncio.create_task(self._insist(self._open))
        await asyncio.wait({connecting, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if not connecting.done():
            connecting.cancel()
            await asyncio.wait({connecting})
            return
        try:
            await self._follow(connecting.result())
        except Retryable:
            # Told to stop while Kafka or the database was away: all of it is read again at the next start.
            if not self._stopping.is_set():
                raise

    def holds_nothing(self) -> bool:
        """Whether all that was read is applied; False asks for a person, not for a restart."""
        return not self._again

    async def stop(self) -> None:
        """Ends after the record under way."""
        self._stopping.set()

    async def _open(self) -> AIOKafkaConsumer:
        consumer = AIOKafkaConsumer(
            self._topic,
            **client_options(self._kafka),
            group_id=None,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        )
        try:
            await consumer.start()
        except BaseException as error:
            await consumer.stop()
            if isinstance(error, KafkaError):
                raise KafkaUnavailable(f"the webhooks cannot be read: {error!r}") from error
            raise
        return consumer

    async def _follow(self, consumer: AIOKafkaConsumer) -> None:
        try:
            await self._read_whole(consumer)
            while not self._stopping.is_set():
                for records in (await consumer.getmany(timeout_ms=_POLL_MS)).values():
                    for raw in records:
                        await self._read(raw)
                for webhook_id, work in self._again.due():
                    await self._apply(webhook_id, work)
        finally:
            await consumer.stop()

    async def _read_whole(self, consumer: AIOKafkaConsumer) -> None:
        """Applies the newest record of each key: older ones must not undo, even for a moment, what is in force."""
        ends = await consumer.end_offsets(consumer.assignment())
        newest: dict[bytes | None, Any] = {}
        while not self._stopping.is_set():
            for records in (await consumer.getmany(timeout_ms=_POLL_MS)).values():
                newest.update((raw.key, raw) for raw in records)
            if all([await consumer.position(partition) >= end for partition, end in ends.items()]):
                break
        else:
            return
        for raw in newest.values():
            await self._read(raw)
        if any(ends.values()):
            # Compaction takes tombstones away in time: a webhook the topic knows nothing of was deleted meanwhile.
            known = {raw.key.decode("utf-8", "replace") for raw in newest.values() if raw.key is not None}
            for webhook_id in await self._insist(self._intake.webhook_ids) - known:
                await self._apply(webhook_id, partial(self._intake.delete_webhook, webhook_id))
        log.info("webhooks.complete", count=len(newest))
        self.complete.set()

    async def _read(self, raw: Any) -> None:
        message = await self._insist(partial(readable, raw, WEBHOOKS, self._codec))
        if message is None or message.key is None:
            # It stays on the topic, and says nothing: what it may have stood for is as it was.
            return
        if isinstance(message.record, WebhookState):
            await self._apply(message.key, partial(self._intake.put_webhook, message.record))
        else:
            await self._apply(message.key, partial(self._intake.delete_webhook, message.key))

    async def _apply(self, webhook_id: str, work: Work) -> None:
        """A fault of ours with one webhook costs that one, and no longer than it lasts."""
        try:
            await self._insist(work)
        except Retryable:
            raise
        except Exception:
            seconds = self._again.failed(webhook_id, work)
            log.exception("webhooks.not_applied", webhook_id=webhook_id, again_in_seconds=round(seconds, 3))
        else:
            self._again.done(webhook_id)

    async def _insist(self, work: Callable[[], Awaitable[Any]]) -> Any:
        """Repeats a step until Kafka and the database take it, or `stop` is called."""
        while True:
            try:
                return await work()
            except Retryable as error:
                if self._stopping.is_set():
                    raise
                log.warning("webhooks.retrying", error=str(error))
                await self._pause()

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(_PAUSE_SECONDS):
                await self._stopping.wait()
        except TimeoutError:
            return
