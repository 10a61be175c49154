"""One attempt at one record: decode, handle, and decide what follows from a failure."""

import asyncio
from collections.abc import Callable
from functools import cache, partial
from typing import Any

import structlog
from structlog.contextvars import bound_contextvars

from steno.errors import Retryable
from steno.events.catalogue import Topic
from steno.events.codec import Codec
from steno.kafka import metrics
from steno.kafka.breaker import Breaker
from steno.kafka.dead_letters import DeadLetters, error_class
from steno.kafka.errors import BreakerOpen
from steno.kafka.messages import Handler, RawMessage, decode
from steno.kafka.retry import RetryPolicy
from steno.kafka.slots import Job
from steno.telemetry import traces

log = structlog.get_logger("steno.kafka.consumer")


class HandlerCancelledItself(Exception):
    """The handler raised `CancelledError` though nobody had cancelled it: something it waited for was cancelled."""


def cancelled_from_within(error: asyncio.CancelledError) -> HandlerCancelledItself:
    """What a cancellation means that nobody asked for; one that somebody did ask this task for is raised again."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise error
    unasked = HandlerCancelledItself("the handler was cancelled from within")
    unasked.__cause__ = error
    return unasked


class Attempts:
    """Tries jobs for one consumer group."""

    def __init__(
        self,
        *,
        group: str,
        codec: Codec,
        handler: Handler,
        dead_letters: DeadLetters,
        retry: RetryPolicy,
        breaker: Breaker,
        fail: Callable[[BaseException], None],
    ) -> None:
        """
        Args:
            fail: Ends the consumer; told `BreakerOpen`.
        """
        self._group = group
        self._codec = codec
        self._handler = handler
        self._dead_letters = dead_letters
        self._retry = retry
        self._breaker = breaker
        self._fail = fail
        # Looked up once a topic: records come ten thousand a second.
        self._done = cache(partial(metrics.CONSUMED.labels, group))

    async def __call__(self, job: Job) -> float | None:
        """Tries a job once: None when it is done (handled or safe in dead letters), else the seconds until the next try.

        Raises:
            asyncio.CancelledError: the job was taken away; it counts neither as done nor as failed.
        """
        if job.verdict is None:
            job.attempts += 1
            error = await self._handle(job)
            if error is None:
                self._breaker.handled()
                self._done(job.raw.topic).inc()
                return None
            delay = self._judge(job, error)
            if delay is not None:
                return delay
            job.verdict = error
        return await self._give_up(job, job.verdict)

    async def _handle(self, job: Job) -> Exception | None:
        try:
            await self._process(job.raw, job.partition.topic)
        except asyncio.CancelledError as error:
            return cancelled_from_within(error)
        except Exception as error:  # noqa: BLE001 - every failure is judged: tried again or put into dead letters
            return error
        return None

    async def _process(self, raw: RawMessage, topic: Topic) -> None:
        message = await decode(raw, topic, self._codec)
        with (
            traces.continued(message.headers, f"process {topic.name}", **self._attributes(raw)),
            bound_contextvars(**{topic.key: message.key}),
        ):
            await self._handler(message)

    def _attributes(self, raw: RawMessage) -> dict[str, Any]:
        # OpenTelemetry semantic conventions for messaging.
        return {
            "messaging.system": "kafka",
            "messaging.destination.name": raw.topic,
            "messaging.destination.partition.id": str(raw.partition),
            "messaging.kafka.offset": raw.offset,
        }

    def _judge(self, job: Job, error: Exception) -> float | None:
        raw = job.raw
        metrics.FAILED.labels(self._group, raw.topic, error_class(error)).inc()
        delay = self._retry.decide(error, job.attempts)
        log.warning(
            "message.failed",
            topic=raw.topic,
            partition=raw.partition,
            offset=raw.offset,
            attempts=job.attempts,
            error_class=error_class(error),
            reason=str(error),
            again_in_seconds=None if delay is None else round(delay, 3),
            exc_info=error if error_class(error) == "unexpected" else None,
        )
        if delay is not None:
            metrics.RETRIED.labels(self._group, raw.topic).inc()
        return delay

    async def _give_up(self, job: Job, verdict: Exception) -> float | None:
        try:
            await self._dead_letters.put(job.raw, verdict, job.attempts)
        except Retryable as error:
            log.warning("message.dead_letter_delayed", topic=job.raw.topic, offset=job.raw.offset, reason=str(error))
            return self._retry.decide(error, job.attempts)
        self._done(job.raw.topic).inc()
        self._breaker.dead_lettered()
        if self._breaker.reason is not None:
            self._fail(
                BreakerOpen(
                    f"{self._group}: {self._breaker.reason}, the last one as {error_class(verdict)} ({verdict}); "
                    "the messages are safe there; look at the cause before this goes on"
                )
            )
        return None


class PlainAttempts(Attempts):
    """The same without a span and a bound context for each record: for records that come ten thousand a second."""

    async def _process(self, raw: RawMessage, topic: Topic) -> None:
        await self._handler(await decode(raw, topic, self._codec))
