"""The log consumer: the records of a topic in order, by a handler that decides itself what may be committed.

For work that carries state from record to record (a call's audio): each partition is read in its order, one record after
another, and what is committed is what the handler says it will not need again, not what it was given last. Whoever has the
partition next begins there and makes the state anew. A record taken is therefore given again after a crash or a rebalance,
and effects must bear that.

A handler may take its time: the poll loop goes on beside it with a bounded number of records waiting, so the member stays in
its group however long a record takes.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from steno.events.catalogue import Topic
from steno.kafka.cluster import Cluster
from steno.kafka.errors import KafkaUnavailable
from steno.kafka.jobs import Job
from steno.kafka.log_assignment import LogAssignment
from steno.kafka.log_partition import LogHandler, LogPartition
from steno.kafka.member import CANCEL_SECONDS, POLL_SECONDS, GroupMember, Patience
from steno.kafka.messages import RawMessage
from steno.kafka.ordered_processing import OrderedRecordProcessor
from steno.kafka.worker_pool import drain
from steno.retry import RetryPolicy

_WAITING = 500
# A partition that was full is asked for more as soon as half of what waited is done: that is looked for so often.
_FULL_POLL_SECONDS = 0.02
_MOMENT_SECONDS = 0.01


class LogConsumer(GroupMember):
    """One member of a group that reads partitions in order; a component of a service (`run`, `stop`)."""

    def __init__(
        self,
        cluster: Cluster,
        *,
        subscribe: Topic,
        handler: LogHandler,
        group: str,
        gather_seconds: float = 0.0,
        retry: RetryPolicy | None = None,
        patience: Patience | None = None,
    ) -> None:
        """
        Args:
            handler: Does the work; see `LogHandler` for its contract.
            group: What tells this group from others of the service; see `Cluster.group_name`.
            gather_seconds: How long the broker may gather messages before it hands them over. 0 hands over each at once: a
                request for every few messages, which costs more than they do.
        """
        if not subscribe.records:
            raise ValueError("subscribe to a topic whose records the catalogue names")
        name = cluster.group_name(group)
        self._log_assignment = LogAssignment(group=name, topics={cluster.topic_name(subscribe): subscribe}, max_gap=_WAITING)
        super().__init__(
            cluster, self._log_assignment, group=name, patience=patience or Patience(), gather_seconds=gather_seconds
        )
        self._handler = handler
        self._retry = retry or RetryPolicy()
        self._processor = OrderedRecordProcessor(
            cluster,
            group=name,
            handler=handler.handle,
            retry=self._retry,
            try_again=self._try_again,
            give_up=handler.give_up,
            fail=self._fail,
        )
        self._partitions: dict[int, LogPartition] = {}

    async def behind(self, partition: int) -> int | None:
        """How many records of a partition are on the log, by what the broker says now, and were not taken yet; None where the
        partition is not open here.

        Raises:
            KafkaUnavailable: the broker does not say.
        """
        found, client = self._partitions.get(partition), self._client
        if found is None or client is None or not self._log_assignment.is_open(found.where):
            return None
        try:
            ends: Mapping[TopicPartition, int] = await client.end_offsets([found.where])
            # Where the client is, not what was taken last: transactions leave marks on the log that nobody is given.
            fetched: int = await client.position(found.where)
        except KafkaError as error:
            raise KafkaUnavailable(f"where partition {partition} ends is not known: {error!r}") from error
        return max(0, ends[found.where] - fetched) + found.waiting

    def _dealt(self, assigned: set[TopicPartition]) -> None:
        assert self._client is not None
        # Nothing is fetched before the handler has said where it begins.
        self._client.pause(*assigned)
        for where in assigned:
            partition = self._partitions[where.partition] = LogPartition(
                where,
                handler=self._handler,
                attempt=self._processor,
                retry=self._retry,
                begin=self._begin_at,
                settle=self._settle,
            )
            partition.start(self._fail)

    async def _begin_at(self, where: TopicPartition, wanted: int | None) -> None:
        """Has a partition read from the committed offset, or from one wanted that is lower and still there."""
        client = self._client
        assert client is not None
        try:
            begin: int = await client.position(where)
            if wanted is not None and wanted < begin:
                oldest = await client.beginning_offsets([where])
                begin = max(wanted, oldest[where])
                client.seek(where, begin)
        except KafkaError as error:
            if not error.retriable:
                raise
            raise KafkaUnavailable(
                f"where partition {where.partition} of {where.topic} begins is not known: {error!r}"
            ) from error
        self._log_assignment.open(where, begin)

    def _try_again(self, job: Job) -> None:
        self._partitions[job.raw.partition].try_again(job)

    def _settle(self, where: TopicPartition, offset: int) -> None:
        self._log_assignment.settle(where, offset)

    async def _fetch(self, client: AIOKafkaConsumer) -> Mapping[TopicPartition, Sequence[RawMessage]]:
        if self._log_assignment.is_filling(client):
            # Pausing costs what has been fetched ahead: where taking is merely busy, a moment makes room.
            await asyncio.sleep(_MOMENT_SECONDS)
        self._assignment.pause(client, everything=False)
        seconds = _FULL_POLL_SECONDS if client.paused() else POLL_SECONDS
        records: Mapping[TopicPartition, Sequence[RawMessage]] = await client.getmany(
            timeout_ms=int(seconds * 1000), max_records=_WAITING
        )
        return records

    def _begin(self, jobs: Iterable[Job]) -> None:
        for job in jobs:
            self._partitions[job.raw.partition].add(job)

    def _hold(self) -> None:
        for partition in self._partitions.values():
            partition.finish()

    async def _drain(self, seconds: float) -> int:
        if seconds > 0:
            self._hold()
        tasks = [partition.task for partition in self._partitions.values() if partition.task is not None]
        return await drain(tasks, seconds, grace_seconds=CANCEL_SECONDS)

    async def _let_go(self) -> None:
        await super()._let_go()
        partitions, self._partitions = self._partitions, {}
        for partition in partitions.values():
            await partition.close()

    async def _commit(self) -> bool:
        # What is settled from here on is committed the next time.
        for partition in self._partitions.values():
            partition.settle_soon()
        return await super()._commit()

    @property
    def _running(self) -> int:
        return sum(partition.busy for partition in self._partitions.values())
