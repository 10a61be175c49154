"""Events from Kafka: taken in once the webhooks are known."""

import asyncio

from steno.kafka.consumer import Consumer
from steno.kafka.messages import Message
from steno.telemetry import traces
from steno_notifier import metrics
from steno_notifier.intake import Intake
from steno_notifier.outgoing import outgoing


class EventHandler:
    """Handles one message of the topics whose records the outside is told of; idempotent, in any order."""

    def __init__(self, intake: Intake, *, public_url: str) -> None:
        self._intake = intake
        self._public_url = public_url

    async def __call__(self, message: Message) -> None:
        """Raises `DatabaseUnavailable`: again after a back-off."""
        event = outgoing(message.record, public_url=self._public_url) if message.record is not None else None
        if event is None:
            return
        trace = traces.inject().get("traceparent")
        await self._intake.add_event(event, traceparent=trace.decode("ascii") if trace is not None else None)
        metrics.EVENTS.labels(event.type).inc()


class Events:
    """A component: consumes events, but not before all webhooks are known, or one that is deleted might be told of them."""

    def __init__(self, consumer: Consumer, *, webhooks_known: asyncio.Event) -> None:
        self._consumer = consumer
        self._webhooks_known = webhooks_known
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Works until `stop`. Raises what the consumer raises."""
        waits = [asyncio.create_task(event.wait()) for event in (self._webhooks_known, self._stopping)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        if not self._stopping.is_set():
            await self._consumer.run()

    async def stop(self) -> None:
        """Drains the consumer."""
        self._stopping.set()
        await self._consumer.stop()
