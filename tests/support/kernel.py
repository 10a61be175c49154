"""A consumer group under test: its topic, its members, and their state on the broker."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, fields, replace
from typing import Any, TypeVar

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from aiokafka.errors import GroupCoordinatorNotAvailableError
from aiokafka.protocol.api import Response

from steno.chassis import Component
from steno.events.catalogue import DEAD_LETTERS, RECORDINGS
from steno.events.codec import Codec
from steno.events.records import RecordingSubmitted
from steno.events.schemas import ShippedSchemaIds
from steno.kafka import Cluster, Consumer, LogConsumer, LogHandler, Producer, create_topics
from steno.kafka.member import Patience
from steno.kafka.messages import Handler
from steno.settings import KafkaSettings, TopicSettings

CODEC = Codec(ShippedSchemaIds())
GROUP = "tested"

#: An address without a broker.
NOBODY = KafkaSettings(bootstrap_servers="127.0.0.1:1")


def cluster_without_broker(service: str = "ingest", **fields: Any) -> Cluster:
    """Makes a cluster object without a broker; `fields` overrides its fields."""
    return replace(Cluster.of(NOBODY, TopicSettings(), CODEC, service=service), **fields)


def recording(name: str, **properties: str) -> RecordingSubmitted:
    """Makes a valid record; `name` is its key."""
    return RecordingSubmitted(call_id=name, url=f"https://audio.example/{name}.wav", properties=properties)


async def until(condition: Callable[[], bool], *, seconds: float = 20, running: Iterable[asyncio.Task[None]] = ()) -> None:
    """Waits for a condition; fails if that takes too long, or if a task that should fulfil it has ended."""
    async with asyncio.timeout(seconds):
        while not condition():
            for task in running:
                if task.done():
                    task.result()
                    raise AssertionError("a member ended early")
            await asyncio.sleep(0.01)


C = TypeVar("C", bound=Component)


@asynccontextmanager
async def running(component: C) -> AsyncIterator[tuple[C, asyncio.Task[None]]]:
    """Runs a component inside the block and stops it afterwards."""
    task = asyncio.create_task(component.run())
    try:
        yield component, task
    finally:
        await component.stop()
    await task


@dataclass(kw_only=True)
class GroupUnderTest:
    """A group with its own topic."""

    cluster: Cluster
    #: Keys in the order in which their handlers returned.
    handled: list[str] = field(default_factory=list)

    @property
    def kafka(self) -> KafkaSettings:
        return self.cluster.kafka

    @property
    def topics(self) -> TopicSettings:
        return self.cluster.topics

    @property
    def producer(self) -> Producer:
        return self.cluster.producer

    @property
    def name(self) -> str:
        return self.cluster.group_name(GROUP)

    @property
    def topic(self) -> str:
        return self.cluster.topic_name(RECORDINGS)

    @property
    def dead_letter_topic(self) -> str:
        return self.cluster.topic_name(DEAD_LETTERS)

    async def produce(self, names: Iterable[str], **properties: str) -> None:
        """Sends records to the topic; all are acknowledged."""
        await asyncio.gather(*(self.producer.send(RECORDINGS, recording(name, **properties)) for name in names))

    def consumer(self, handler: Handler, *, concurrency: int = 4, **options: Any) -> Consumer:
        """Makes a member of the group; for the options see `_split`."""
        cluster, more = self._split(options)
        return Consumer(cluster, subscribe=[RECORDINGS], handler=handler, concurrency=concurrency, group=GROUP, **more)

    def log_consumer(self, handler: LogHandler, **options: Any) -> LogConsumer:
        """Makes a member of the group that reads in order."""
        cluster, more = self._split(options)
        return LogConsumer(cluster, subscribe=RECORDINGS, handler=handler, group=GROUP, **more)

    def _split(self, options: dict[str, Any]) -> tuple[Cluster, dict[str, Any]]:
        """Splits options by name into those of the cluster, of `Patience` and of the consumer; returns the cluster and the
        arguments of the consumer."""
        own = {"drain_seconds": 5.0, **{name: options.pop(name) for name in ("instance", "drain_seconds") if name in options}}
        times = {field.name: options.pop(field.name) for field in fields(Patience) if field.name in options}
        return replace(self.cluster, **own), {**options, "patience": Patience(**{"session_seconds": 6.0, **times})}

    def member(self, handler: Handler, **options: Any) -> AbstractAsyncContextManager[tuple[Consumer, asyncio.Task[None]]]:
        """Runs a member inside the block and stops it afterwards."""
        return running(self.consumer(handler, **options))

    def log_member(
        self, handler: LogHandler, **options: Any
    ) -> AbstractAsyncContextManager[tuple[LogConsumer, asyncio.Task[None]]]:
        """Runs a member that reads in order inside the block and stops it afterwards."""
        return running(self.log_consumer(handler, **options))

    async def committed(self) -> dict[int, int]:
        """Returns the committed offsets of the group by partition."""
        found = await self._ask(lambda admin: admin.list_consumer_group_offsets(self.name))
        return {where.partition: entry.offset for where, entry in found.items() if where.topic == self.topic}

    async def assignments(self) -> dict[str, frozenset[int]]:
        """Returns the partitions of each member, by its client id, from the broker."""
        responses: list[Response] = await self._ask(lambda admin: admin.describe_consumer_groups([self.name]))
        members: dict[str, frozenset[int]] = {}
        for group in responses[0].groups:
            for _member_id, client_id, _host, _metadata, assignment, *_ in group[5]:
                decoded = ConsumerProtocolMemberAssignment.decode(assignment) if assignment else None
                where: list[TopicPartition] = decoded.partitions() if decoded else []
                members[client_id] = frozenset(partition.partition for partition in where)
        return members

    async def _ask(self, question: Callable[[AIOKafkaAdminClient], Coroutine[Any, Any, Any]]) -> Any:
        admin = AIOKafkaAdminClient(bootstrap_servers=self.kafka.bootstrap_servers)
        try:
            await admin.start()
            async with asyncio.timeout(20):
                while True:
                    try:
                        return await question(admin)
                    except GroupCoordinatorNotAvailableError:
                        # A broker that has not had a group yet makes the topic of their offsets first.
                        await asyncio.sleep(0.05)
        finally:
            await admin.close()


@asynccontextmanager
async def group_under_test(servers: str, prefix: str, *, partitions: int = 6) -> AsyncIterator[GroupUnderTest]:
    """Makes the topics of the group and a producer."""
    kafka = KafkaSettings(bootstrap_servers=servers)
    topics = TopicSettings(prefix=prefix, partitions=partitions)
    await create_topics(kafka, topics, [RECORDINGS, DEAD_LETTERS])
    cluster = Cluster.of(kafka, topics, CODEC, service="ingest")
    await cluster.producer.start()
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(cluster.producer.stop)
        yield GroupUnderTest(cluster=cluster)
