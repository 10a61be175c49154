"""Processes one record: decodes it, calls the handler, and decides what happens after a failure.

| failure | consequence |
|---|---|
| a dependency is unreachable (`Retryable`) | retried without limit |
| the record cannot be read (`decode`) | dead letters, by the one service that the catalogue names; others skip it |
| the handler cannot use it (`Permanent`) | dead letters |
| an unexpected error (any other) | retried a few times; then `steno.kafka.held_records` decides: dead letters, or held |
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from functools import cache, partial
from typing import Any

import structlog
from structlog.contextvars import bound_contextvars

from steno.errors import Permanent, Retryable
from steno.kafka import metrics
from steno.kafka.bad_share import BadShare
from steno.kafka.cluster import Cluster
from steno.kafka.dead_letters import error_class
from steno.kafka.errors import NewerRecord
from steno.kafka.held_records import HeldRecords
from steno.kafka.jobs import HELD, Job, Outcome
from steno.kafka.log_limiter import LogLimiter
from steno.kafka.messages import Handler, Message, decode
from steno.retry import RetryPolicy
from steno.telemetry import traces

log = structlog.get_logger("steno.kafka.consumer")

GiveUp = Callable[[Message, Exception], Awaitable[None]]
"""Called before a message goes to dead letters after an unexpected error, to end the work it belongs to with a reason.

It may be called more than once, and may raise `Retryable` to be called again. After any other error the message is held, and
handled again later.
"""


class HandlerCancelledItself(Exception):
    """The handler raised `CancelledError` although its task was not cancelled: something it awaited was."""


def cancelled_from_within(error: asyncio.CancelledError) -> HandlerCancelledItself:
    """Returns the error for a `CancelledError` in a task that was not cancelled; in a cancelled task it is raised again."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise error
    unasked = HandlerCancelledItself("the handler was cancelled from within")
    unasked.__cause__ = error
    return unasked


