"""The base class of group members: it joins the group, polls, commits, watches for a standstill, and leaves.

Membership is static (KIP-345): a process that returns under its instance name within the session timeout gets its partitions
back, and no others move. Two processes with the same name exclude each other from the group, so one of them ends. The name
comes from the pod or from the supervisor.
"""

import asyncio
import time
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.errors import KafkaError, TopicAuthorizationFailedError, UnknownError
from aiokafka.protocol.group import JoinGroupRequest

from steno.kafka import metrics
from steno.kafka.assignment import Assignment
from steno.kafka.client import client_options, stop_consumer
from steno.kafka.cluster import Cluster
from steno.kafka.commits import Commits
from steno.kafka.errors import ConsumerStuck, DuplicateInstance
from steno.kafka.faults import REFUSED, connection_fault, refusal
from steno.kafka.jobs import Job
from steno.kafka.log_limiter import LogLimiter
from steno.kafka.messages import RawMessage
from steno.kafka.processing import RecordProcessor
from steno.kafka.watchdog import LoopGuard, Watchdog

log = structlog.get_logger("steno.kafka.consumer")

POLL_SECONDS = 0.2
CANCEL_SECONDS = 1.0
_COMMIT_EVERY_SECONDS = 1.0
_COMMIT_SECONDS = 2.0
_LEAVE_SECONDS = 1.5
_RECONNECT_SECONDS = 1.0
_LOOP_STUCK_SECONDS = 60.0
_LOSSES = 5
_MUCH_BYTES = 262_144
"""The size at which the broker answers a fetch without waiting longer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Patience:
    """The timeouts of a member; services use the defaults."""

    #: How long the member may send no heartbeat before its partitions go to others.
    session_seconds: float = 10.0
    #: How long the poll loop may be blocked before the member leaves the group. Handlers do not block it.
    max_poll_seconds: float = 300.0
    #: How long no poll or no commit may succeed before `run` raises.
    stuck_seconds: float = 300.0


class GroupMember(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is untyped
    """One member of a consumer group; a component of a service (`run`, `stop`)."""

    def __init__(
        self, cluster: Cluster, assignment: Assignment, *, group: str, patience: Patience, gather_seconds: float = 0.0
    ) -> None:
        """
        Args:
            group: The full name of the group, with prefix.
            gather_seconds: How long the broker may collect messages before it answers a fetch; 0: it answers at once.
        """
        self._cluster = cluster
        self._group = group
        self._patience = patience
        self._gather_seconds = gather_seconds
        self._drain_seconds = cluster.drain_seconds
        self._assignment = assignment
        self._watchdog = Watchdog(stuck_seconds=patience.stuck_seconds, clock=time.monotonic)
        self._commits = Commits(
            group=self._group, assignment=assignment, watchdog=self._watchdog, patience_seconds=_COMMIT_SECONDS
        )
        self._stopping = asyncio.Event()
        self._ended = asyncio.Event()
        self._failure: BaseException | None = None
        self._client: AIOKafkaConsumer | None = None
        self._joined = False
        self._joined_at = 0.0
        self._losses = 0
        self._started = False
        self._log_limiter = LogLimiter(at_first=1)

    #: Makes the attempts at records; set by subclasses.
    _processor: RecordProcessor

    def holds_nothing(self) -> bool:
        """Whether no records are held after unexpected errors. If some are, a person must act; a restart does not help."""
        return not self._processor.holding

    @abstractmethod
    async def _fetch(self, client: AIOKafkaConsumer) -> Mapping[TopicPartition, Sequence[RawMessage]]:
        """Polls once in bounded time, for as many records as there is room for."""

    @abstractmethod
    def _begin(self, jobs: Iterable[Job]) -> None:
        """Starts handling records."""

    @abstractmethod
    def _hold(self) -> None:
        """Stops starting records until there is a new assignment."""

    @abstractmethod
    async def _drain(self, seconds: float) -> int:
        """Lets running handlers finish within `seconds` and cancels the rest; returns the number of cancelled ones.

        With 0 seconds, used when the partitions are lost, all are cancelled at once.
        """

    @property
    @abstractmethod
    def _running(self) -> int:
        """The number of records being handled."""

    def _assigned(self, assigned: set[TopicPartition]) -> None:
        """Called with newly assigned partitions, before anything is fetched."""

    async def _release(self) -> None:
        """Releases the partitions, after they were drained and committed."""
        self._processor.clear()

    async def run(self) -> None:
        """Works until `stop`; while Kafka is unreachable it waits.

        Raises:
            DuplicateInstance: another process has the same instance name.
            ConsumerStuck: no poll or no commit has succeeded for `stuck_seconds`.
            aiokafka.errors.KafkaError: the group rejected this member, or its coordination failed.
        """
        self._started = True
        self._watchdog.polled()
        guard = LoopGuard(stuck_seconds=min(_LOOP_STUCK_SECONDS, self._patience.stuck_seconds))
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
        """Stops fetching, lets running handlers finish for up to `drain_seconds`, commits, and lets `run` return."""
        self._stopping.set()
        self._hold()
        if self._started:
            await self._ended.wait()

    def ready(self) -> bool:
        """Whether this member has joined its group and works."""
        return self._joined and not self._stopping.is_set()

    def alive(self) -> bool:
        """Whether it makes progress; if not, the process must restart. Waiting for Kafka at the start counts as progress."""
        return self._failure is None and not (self._started and self._watchdog.stuck)

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Called by aiokafka before a rebalance; heartbeats continue meanwhile."""
        self._joined = False
        if not revoked:
            return
        try:
            metrics.REBALANCES.labels(self._group).inc()
            still_ours = not self._was_removed() and await self._commit()
            cancelled = await self._drain(self._drain_seconds if still_ours else 0)
            if still_ours:
                await self._commit()
            await self._release()
            self._assignment.clear()
            log.info("consumer.revoked", group=self._group, partitions=len(revoked), cancelled=cancelled, lost=not still_ours)
            if isinstance(self._failure, DuplicateInstance):
                # aiokafka would join again and exclude the other process again, so wait here until the client is closed.
                await self._ended.wait()
        except BaseException as error:
            # aiokafka only logs what a listener raises.
            self._fail(error)
            raise

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Called by aiokafka when partitions are assigned."""
        self._joined = True
        self._joined_at = time.monotonic()
        log.info("consumer.assigned", group=self._group, instance=self._cluster.instance, partitions=len(assigned))
        if not self._stopping.is_set():
            self._assigned(assigned)

    def _was_removed(self) -> bool:
        """Whether the group removed this member: its session expired, or another process took its name."""
        # aiokafka has no public API for this.
        if self._client is None or self._client._coordinator.member_id != JoinGroupRequest.UNKNOWN_MEMBER_ID:
            self._losses = 0
            return False
        # An expired membership lasted at least a session timeout; one whose name was taken ends at the next heartbeat.
        lasted = time.monotonic() - self._joined_at
        self._losses = self._losses + 1 if lasted < self._patience.session_seconds else 0
        if self._losses >= _LOSSES:
            self._fail(
                DuplicateInstance(
                    f"another process works as instance {self._cluster.instance} of group {self._group}, so they exclude each "
                    "other; give each process its own instance name, the same after a restart"
                )
            )
        return True

    async def _poll(self) -> None:
        while not self._stopping.is_set():
            client = await self._join()
            try:
                await self._poll_as_member(client)
            except KafkaError as error:
                # For example a broker answers this when a process of the same name joins at the same time; aiokafka then gives
                # up. If that never ends, the watchdog ends this process.
                if not (_is_unknown(error) or isinstance(error, REFUSED)):
                    raise
                if isinstance(error, REFUSED):
                    self._log_refused(error)
                else:
                    log.warning("consumer.joins_again", group=self._group, reason=repr(error))
                await self._forget(client)
                self._watchdog.polled()
                await asyncio.sleep(_RECONNECT_SECONDS)

    def _log_refused(self, error: KafkaError) -> None:
        # An operator must act; until then it is tried again and again.
        reason = refusal(self._cluster.kafka, error, group=self._group)
        if self._log_limiter.left_out(reason, time.monotonic()) is not None:
            log.error("consumer.access_refused", group=self._group, reason=reason)

    async def _poll_as_member(self, client: AIOKafkaConsumer) -> None:
        while not self._stopping.is_set():
            try:
                records = await self._fetch(client)
            except TopicAuthorizationFailedError as error:
                # The records of other topics come meanwhile.
                self._log_refused(error)
                self._watchdog.polled()
                await asyncio.sleep(_RECONNECT_SECONDS)
                continue
            self._watchdog.polled()
            if records and not self._stopping.is_set():
                self._begin(self._assignment.add_polled(records))

    async def _join(self) -> AIOKafkaConsumer:
        while True:
            client = self._client = self._new_client()
            try:
                await client.start()
            except KafkaError as error:
                self._client = None
                await _leave(client)
                if isinstance(error, REFUSED):
                    self._log_refused(error)
                else:
                    fault = await connection_fault(self._cluster.kafka)
                    log.warning("consumer.kafka_away", group=self._group, reason=str(fault or error))
                self._watchdog.polled()
                await asyncio.sleep(_RECONNECT_SECONDS)
            else:
                return client

    async def _forget(self, client: AIOKafkaConsumer) -> None:
        """Closes a client that cannot be used any more, and releases its partitions."""
        self._joined = False
        self._client = None
        await self._drain(0)
        await self._release()
        self._assignment.clear()
        await _leave(client)

    def _new_client(self) -> AIOKafkaConsumer:
        cluster, patience = self._cluster, self._patience
        # The broker answers a JoinGroup when all members have drained, so requests must not time out before a rebalance does.
        rebalance_seconds = max(60.0, cluster.drain_seconds + 15.0)
        client = AIOKafkaConsumer(
            **client_options(cluster.kafka),
            client_id=f"steno-{self._group}-{cluster.instance}",
            group_id=self._group,
            group_instance_id=f"{self._group}-{cluster.instance}",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            # aiokafka keeps the state of an assignor on its class, so each consumer of the process has its own class.
            partition_assignment_strategy=(type("StickyAssignor", (StickyPartitionAssignor,), {}),),
            session_timeout_ms=_ms(patience.session_seconds),
            heartbeat_interval_ms=_ms(min(1.0, patience.session_seconds / 4)),
            max_poll_interval_ms=_ms(patience.max_poll_seconds),
            rebalance_timeout_ms=_ms(rebalance_seconds),
            request_timeout_ms=_ms(rebalance_seconds + 10),
            **(_gathering(self._gather_seconds) if self._gather_seconds else {}),
        )
        client.subscribe(self._assignment.topic_names, listener=self)
        return client

    async def _commit_regularly(self) -> None:
        while True:
            await asyncio.sleep(_COMMIT_EVERY_SECONDS)
            await self._commit()

    async def _commit(self) -> bool:
        """Commits what is done; returns False if the partitions no longer belong to this member."""
        return self._client is None or await self._commits.commit(self._client)

    async def _watch(self) -> None:
        while True:
            self._assignment.measure(self._client, running=self._running)
            self._processor.check_held(full=self._assignment.held_up)
            if (reason := self._watchdog.stuck) is not None:
                raise ConsumerStuck(f"{self._group}: {reason}; the process must be restarted")
            await asyncio.sleep(1)

    async def _wind_down(self, poller: asyncio.Task[None], others: Sequence[asyncio.Task[None]]) -> None:
        await asyncio.wait([poller], timeout=2 * POLL_SECONDS)
        await self._drain(self._drain_seconds if self._failure is None else 0)
        for task in (poller, *others):
            task.cancel()
        await asyncio.wait([poller, *others], timeout=CANCEL_SECONDS)
        if self._client is not None:
            await self._commit_at_last()
            await _leave(self._client)
            await self._commits.abandon()
        self._joined = False
        await self._release()
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
        self._hold()


async def _leave(client: AIOKafkaConsumer) -> None:
    """Closes a client in bounded time; its own `stop` may wait for a whole rebalance."""
    try:
        async with asyncio.timeout(_LEAVE_SECONDS):
            await stop_consumer(client)
    except TimeoutError:
        # The remaining steps of `stop`.
        if client._coordinator is not None:
            await client._coordinator._stop_heartbeat_task()
            await client._coordinator._stop_commit_offsets_refresh_task()
        if client._fetcher is not None:
            await client._fetcher.close()
        await client._client.close()


def _is_unknown(error: KafkaError) -> bool:
    """Whether the broker answered with `UnknownError`; in errors of the group aiokafka keeps only its text."""
    return isinstance(error, UnknownError) or repr(UnknownError()) in str(error)


def _gathering(seconds: float) -> dict[str, int]:
    """Client options that make the broker collect messages for so long."""
    return {"fetch_min_bytes": _MUCH_BYTES, "fetch_max_wait_ms": _ms(seconds)}


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
