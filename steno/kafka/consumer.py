"""The consumer: work of any length on the messages of a group's topics, at least once each.

It keeps polling while work is under way (aiokafka's idle clock would put it out of the group otherwise), pauses when it is
full, lets work finish in any order, and commits, per partition, the lowest offset that is not done. When its partitions are
taken back it lets running work finish up to a limit, commits, and cancels the rest, which whoever comes next does again.
Nothing but `OffsetTracker` decides what is committed, so a commit is a true statement whenever it arrives.

Membership is static (KIP-345): a process that comes back under its instance name within the session takes its partitions
up again, and nobody else's move. Two processes of one name put each other out of the group, so one of them ends; the name
comes from the pod or the supervisor's slot.
"""

import asyncio
import time
from collections.abc import Sequence

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.errors import KafkaError
from aiokafka.protocol.group import JoinGroupRequest

from steno.events.catalogue import Topic
from steno.events.codec import Codec
from steno.kafka import metrics
from steno.kafka.assignment import Assignment
from steno.kafka.attempts import Attempts
from steno.kafka.breaker import Breaker
from steno.kafka.client import client_options
from steno.kafka.commits import Commits
from steno.kafka.dead_letters import DeadLetters
from steno.kafka.errors import ConsumerStuck, DuplicateInstance
from steno.kafka.messages import Handler, Message
from steno.kafka.retry import RetryPolicy
from steno.kafka.slots import Slots
from steno.kafka.topics import topic_name
from steno.kafka.watchdog import LoopGuard, Watchdog
from steno.settings import KafkaSettings, TopicSettings

__all__ = ["Consumer", "Handler", "Message"]

log = structlog.get_logger("steno.kafka.consumer")

_POLL_SECONDS = 0.2
_COMMIT_EVERY_SECONDS = 1.0
_COMMIT_SECONDS = 2.0
_CANCEL_SECONDS = 1.0
_LEAVE_SECONDS = 1.5
_RECONNECT_SECONDS = 1.0
_LOOP_STUCK_SECONDS = 60.0
_LINE = 256
_LOSSES = 5


