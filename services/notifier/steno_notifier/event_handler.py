"""Turns records from Kafka into webhook events."""

from steno.events.records import Phrase
from steno.events.webhook_events import EventType
from steno.kafka.messages import Message
from steno.telemetry import traces
from steno_notifier import metrics
from steno_notifier.matching import WebhookMatcher
from steno_notifier.outgoing_event import make_outgoing_event


class EventHandler:
    """Handles messages of the topics that webhook events are made of; idempotent, in any order."""

    def __init__(self, matcher: WebhookMatcher, *, public_url: str) -> None:
        self._matcher = matcher
        self._public_url = public_url

    async def __call__(self, message: Message) -> None:
        """Stores the event of a message, if it makes one. Raises `DatabaseUnavailable`, to be tried again."""
        record = message.record
        if record is None or (isinstance(record, Phrase) and not self._matcher.is_named(EventType.PHRASE_FINAL, record.tenant)):
            return
        event = make_outgoing_event(record, message.timestamp, public_url=self._public_url)
        if event is None:
            return
        trace = traces.inject().get("traceparent")
        await self._matcher.add_event(event, traceparent=trace.decode("ascii") if trace is not None else None)
        metrics.EVENTS.labels(event.type).inc()
