"""Events from Kafka, taken in."""

from steno.events.records import Phrase
from steno.events.webhook_events import EventType
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
        record = message.record
        if record is None or (isinstance(record, Phrase) and not self._intake.is_named(EventType.PHRASE_FINAL, record.tenant)):
            return
        event = outgoing(record, message.timestamp, public_url=self._public_url)
        if event is None:
            return
        trace = traces.inject().get("traceparent")
        await self._intake.add_event(event, traceparent=trace.decode("ascii") if trace is not None else None)
        metrics.EVENTS.labels(event.type).inc()
