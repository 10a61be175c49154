"""Applies a compacted topic to a table: the newest record of each key, within seconds of every change.

Configuration that operators change at run time is such a topic (webhooks today). A service reads it without a consumer group,
so every process has the whole table. It is read from the beginning at each start and whenever the connection to Kafka was
lost, so that every missed change is applied then.
"""

import asyncio
from collections.abc import Collection, Mapping
from functools import partial
from types import MappingProxyType
from typing import Generic, Protocol, TypeVar

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from steno.background import until_stopped
from steno.events.catalogue import Topic
from steno.events.records import Record
from steno.kafka.cluster import Cluster
from steno.kafka.errors import ConsumerEnded
from steno.kafka.failed_changes import Change, FailedChanges
from steno.kafka.faults import REFUSED
from steno.kafka.messages import RawMessage
from steno.kafka.reader import begin_at, newest_by_key, partitions_of, readable, reader
from steno.retry import EACH_SECOND, retry

log = structlog.get_logger("steno.kafka.followed_table")

_POLL_SECONDS = 0.2

R = TypeVar("R", bound=Record)
R_contra = TypeVar("R_contra", bound=Record, contravariant=True)


class FollowedRows(Protocol[R_contra]):
    """The store of the rows of a followed table. Its methods are called one at a time.

    Calls must be idempotent: after a restart all of them are repeated. A call that raises `Retryable` is repeated about every
    second, and later changes wait for it. Any other exception affects that row only: the call is repeated after a while, until
    it succeeds or its key changes.
    """

    async def put(self, key: str, record: R_contra) -> None:
        """Stores the newest record of a key."""

    async def delete(self, key: str) -> None:
        """Deletes the row of a key, if there is one."""

    async def keys(self) -> Collection[str]:
        """The keys of all rows."""


class MemoryRows(Generic[R]):
    """Rows in memory, which any task may read."""

    def __init__(self) -> None:
        self._rows: dict[str, R] = {}

    @property
    def newest(self) -> Mapping[str, R]:
        """The newest record of each key, now."""
        return MappingProxyType(self._rows)

    async def put(self, key: str, record: R) -> None:
        self._rows[key] = record

    async def delete(self, key: str) -> None:
        self._rows.pop(key, None)

    async def keys(self) -> Collection[str]:
        return list(self._rows)


class FollowedTable(Generic[R]):
    """Keeps rows up to date with a compacted topic; a component of a service (`run`, `stop`).

    An unreadable record is skipped and logged; the row of its key stays as it is.
    """

    def __init__(
        self,
        cluster: Cluster,
        topic: Topic,
        rows: FollowedRows[R],
        *,
        record: type[R],
        failed: FailedChanges | None = None,
    ) -> None:
        """
        Args:
            record: The type of all records on the topic.
        """
        if topic.cleanup != "compact" or tuple(topic.records) != (record.__name__,):
            raise ValueError(f"{topic.name} is no table of {record.__name__}: it must be compacted, and carry nothing else")
        self._cluster = cluster
        self._topic = topic
        self._rows = rows
        self._record = record
        self._failed = failed or FailedChanges()
        self._stopping = asyncio.Event()
        #: Set once all that the topic contained at the start is applied.
        self.complete = asyncio.Event()

    async def run(self) -> None:
        """Follows the topic until `stop`; while Kafka is unreachable it waits.

        Raises:
            ConsumerEnded: Kafka refuses access to the topic, for example for lack of permission; the process must restart.
        """
        # A change that is cancelled midway is applied again at the next start.
        await until_stopped(retry(self._follow, EACH_SECOND, failed=self._retrying), self._stopping)

    async def stop(self) -> None:
        """Lets `run` return."""
        self._stopping.set()

    def holds_nothing(self) -> bool:
        """Whether all that was read is applied. If not, a person must find out why; a restart does not help."""
        return not self._failed

    async def _follow(self) -> None:
        async with reader(self._cluster) as client:
            begin_at(client, await self._read_whole(client))
            while True:
                try:
                    polled = await client.getmany(timeout_ms=int(_POLL_SECONDS * 1000))
                except KafkaError as error:
                    if not error.retriable and not isinstance(error, REFUSED):
                        raise ConsumerEnded(f"{self._topic.name} cannot be followed: {error!r}") from error
                    raise
                for messages in polled.values():
                    for raw in messages:
                        await self._read(raw)
                for key, change in self._failed.due():
                    await self._apply(key, change)

    async def _read_whole(self, client: AIOKafkaConsumer) -> Mapping[TopicPartition, int]:
        """Applies the newest record of each key, and returns the offsets to read on from.

        Older records are not applied, since they would undo newer ones for a moment.
        """
        # Read before the topic: a row that another process stores later may be of a record after the ends.
        kept = set(await retry(self._rows.keys, EACH_SECOND, failed=self._retrying))
        newest: dict[bytes | None, RawMessage] = {}
        ends: dict[TopicPartition, int] = {}
        for where in await partitions_of(client, [self._cluster.topic_name(self._topic)]):
            found, ends[where] = await newest_by_key(client, where)
            newest.update(found)
        for raw in newest.values():
            await self._read(raw)
        if any(ends.values()):
            # Compaction removes tombstones after a while, so a key that is not on the topic any more was deleted.
            known = {raw.key.decode("utf-8", "replace") for raw in newest.values() if raw.key is not None}
            for key in (kept | set(self._failed)) - known:
                await self._apply(key, partial(self._rows.delete, key))
        log.info("table.complete", topic=self._topic.name, keys=len(newest))
        self.complete.set()
        return ends

    async def _read(self, raw: RawMessage) -> None:
        decoding = partial(readable, raw, self._topic, self._cluster.codec)
        message = await retry(decoding, EACH_SECOND, failed=self._retrying)
        if message is None or message.key is None:
            return
        if isinstance(message.record, self._record):
            await self._apply(message.key, partial(self._rows.put, message.key, message.record))
        else:
            await self._apply(message.key, partial(self._rows.delete, message.key))

    async def _apply(self, key: str, change: Change) -> None:
        try:
            await retry(change, EACH_SECOND, failed=self._retrying)
        except Exception as error:
            trace = None if key in self._failed else error
            seconds = self._failed.add(key, change)
            log.error(
                "table.not_applied",
                topic=self._topic.name,
                key=key,
                reason=repr(error),
                again_in_seconds=round(seconds, 3),
                exc_info=trace,
            )
        else:
            self._failed.discard(key)

    def _retrying(self, error: Exception, seconds: float) -> None:
        log.warning("table.waiting", topic=self._topic.name, reason=str(error), again_in_seconds=round(seconds, 3))