class Consumer(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is untyped
    """One member of a consumer group; a component of a service (`run`, `stop`)."""

    def __init__(
        self,
        *,
        kafka: KafkaSettings,
        topics: TopicSettings,
        codec: Codec,
        group: str,
        subscribe: Sequence[Topic],
        handler: Handler,
        dead_letters: DeadLetters,
        concurrency: int,
        instance: str,
        drain_seconds: float,
        from_beginning: bool = True,
        session_seconds: float = 10.0,
        max_poll_seconds: float = 300.0,
        stuck_seconds: float = 300.0,
        max_gap: int = 500,
        retry: RetryPolicy | None = None,
        breaker: Breaker | None = None,
    ) -> None:
        """
        Args:
            group: The whole name of the group, prefix included.
            handler: Does the work; see `steno.kafka.messages.Handler` for its contract.
            concurrency: Messages handled at once.
            instance: Name of this member among its like, the same after a restart.
            drain_seconds: How long running work may take to finish at `stop` and when partitions are taken back.
            from_beginning: Where a group starts that has committed nothing: at the oldest message, or at the next new one.
            session_seconds: How long the member may be silent before its partitions go to others.
            max_poll_seconds: How long the poll loop may be held up before the member leaves the group; work is no part of it.
            stuck_seconds: How long no poll or commit may go through before `run` raises.
            max_gap: Messages of one partition taken beyond its lowest unfinished one: how much a crash makes it do again.
        """
        if not subscribe or any(not topic.records for topic in subscribe):
            raise ValueError("subscribe to at least one topic, and to topics whose records the catalogue names")
        if concurrency < 1:
            raise ValueError(f"concurrency is {concurrency}; it must be at least 1")
        self._kafka = kafka
        self._group = group
        self._instance = instance
        self._drain_seconds = drain_seconds
        self._from_beginning = from_beginning
        self._session_seconds = session_seconds
        self._max_poll_seconds = max_poll_seconds
        self._stuck_seconds = stuck_seconds
        attempts = Attempts(
            group=group,
            codec=codec,
            handler=handler,
            dead_letters=dead_letters,
            retry=retry or RetryPolicy(),
            breaker=breaker or Breaker(),
            fail=self._fail,
        )
        self._slots = Slots(concurrency=concurrency, line=max(_LINE, concurrency), attempt=attempts, fail=self._fail)
        self._assignment = Assignment(
            group=group, topics={topic_name(topics, topic): topic for topic in subscribe}, max_gap=max_gap, slots=concurrency
        )
        self._watchdog = Watchdog(stuck_seconds=stuck_seconds, clock=time.monotonic)
        self._commits = Commits(
            group=group, assignment=self._assignment, watchdog=self._watchdog, patience_seconds=_COMMIT_SECONDS
        )
        self._stopping = asyncio.Event()
        self._ended = asyncio.Event()
        self._failure: BaseException | None = None
        self._client: AIOKafkaConsumer | None = None
        self._joined = False
        self._joined_at = 0.0
        self._losses = 0
        self._started = False

    async def run(self) -> None:
        """Works until `stop`; where Kafka is away it waits for it.

        Raises:
            DuplicateInstance: another process works under the same instance name.
            BreakerOpen: so much goes to dead letters that a person must look.
            ConsumerStuck: no poll or no commit has gone through for `stuck_seconds`.
            aiokafka.errors.KafkaError: the group does not let this member in, or its coordination failed.
        """
        self._started = True
        self._watchdog.polled()
        guard = LoopGuard(stuck_seconds=min(_LOOP_STUCK_SECONDS, self._stuck_seconds))
        guard.start(asyncio.get_running_loop())
        poller = asyncio.create_task(self._poll())
        others = [asyncio.create_task(self._commit_regularly()), asyncio.create_task(self._watch())]
        try:
            for task in (poller, *others):
                task.add_done_callback(self._noticed)
            await self._stopping.wait()
            await self._wind_down(poller, others)
        finally:
            guard.stop()
            self._ended.set()
        if self._failure is not None:
            raise self._failure

    async def stop(self) -> None:
        """Stops fetching, lets running work finish up to `drain_seconds`, commits, and lets `run` return."""
        self._stopping.set()
        self._slots.hold()
        if self._started:
            await self._ended.wait()

    def ready(self) -> bool:
        """Whether this member has joined its group and works."""
        return self._joined and not self._stopping.is_set()

    def alive(self) -> bool:
        """Whether it makes progress; False asks for a restart."""
        return self._failure is None and self._watchdog.stuck is None

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Called by aiokafka before the partitions are dealt anew; heartbeats go on meanwhile."""
        self._joined = False
        if not revoked:
            return
        try:
            metrics.REBALANCES.labels(self._group).inc()
            still_ours = not self._was_put_out() and await self._commit()
            cancelled = await self._slots.drain(self._drain_seconds if still_ours else 0, grace_seconds=_CANCEL_SECONDS)
            if still_ours:
                await self._commit()
            self._assignment.clear()
            log.info("consumer.revoked", group=self._group, partitions=len(revoked), cancelled=cancelled, lost=not still_ours)
            if isinstance(self._failure, DuplicateInstance):
                # aiokafka would join again and put the other out once more: held here until the client is closed.
                await self._ended.wait()
        except BaseException as error:
            # aiokafka only logs what a listener raises.
            self._fail(error)
            raise

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Called by aiokafka when partitions have been dealt."""
        self._joined = True
        self._joined_at = time.monotonic()
        log.info("consumer.assigned", group=self._group, instance=self._instance, partitions=len(assigned))

    def _was_put_out(self) -> bool:
        """Whether the group no longer knows this member: its session ran out, or another took its name."""
        # aiokafka has no public sign of it.
        if self._client is None or self._client._coordinator.member_id != JoinGroupRequest.UNKNOWN_MEMBER_ID:
            self._losses = 0
            return False
        # A session that runs out lasts at least as long as a session; a name that is taken is lost at the next heartbeat.
        lasted = time.monotonic() - self._joined_at
        self._losses = self._losses + 1 if lasted < self._session_seconds else 0
        if self._losses >= _LOSSES:
            self._fail(
                DuplicateInstance(
                    f"another process works as instance {self._instance} of group {self._group}: they put each other out; "
                    "give each process an instance name of its own, the same after a restart"
                )
            )
        return True

    async def _poll(self) -> None:
        client = await self._join()
        while not self._stopping.is_set():
            has_room = await self._slots.wait_for_room(_POLL_SECONDS)
            self._assignment.pause(client, everything=not has_room)
            records = await client.getmany(
                timeout_ms=int(_POLL_SECONDS * 1000) if has_room else 0, max_records=max(1, self._slots.room)
            )
            self._watchdog.polled()
            if records and not self._stopping.is_set():
                self._slots.add(self._assignment.take(records))

    async def _join(self) -> AIOKafkaConsumer:
        while True:
            client = self._client = self._new_client()
            try:
                await client.start()
            except KafkaError as error:
                self._client = None
                await _leave(client)
                log.warning("consumer.kafka_away", group=self._group, reason=str(error))
                self._watchdog.polled()
                await asyncio.sleep(_RECONNECT_SECONDS)
            else:
                return client

    def _new_client(self) -> AIOKafkaConsumer:
        # A JoinGroup is answered when every member has drained, so no request may time out before a rebalance does.
        rebalance_seconds = max(60.0, self._drain_seconds + 15.0)
        client = AIOKafkaConsumer(
            **client_options(self._kafka),
            client_id=f"steno-{self._group}-{self._instance}",
            group_id=self._group,
            group_instance_id=f"{self._group}-{self._instance}",
            enable_auto_commit=False,
            auto_offset_reset="earliest" if self._from_beginning else "latest",
            # aiokafka keeps an assignor's memory on the class: one class for each consumer of the process.
            partition_assignment_strategy=(type("StickyAssignor", (StickyPartitionAssignor,), {}),),
            session_timeout_ms=_ms(self._session_seconds),
            heartbeat_interval_ms=_ms(min(1.0, self._session_seconds / 4)),
            max_poll_interval_ms=_ms(self._max_poll_seconds),
            rebalance_timeout_ms=_ms(rebalance_seconds),
            request_timeout_ms=_ms(rebalance_seconds + 10),
        )
        client.subscribe(self._assignment.topic_names, listener=self)
        return client

    async def _commit_regularly(self) -> None:
        while True:
            await asyncio.sleep(_COMMIT_EVERY_SECONDS)
            await self._commit()

    async def _commit(self) -> bool:
        """Commits what is done; False when the partitions are no longer ours."""
        return self._client is None or await self._commits.commit(self._client)

    async def _watch(self) -> None:
        while True:
            self._assignment.measure(self._client, running=self._slots.running)
            if (reason := self._watchdog.stuck) is not None:
                raise ConsumerStuck(f"{self._group}: {reason}; the process must be started again")
            await asyncio.sleep(1)

    async def _wind_down(self, poller: asyncio.Task[None], others: Sequence[asyncio.Task[None]]) -> None:
        await asyncio.wait([poller], timeout=2 * _POLL_SECONDS)
        await self._slots.drain(self._drain_seconds if self._failure is None else 0, grace_seconds=_CANCEL_SECONDS)
        for task in (poller, *others):
            task.cancel()
        await asyncio.wait([poller, *others], timeout=_CANCEL_SECONDS)
        if self._client is not None:
            await self._commit_at_last()
            await _leave(self._client)
            await self._commits.abandon()
        self._joined = False
        self._assignment.clear()

    async def _commit_at_last(self) -> None:
        try:
            await self._commit()
        except KafkaError as error:
            log.warning("consumer.commit_failed", group=self._group, reason=repr(error))

    def _noticed(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        if self._failure is None:
            self._failure = error
            log.error("consumer.failed", group=self._group, reason=repr(error))
        self._stopping.set()
        self._slots.hold()


async def _leave(client: AIOKafkaConsumer) -> None:
    """Closes a client in bounded time: its own `stop` waits for an answer of the group that may take a whole rebalance."""
    try:
        await asyncio.wait_for(client.stop(), _LEAVE_SECONDS)
    except TimeoutError:
        # What `stop` had not come to.
        if client._coordinator is not None:
            await client._coordinator._stop_heartbeat_task()
            await client._coordinator._stop_commit_offsets_refresh_task()
        if client._fetcher is not None:
            await client._fetcher.close()
        await client._client.close()


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
