"""The consumer: work of any length on the messages of a group's topics, at least once each.

It keeps polling while work is under way (aiokafka's idle clock would put it out of the group otherwise), pauses when it is
full, lets work finish in any order, and commits, per partition, the lowest offset that is not done. When its partitions are
taken back it lets running work finish up to a limit, commits, and cancels the rest, which whoever comes next does again.
Nothing but `OffsetTracker` decides what is committed, so a commit is a true statement whenever it arrives.
"""

from collections.abc import Iterable, Mapping, Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition

from steno.events.catalogue import Topic
from steno.events.codec import Codec
from steno.kafka import metrics
from steno.kafka.assignment import Assignment
from steno.kafka.attempts import Attempts, GiveUp
from steno.kafka.dead_letters import DeadLetters
from steno.kafka.member import CANCEL_SECONDS, POLL_SECONDS, GroupMember, Membership
from steno.kafka.messages import Handler, Message, RawMessage
from steno.kafka.retry import RetryPolicy
from steno.kafka.slots import Job, Slots
from steno.kafka.topics import topic_name
from steno.settings import KafkaSettings, TopicSettings

__all__ = ["Consumer", "Handler", "Message"]

_LINE = 256


class Consumer(GroupMember):
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
        give_up: GiveUp | None = None,
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
            give_up: Told of messages that go to dead letters for a fault of ours.
        """
        if not subscribe or any(not topic.records for topic in subscribe):
            raise ValueError("subscribe to at least one topic, and to topics whose records the catalogue names")
        if concurrency < 1:
            raise ValueError(f"concurrency is {concurrency}; it must be at least 1")
        super().__init__(
            Membership(
                kafka=kafka,
                group=group,
                instance=instance,
                drain_seconds=drain_seconds,
                from_beginning=from_beginning,
                session_seconds=session_seconds,
                max_poll_seconds=max_poll_seconds,
                stuck_seconds=stuck_seconds,
            ),
            Assignment(group=group, topics={topic_name(topics, topic): topic for topic in subscribe}, max_gap=max_gap),
        )
        metrics.SLOTS.labels(group).set(concurrency)
        self._attempts = Attempts(
            group=group,
            codec=codec,
            handler=handler,
            dead_letters=dead_letters,
            retry=retry or RetryPolicy(),
            try_again=lambda job: self._slots.try_again(job),
            give_up=give_up,
        )
        self._slots = Slots(concurrency=concurrency, line=max(_LINE, concurrency), attempt=self._attempts, fail=self._fail)

    async def _fetch(self, client: AIOKafkaConsumer) -> Mapping[TopicPartition, Sequence[RawMessage]]:
        has_room = await self._slots.wait_for_room(POLL_SECONDS)
        self._assignment.pause(client, everything=not has_room)
        records: Mapping[TopicPartition, Sequence[RawMessage]] = await client.getmany(
            timeout_ms=int(POLL_SECONDS * 1000) if has_room else 0, max_records=max(1, self._slots.room)
        )
        return records

    def _begin(self, jobs: Iterable[Job]) -> None:
        self._slots.add(jobs)

    def _hold(self) -> None:
        self._slots.hold()

    async def _drain(self, seconds: float) -> int:
        return await self._slots.drain(seconds, grace_seconds=CANCEL_SECONDS)

    @property
    def _running(self) -> int:
        return self._slots.running
