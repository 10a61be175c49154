"""Runs the Faust app as a component of the service, and ends the process where Faust hangs."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from steno.background import pause
from steno.errors import Retryable
from steno.events.catalogue import PHRASES
from steno.kafka import HELD, Cluster, Job, LogLimiter, LoopGuard, Partition, RecordProcessor, Watchdog, is_refusal, refusal
from steno.kafka.errors import ConsumerStuck
from steno.kafka.messages import Handler
from steno.retry import RetryPolicy
from steno_enricher import metrics
from steno_enricher.enricher import Enricher
from steno_enricher.faust_app import SOURCES, App, TableRows, consume, make_app

log = structlog.get_logger("steno.enricher.worker")

_LOOK_EVERY_SECONDS = 0.5
_STALLED_SECONDS = 15.0
_STOOD_STILL_SECONDS = 5.0
# So many messages are held, of so many bytes.
_MOST_HELD = 10_000
_MOST_HELD_BYTES = 16 << 20
#: The partition of a message that is another member's now.
_GONE = Partition(topic=PHRASES, revoked=True)


@dataclass(kw_only=True, slots=True)
class _Raw:
    """A Faust message in the form of the Kafka kernel (`steno.kafka.messages.RawMessage`)."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes | None]]


class Worker:
    """One member of the enricher's consumer group."""

    def __init__(self, cluster: Cluster, *, stuck_seconds: float, sweep_seconds: float) -> None:
        """
        Args:
            stuck_seconds: How long there may be no progress before the process ends.
            sweep_seconds: How often the table is searched for rows that are due.
        """
        self._cluster = cluster
        self._stuck_seconds = stuck_seconds
        self._sweep_seconds = sweep_seconds
        self._app: App = make_app(cluster)
        self.rows = TableRows(self._app, cluster.producer, partitions=cluster.topics.partitions)
        self._watchdog = Watchdog(stuck_seconds=stuck_seconds, clock=time.monotonic)
        self._processor: RecordProcessor | None = None
        # Messages that are held, and those of them that are to be worked on again.
        self._held: dict[Job, Any] = {}
        self._held_bytes = 0
        self._again: asyncio.Queue[Job] = asyncio.Queue()
        self._partitions = {cluster.topic_name(topic): Partition(topic=topic) for topic in SOURCES}
        self._refusals = LogLimiter(at_first=1)
        self._working_since: float | None = None
        self._unready_since = time.monotonic()
        self._stopping = asyncio.Event()
        self._ended = asyncio.Event()
        self._started = False
        self._failure: BaseException | None = None
        self._enricher: Enricher | None = None
        self._preparing: asyncio.Task[Any] | None = None

    def set_handler(self, enricher: Enricher, *, preparing: asyncio.Task[Any]) -> None:
        """Sets the handler of the messages, before `run`; where the task `preparing` fails, the worker fails."""
        self._enricher = enricher
        self._preparing = preparing
        self._processor = self._make_processor(enricher)
        consume(self._app, self._cluster, self._handle)

    def ready(self) -> bool:
        """Whether this member has its partitions and their rows, and is not stopping."""
        app = self._app
        return bool(app.tables.actives_ready) and not app.rebalancing and not self._stopping.is_set()

    def alive(self) -> bool:
        """Whether it makes progress, or has not started; False asks for a restart."""
        return self._failure is None and not (self._started and self._stuck())

    def holds_nothing(self) -> bool:
        """Whether no message is held back for an error of ours; False asks for a person, not for a restart."""
        return not self._held

    async def run(self) -> None:
        """Runs until `stop`.

        Raises:
            ConsumerStuck: Faust hangs.
        """
        self._started = True
        self._unready_since = time.monotonic()
        self._watchdog.polled()
        guard = LoopGuard(stuck_seconds=self._stuck_seconds)
        try:
            self._app.done_consumer.watchdog = self._watchdog
            self._app.done_consumer.refused = self._log_refused
            guard.start(asyncio.get_running_loop())
            tasks: list[asyncio.Task[Any]] = [
                asyncio.create_task(part)
                for part in (self._app.start(), self._check_regularly(), self._sweep(), self._work_on_held())
            ]
            if self._preparing is not None:
                tasks.append(self._preparing)
            for task in tasks:
                task.add_done_callback(self._note_end)
            await self._stopping.wait()
            await self._wind_down(tasks)
        finally:
            guard.stop()
            self._ended.set()
        if self._failure is not None:
            raise self._failure

    async def stop(self) -> None:
        """Finishes the present message, commits, and lets `run` return."""
        self._stopping.set()
        if self._started:
            await self._ended.wait()

    def _make_processor(self, handler: Handler) -> RecordProcessor:
        return RecordProcessor(
            self._cluster,
            group=self._cluster.group_name(),
            handler=handler,
            retry=RetryPolicy(),
            try_again=self._again.put_nowait,
        )

    async def _handle(self, message: Any) -> None:
        """Handles a message until it is done or held; where the worker stops first, neither it nor later ones are committed."""
        assert self._processor is not None
        raw = _Raw(
            topic=message.topic,
            partition=message.partition,
            offset=message.offset,
            timestamp=int(message.timestamp * 1000),
            key=message.key,
            value=message.value,
            headers=tuple(message.headers or ()),
        )
        while self._full and not self._stopping.is_set():
            self._app.done_consumer.note_progress()
            await pause(_LOOK_EVERY_SECONDS, self._stopping)
        await self._process(Job(partition=self._partitions[message.topic], raw=raw), message)

    async def _process(self, job: Job, message: Any) -> None:
        assert self._processor is not None
        self._working_since = time.monotonic()
        try:
            while not self._stopping.is_set():
                outcome = await self._processor(job)
                if outcome is None:
                    self._release(job)
                    self._app.done_consumer.mark_done(message)
                    return
                if outcome is HELD:
                    self._hold(job, message)
                    self._app.done_consumer.hold(message)
                    return
                await pause(outcome, self._stopping)
        except ConsumerStuck as error:
            self._fail(error)
        finally:
            self._working_since = None

    async def _work_on_held(self) -> None:
        """Handles held messages again, beside the new ones."""
        while True:
            job = await self._again.get()
            message = self._held.get(job)
            if message is not None:
                await self._process(job, message)

    @property
    def _full(self) -> bool:
        """Whether no more messages can be held."""
        return len(self._held) >= _MOST_HELD or self._held_bytes >= _MOST_HELD_BYTES

    def _hold(self, job: Job, message: Any) -> None:
        if job not in self._held:
            self._held_bytes += job.bytes
        self._held[job] = message

    def _release(self, job: Job) -> None:
        if self._held.pop(job, None) is not None:
            self._held_bytes -= job.bytes

    def _check_held(self) -> None:
        assert self._processor is not None
        generation = self._app.consumer_generation_id
        for job in [job for job, message in self._held.items() if message.generation_id != generation]:
            # Whoever has its partition now reads it again.
            self._release(job)
            job.partition = _GONE
        self._processor.check_held(full=self._full)

    async def _check_regularly(self) -> None:
        while True:
            if self.ready():
                self._unready_since = time.monotonic()
            metrics.ROWS.set(len(self.rows))
            self._app.done_consumer.measure(self._cluster.group_name(), now=time.time())
            self._check_held()
            if self._app.crashed:
                error = self._app.crash_reason
                raise ConsumerStuck(f"Faust crashed: {self._refusal(error) if is_refusal(error) else repr(error)}") from error
            if (reason := self._stuck()) is not None:
                raise ConsumerStuck(f"{self._cluster.group_name()}: {reason}; the process must be restarted")
            await self._app.skip_holes()
            await asyncio.sleep(_LOOK_EVERY_SECONDS)

    def _refusal(self, error: Exception) -> str:
        return refusal(self._cluster.kafka, error, group=self._cluster.group_name())

    def _log_refused(self, error: Exception) -> None:
        reason = self._refusal(error)
        if self._refusals.left_out(reason, time.monotonic()) is not None:
            log.error("worker.access_refused", reason=reason)

    def _stuck(self) -> str | None:
        """What hangs, as a reason for the log; None where nothing does."""
        now = time.monotonic()
        if self._working_since is not None and now - self._working_since > self._stuck_seconds:
            return f"one record has been worked on for {now - self._working_since:.0f} s"
        if now - self._unready_since > self._stuck_seconds:
            return f"no partitions, or not their rows, for {now - self._unready_since:.0f} s"
        stalled_since = self._app.done_consumer.stalled_since
        if stalled_since is not None and self._working_since is None and now - stalled_since > _STALLED_SECONDS:
            return f"records were fetched and none has been handled for {now - stalled_since:.0f} s"
        if self._app.coordination_ended and not self._stopping.is_set():
            return "the coordination with the group has ended"
        return self._watchdog.stuck

    async def _sweep(self) -> None:
        assert self._enricher is not None
        while True:
            slept_at = time.monotonic()
            await asyncio.sleep(self._sweep_seconds)
            # A process that stood still may have lost its partitions and not know it yet: their rows are another one's.
            stood_still = time.monotonic() - slept_at > self._sweep_seconds + _STOOD_STILL_SECONDS
            if self.ready() and not stood_still:
                try:
                    swept = await self._enricher.sweep()
                except Retryable as error:
                    log.warning("sweep.failed", reason=str(error))
                else:
                    log.debug("sweep.done", rows=swept)

    async def _wind_down(self, tasks: Sequence[asyncio.Task[Any]]) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        try:
            # In a task of its own: a service of Faust that is cancelled half-way leaves its threads running.
            await asyncio.wait_for(self._app.stop(), self._cluster.drain_seconds)  # noqa: TID251
        except TimeoutError:
            log.warning("worker.left_abruptly")

    def _note_end(self, task: asyncio.Task[Any]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        if self._failure is None:
            self._failure = error
            log.error("worker.failed", reason=repr(error))
        self._stopping.set()
