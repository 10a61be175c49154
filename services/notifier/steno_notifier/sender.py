"""Sends due deliveries: claims them, makes an attempt at each, and settles them."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

import structlog
from opentelemetry.trace import SpanKind

from steno.retry import EACH_SECOND, retry
from steno.storage.database import DatabaseUnavailable
from steno.telemetry import traces
from steno_notifier import metrics
from steno_notifier.delivery_queue import Claim, DeliveryQueue
from steno_notifier.delivery_state import Answer, Event, Settlement, settle
from steno_notifier.schedule import RetrySchedule

log = structlog.get_logger("steno.notifier.sender")

# How often the table is looked at unasked: for what another process put back, or left when it died.
_POLL = timedelta(seconds=1)

T = TypeVar("T")


class Transport(Protocol):
    """Carries deliveries to their receivers."""

    async def attempt(self, claim: Claim, *, trace: Mapping[str, str]) -> Answer:
        """Attempts a delivery once, in bounded time. It never raises: any failure is part of the answer.

        Args:
            trace: The trace that the receiver is to continue, as headers.
        """


class Sender:
    """A component: sends due deliveries, many at once, few of them to one webhook.

    Args:
        concurrency: maximum number of attempts under way.
        per_webhook: maximum number of them to one webhook, so that one that hangs does not delay the others.
        drain_seconds: how long attempts under way may take to end at `stop`; the rest is left to the next start.
    """

    def __init__(
        self,
        queue: DeliveryQueue,
        transport: Transport,
        schedule: RetrySchedule,
        *,
        concurrency: int,
        per_webhook: int,
        drain_seconds: float,
        now: Callable[[], datetime],
    ) -> None:
        self._queue = queue
        self._transport = transport
        self._schedule = schedule
        self._concurrency = concurrency
        self._per_webhook = per_webhook
        self._drain_seconds = drain_seconds
        self._now = now
        self._random = random.SystemRandom()
        self._busy: Counter[str] = Counter()
        self._under_way: set[asyncio.Task[None]] = set()
        self._awake = asyncio.Event()
        self._stopping = False
        self._ended = asyncio.Event()
        self._ended.set()

    def wake(self) -> None:
        """Makes the sender look for due deliveries now."""
        self._awake.set()

    async def run(self) -> None:
        """Sends until `stop`, then waits for the attempts under way. An unexpected error ends the process."""
        self._ended.clear()
        try:
            released = await _until_stored(lambda: self._queue.release(now=self._now()))
            if released:
                log.info("deliveries.released", count=released)
            while not self._stopping:
                self._awake.clear()
                if not await self._claim():
                    await self._wait()
                self._raise_failures()
            await self._drain()
        finally:
            self._ended.set()

    async def stop(self) -> None:
        """Stops claiming, and returns when the attempts under way have ended, after `drain_seconds` at the latest."""
        self._stopping = True
        self._awake.set()
        await self._ended.wait()

    async def _drain(self) -> None:
        if not self._under_way:
            return
        _, late = await asyncio.wait(self._under_way, timeout=self._drain_seconds)
        if late:
            log.warning("deliveries.left", count=len(late))
            for task in late:
                task.cancel()
            await asyncio.wait(late)
            self._under_way -= late
        self._raise_failures()

    async def _claim(self) -> bool:
        """Starts an attempt at each delivery that can be claimed now; False where there was none."""
        free = self._concurrency - sum(self._busy.values())
        if free <= 0:
            return False
        try:
            claims = await self._queue.claim(now=self._now(), free=free, busy=self._busy, per_webhook=self._per_webhook)
        except DatabaseUnavailable as error:
            log.warning("database.unavailable", error=str(error))
            return False
        for claim in claims:
            self._busy[claim.webhook_id] += 1
            task = asyncio.create_task(self._deliver(claim))
            self._under_way.add(task)
        return bool(claims)

    async def _wait(self) -> None:
        """Waits until woken, until the next delivery is due, or for the polling interval."""
        pause = _POLL
        try:
            now = self._now()
            next_due = await self._queue.next_due(now=now)
            # One that is overdue is held up by our own limits, and an attempt that ends wakes us.
            if next_due is not None and next_due > now:
                pause = min(pause, next_due - now)
        except DatabaseUnavailable as error:
            log.warning("database.unavailable", error=str(error))
        try:
            async with asyncio.timeout(pause.total_seconds()):
                await self._awake.wait()
        except TimeoutError:
            pass

    def _raise_failures(self) -> None:
        for task in [task for task in self._under_way if task.done()]:
            self._under_way.discard(task)
            task.result()

    async def _deliver(self, claim: Claim) -> None:
        parent = {"traceparent": claim.traceparent} if claim.traceparent else {}
        fields = {"call_id": claim.call_id, "event_id": claim.event_id, "webhook_id": claim.webhook_id}
        try:
            with (
                structlog.contextvars.bound_contextvars(**fields),
                traces.continue_trace(parent, "delivery", kind=SpanKind.CLIENT, **fields) as span,
            ):
                trace = {name: value.decode("ascii") for name, value in traces.inject().items()}
                answer = await self._transport.attempt(claim, trace=trace)
                span.set_attribute("http.response.status_code", answer.status_code or 0)
                now = self._now()
                settlement = settle(
                    answer, tries=claim.tries + 1, now=now, schedule=self._schedule, chance=self._random.random()
                )
                ours = await _until_stored(lambda: self._queue.settle(claim, answer, settlement, now=now))
                _report(claim, answer, settlement, ours=ours, now=now)
        finally:
            self._busy[claim.webhook_id] -= 1
            self._busy += Counter()  # drops the webhooks that have none under way
            self.wake()


async def _until_stored(work: Callable[[], Awaitable[T]]) -> T:
    """Repeats a database operation until it succeeds. If the process ends first, the lease runs out."""
    return await retry(work, EACH_SECOND, failed=lambda error, _seconds: log.warning("database.unavailable", error=str(error)))


def _report(claim: Claim, answer: Answer, settlement: Settlement, *, ours: bool, now: datetime) -> None:
    """Logs an attempt and counts it in the metrics."""
    metrics.ATTEMPTS.labels(f"{answer.status_code // 100}xx" if answer.status_code else "none").inc()
    metrics.ATTEMPT_SECONDS.observe(answer.duration_ms / 1000)
    fields = {
        "event_type": claim.event_type,
        "attempt": claim.number,
        "status_code": answer.status_code,
        "duration_ms": answer.duration_ms,
    }
    if not ours:
        log.warning("delivery.not_ours_any_more", **fields)
        return
    match settlement.event:
        case Event.ACKNOWLEDGED:
            metrics.DELIVERIES.labels("delivered").inc()
            metrics.LATENCY_SECONDS.observe(max(0.0, (now - claim.occurred_at).total_seconds()))
            log.info("delivery.delivered", **fields)
        case Event.POSTPONED:
            log.warning("delivery.postponed", error=answer.error, due_at=str(settlement.due_at), **fields)
        case _:
            metrics.DELIVERIES.labels("failed").inc()
            log.error("delivery.failed", reason=settlement.reason, **fields)
    if answer.gone:
        metrics.DISABLED.inc()
        log.error("webhook.disabled", reason=settlement.reason)
