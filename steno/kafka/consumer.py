"""A consumer whose handler may take any time for a message; each message is handled at least once.

It polls while handlers run (without polls aiokafka would leave the group), pauses when it is full, lets messages finish in any
order, and commits, per partition, the lowest offset that is not done. When partitions are revoked it lets running handlers
finish up to a time limit, commits, and cancels the rest, which the next owner handles again. Only `OffsetTracker` decides what
is committed, so a commit is correct whenever it arrives.
"""

from collections.abc import Iterable, Mapping, Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition

from steno.events.catalogue import Topic
from steno.kafka import metrics
from steno.kafka.assignment import Assignment
from steno.kafka.cluster import Cluster
from steno.kafka.jobs import Job
from steno.kafka.member import CANCEL_SECONDS, POLL_SECONDS, GroupMember, Patience
from steno.kafka.messages import Handler, RawMessage
from steno.kafka.processing import GiveUp, RecordProcessor
from steno.kafka.worker_pool import WorkerPool
from steno.retry import RetryPolicy

_QUEUE_LENGTH = 256


class Consumer(GroupMember):
    """One member of a consumer group; a component of a service (`run`, `stop`)."""

    def __init__(
        self,
        cluster: Cluster,
        *,
        subscribe: Sequence[Topic],
        handler: Handler,
        concurrency: int,
        group: str = "",
        give_up: GiveUp | None = None,
        max_gap: int = 500,
        retry: RetryPolicy | None = None,
        patience: Patience | None = None,
    ) -> None:
        """
        Args:
            handler: Does the work; see `steno.kafka.messages.Handler` for its contract.
            concurrency: Messages handled at once.
            group: Suffix that distinguishes this group from others of the service; see `Cluster.group_name`.
            give_up: Called for messages that go to dead letters after an unexpected error.
            max_gap: How many messages of a partition are taken after its lowest unfinished one; a crash repeats at most these.
        """
        if not subscribe or any(not topic.records for topic in subscribe):
            raise ValueError("subscribe to at least one topic, and to topics whose records the catalogue names")
        if concurrency < 1:
            raise ValueError(f"concurrency is {concurrency}; it must be at least 1")
        name = cluster.group_name(group)
        super().__init__(
            cluster,
            Assignment(group=name, topics={cluster.topic_name(topic): topic for topic in subscribe}, max_gap=max_gap),
            group=name,
            patience=patience or Patience(),
        )
        metrics.SLOTS.labels(name).set(concurrency)
        self._processor = RecordProcessor(
            cluster,
            group=name,
            handler=handler,
            retry=retry or RetryPolicy(),
            try_again=lambda job: self._pool.try_again(job),
            give_up=give_up,
        )
        self._pool = WorkerPool(
            concurrency=concurrency, queue_length=max(_QUEUE_LENGTH, concurrency), attempt=self._processor, fail=self._fail
        )

    async def _fetch(self, client: AIOKafkaConsumer) -> Mapping[TopicPartition, Sequence[RawMessage]]:
        has_room = await self._pool.wait_for_room(POLL_SECONDS)
        self._assignment.pause(client, everything=not has_room)
        records: Mapping[TopicPartition, Sequence[RawMessage]] = await client.getmany(
            timeout_ms=int(POLL_SECONDS * 1000) if has_room else 0, max_records=max(1, self._pool.room)
        )
        return records

    def _begin(self, jobs: Iterable[Job]) -> None:
        self._pool.add(jobs)

    def _hold(self) -> None:
        self._pool.hold()

    async def _drain(self, seconds: float) -> int:
        return await self._pool.drain(seconds, grace_seconds=CANCEL_SECONDS)

    @property
    def _running(self) -> int:
        return self._pool.running