class RecordProcessor:
    """Processes the records of one consumer group."""

    def __init__(
        self,
        cluster: Cluster,
        *,
        group: str,
        handler: Handler,
        retry: RetryPolicy,
        try_again: Callable[[Job], None],
        give_up: GiveUp | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            group: The full name of the group.
            try_again: Called with a held job that is to be tried again.
            give_up: Called for messages that go to dead letters after an unexpected error.
            clock: Seconds of a monotonic clock.
        """
        self._group = group
        self._codec = cluster.codec
        self._handler = handler
        self._dead_letters = cluster.dead_letters
        self._retry = retry
        self._try_again = try_again
        self._given_up = give_up
        self._clock = clock
        self._held: HeldRecords[Job] = HeldRecords()
        self._bad_shares: dict[str, BadShare] = {}
        self._log_limiter = LogLimiter()
        # A stack trace has a hundred lines, so only the first of a kind is logged.
        self._traces = LogLimiter(at_first=1)
        # The lookup is cached, since ten thousand records a second come.
        self._done = cache(partial(metrics.CONSUMED.labels, group))

    @property
    def holding(self) -> bool:
        """Whether records are held after unexpected errors."""
        return any(self._held.counts.values())

    async def __call__(self, job: Job) -> Outcome:
        """Makes one attempt at a job; returns None if it is done (handled or safe in dead letters), the seconds until the next
        attempt, or `HELD`.

        Raises:
            asyncio.CancelledError: the job was cancelled; it is neither done nor failed.
        """
        if job.verdict is None:
            job.attempts += 1
            error = await self._handle(job)
            if error is None:
                self._handled(job)
                return None
            outcome = self._judge(job, error)
            if outcome is not None:
                return outcome
            job.verdict = error
        return await self._put_aside(job, job.verdict)

    def check_held(self, *, full: bool = False) -> None:
        """Retries held records that are due, and sets the gauges; called about once a second.

        Args:
            full: Whether a partition is paused because of its held records.
        """
        # For example, offsets went back, so that these records come again.
        self._held.forget(lambda job: job.partition.revoked)
        self._release(full=full)
        self._measure()

    def clear(self) -> None:
        """Removes the held records, after the partitions were released."""
        self._held.clear()
        self._measure()

    def _measure(self) -> None:
        counts: dict[str, int] = {}
        for kind, count in self._held.counts.items():
            topic = _topic_of(kind)
            counts[topic] = counts.get(topic, 0) + count
        for topic, count in counts.items():
            metrics.HELD.labels(self._group, topic).set(count)
        for topic, share in self._bad_shares.items():
            metrics.BAD_SHARE.labels(self._group, topic).set(share.share)

    async def _handle(self, job: Job) -> Exception | None:
        job.message = None
        try:
            job.message = await decode(job.raw, job.partition.topic, self._codec)
            await self._process(job.message)
        except asyncio.CancelledError as error:
            return cancelled_from_within(error)
        except Exception as error:  # noqa: BLE001 - every failure is judged: tried again, held, or put into dead letters
            return error
        return None

    async def _process(self, message: Message) -> None:
        topic = message.topic
        with (
            traces.continue_trace(message.headers, f"process {topic.name}", **self._attributes(message)),
            bound_contextvars(**{topic.key: message.key}),
        ):
            await self._handler(message)

    def _attributes(self, message: Message) -> dict[str, Any]:
        # OpenTelemetry semantic conventions for messaging.
        return {
            "messaging.system": "kafka",
            "messaging.destination.name": message.topic.name,
            "messaging.destination.partition.id": str(message.partition),
            "messaging.kafka.offset": message.offset,
            "messaging.kafka.message.key": message.key or "",
        }

    def _handled(self, job: Job) -> None:
        topic = job.raw.topic
        kind = (topic, type(job.message and job.message.record))
        self._held.handled(kind, job)
        self._done(topic).inc()
        self._note(topic, bad=False)
        if job.was_held:
            if job.fault != kind:
                # For example it was held because it could not be decoded: the others of that kind may succeed now, too.
                self._held.handled(job.fault, job)
            self._went_through(job.fault)

    def _judge(self, job: Job, error: Exception) -> Outcome:
        """Decides what happens after a failure; None: the record goes to dead letters."""
        job.alone = isinstance(error, Retryable) and error.of_record
        if isinstance(error, Permanent):
            outcome: Outcome = None
        elif isinstance(error, Retryable):
            outcome = self._retry.decide(error, job.attempts)
        else:
            outcome = self._judge_fault(job, error)
        self._log_failure(job, error, outcome)
        return outcome

    def _judge_fault(self, job: Job, error: Exception) -> Outcome:
        kind = _kind_of(job, error)
        if job.was_held and job.fault != kind:
            self._held.discard(job.fault, job)
        job.fault = kind
        lasting = isinstance(error, NewerRecord)
        if lasting or job.was_held:
            again = None
        elif self._held.is_held(kind):
            return self._hold(job, kind, error)
        else:
            again = self._retry.decide(error, job.attempts)
        if again is not None:
            return again
        if self._held.may_be_put_aside(kind):
            return None
        return self._hold(job, kind, error)

    def _hold(self, job: Job, kind: Hashable, error: Exception) -> Outcome:
        job.was_held, job.message = True, None
        if self._held.hold(kind, job, self._clock()):
            log.error(
                "consumer.holding",
                group=self._group,
                topic=job.raw.topic,
                error_class=error_class(error),
                reason=str(error),
                what="records of this kind fail and none succeeds: they are held and retried until the fault is fixed",
            )
        return HELD

    def _log_failure(self, job: Job, error: Exception, outcome: Outcome) -> None:
        raw, found = job.raw, error_class(error)
        metrics.FAILED.labels(self._group, raw.topic, found).inc()
        if isinstance(outcome, float):
            metrics.RETRIED.labels(self._group, raw.topic).inc()
        kind, now = (raw.topic, found), self._clock()
        left_out = self._log_limiter.left_out(kind, now)
        if left_out is None:
            return
        traced = found == "unexpected" and self._traces.left_out(kind, now) is not None
        log.warning(
            "message.failed",
            topic=raw.topic,
            partition=raw.partition,
            offset=raw.offset,
            attempts=job.attempts,
            error_class=found,
            reason=str(error),
            again_in_seconds=round(outcome, 3) if isinstance(outcome, float) else None,
            left_out=left_out,
            exc_info=error if traced else None,
        )

    async def _put_aside(self, job: Job, verdict: Exception) -> Outcome:
        raw = job.raw
        bad = isinstance(verdict, Permanent)
        if self._given_up is not None and job.fault is not None and job.message is not None and not bad:
            try:
                await self._given_up(job.message, verdict)
            except Retryable as error:
                return self._delayed(job, error)
            except Exception as error:  # noqa: BLE001 - its work would never end, so it is handled again
                job.verdict = None
                return self._hold(job, job.fault, error)
        try:
            if bad and job.message is None and not self._dead_letters.owns(job.partition.topic):
                metrics.PASSED_OVER.labels(self._group, raw.topic, error_class(verdict)).inc()
            else:
                await self._dead_letters.put(raw, verdict, job.attempts)
        except Retryable as error:
            return self._delayed(job, error)
        self._done(raw.topic).inc()
        self._note(raw.topic, bad=bad)
        if job.fault is not None:
            self._held.put_aside(job.fault, job)
            self._went_through(job.fault)
        return None

    def _delayed(self, job: Job, error: Retryable) -> Outcome:
        log.warning("message.dead_letter_delayed", topic=job.raw.topic, offset=job.raw.offset, reason=str(error))
        return self._retry.decide(error, job.attempts)

    def _note(self, topic: str, *, bad: bool) -> None:
        share = self._bad_shares.get(topic)
        if share is None:
            share = self._bad_shares[topic] = BadShare()
        if share.note(bad):
            event = "topic.mostly_bad" if share.mostly_bad else "topic.good_again"
            log.warning(event, group=self._group, topic=topic, bad_share=round(share.share, 3))

    def _went_through(self, kind: Hashable) -> None:
        if not self._held.is_held(kind):
            log.info("consumer.holds_no_more", group=self._group, topic=_topic_of(kind))
        self._release()

    def _release(self, *, full: bool = False) -> None:
        for job in self._held.due(self._clock(), full=full):
            self._try_again(job)


def _kind_of(job: Job, error: Exception) -> Hashable:
    if isinstance(error, NewerRecord):
        return job.raw.topic, error.schema_id
    return job.raw.topic, type(job.message and job.message.record)


def _topic_of(kind: Hashable) -> str:
    assert isinstance(kind, tuple)
    return str(kind[0])
