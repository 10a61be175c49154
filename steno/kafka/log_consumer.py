"""A consumer that reads partitions in order, with a handler that decides what may be committed.

It is for work with state from record to record (a call's audio). The records of a partition are handled one after the other.
The committed offset is not that of the last record, but the one below which the handler needs no record again. The next owner
of the partition begins there and rebuilds the state. So after a crash or a rebalance records are handled again, and their
effects must be idempotent.

A handler may take any time for a record: meanwhile the poll loop continues, with a bounded number of waiting records, so the
member stays in its group.
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
# A full partition resumes as soon as half of its waiting records are done, which is checked this often.
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
            group: Suffix that distinguishes this group from others of the service; see `Cluster.group_name`.
            gather_seconds: How long the broker may collect messages before it answers a fetch. With 0 it answers at once, so
                there is a request for every few messages, which costs more than handling them.
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
        """Returns how many records of a partition are on the broker but not taken yet; None if it is not open here.

        Raises:
            KafkaUnavailable: the broker does not answer.
        """
        found, client = self._partitions.get(partition), self._client
        if found is None or client is None or not self._log_assignment.is_open(found.where):
            return None
        try:
            ends: Mapping[TopicPartition, int] = await client.end_offsets([found.where])
            # The position of the client, not the last taken offset: transaction markers are offsets without records.
            fetched: int = await client.position(found.where)
        except KafkaError as error:
            raise KafkaUnavailable(f"the end of partition {partition} could not be read: {error!r}") from error
        return max(0, ends[found.where] - fetched) + found.waiting

    def _assigned(self, assigned: set[TopicPartition]) -> None:
        assert self._client is not None
        # Nothing is fetched before the handler has chosen where to begin.
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
        """Opens a partition at the committed offset, or at a lower one that the handler wants and that still exists."""
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
                f"the position in partition {where.partition} of {where.topic} could not be read: {error!r}"
            ) from error
        self._log_assignment.open(where, begin)

    def _try_again(self, job: Job) -> None:
        self._partitions[job.raw.partition].try_again(job)

    def _settle(self, where: TopicPartition, offset: int) -> None:
        self._log_assignment.settle(where, offset)

    async def _fetch(self, client: AIOKafkaConsumer) -> Mapping[TopicPartition, Sequence[RawMessage]]:
        if self._log_assignment.is_filling(client):
            # A pause drops prefetched records. If the handler is only busy, a short wait makes room without a pause.
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

    async def _release(self) -> None:
        await super()._release()
        partitions, self._partitions = self._partitions, {}
        for partition in partitions.values():
            await partition.close()

    async def _commit(self) -> bool:
        # Offsets settled from now on are committed the next time.
        for partition in self._partitions.values():
            partition.settle_soon()
        return await super()._commit()

    @property
    def _running(self) -> int:
        return sum(partition.busy for partition in self._partitions.values())
