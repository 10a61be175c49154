"""Passes new messages of some topics to the followers of their keys, for example live captions.

There is no consumer group, so every process reads all messages and nothing is committed. A follower reads older messages with
`read_range`, up to `FollowedKey.positions`; so it gets every message once.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition

from steno.background import pause, until_stopped
from steno.events.catalogue import Topic
from steno.events.codec import Codec
from steno.kafka.cluster import Cluster
from steno.kafka.errors import FollowerTooSlow, KafkaUnavailable
from steno.kafka.messages import Message, RawMessage
from steno.kafka.partitioner import partition_of
from steno.kafka.reader import begin_at, partitions_of, read, readable, reader
from steno.retry import EACH_SECOND, retry

log = structlog.get_logger("steno.kafka.followed_keys")

_POLL_SECONDS = 0.2

_GATHER_SECONDS = 0.02
"""How long messages collect before the next fetch, since a fetch per message would be too expensive."""

_UNFOLLOWED_SECONDS = 0.5
"""The same while there is no follower; a new follower ends the wait."""


class FollowedKey:
    """The messages of one key since the follower started: an async iterator that ends when `FollowedKeys` is stopped."""

    def __init__(self, key: str, *, positions: Mapping[str, int], limit: int, codec: Codec) -> None:
        #: The offset at which the follower started, in the partition of its key, by the catalogue name of the topic.
        self.positions = positions
        self._key = key
        self._limit = limit
        self._codec = codec
        self._waiting: deque[tuple[Topic, RawMessage]] = deque()
        self._news = asyncio.Event()
        self._too_slow = False
        self._ended = False

    def put(self, topic: Topic, raw: RawMessage) -> None:
        """Adds a message without waiting; `FollowedKeys` calls this."""
        if len(self._waiting) >= self._limit:
            self._too_slow = True
            self._waiting.clear()
        if not self._too_slow:
            self._waiting.append((topic, raw))
        self._news.set()

    def end(self) -> None:
        """Ends the iterator after the messages that wait."""
        self._ended = True
        self._news.set()

    def __aiter__(self) -> AsyncIterator[Message]:
        return self

    async def __anext__(self) -> Message:
        """Returns the next message; unreadable ones are skipped and logged.

        Raises:
            FollowerTooSlow: too many messages wait.
            Retryable: the schema registry did not answer; the call may be repeated.
        """
        while True:
            if self._too_slow:
                raise FollowerTooSlow(f"more than {self._limit} messages of {self._key} waited; follow it again")
            if self._waiting:
                topic, raw = self._waiting[0]
                message = await readable(raw, topic, self._codec)
                if self._waiting:
                    self._waiting.popleft()
                if message is not None:
                    return message
            elif self._ended:
                raise StopAsyncIteration
            else:
                self._news.clear()
                await self._news.wait()


class FollowedKeys:
    """Reads all partitions of some topics from their current ends; a component of a service (`run`, `stop`)."""

    def __init__(self, cluster: Cluster, subscribe: Sequence[Topic]) -> None:
        self._cluster = cluster
        self._topics = {cluster.topic_name(topic): topic for topic in subscribe}
        self._followers: dict[bytes, set[FollowedKey]] = {}
        # The next offset to come of each partition; empty until the ends are known.
        self._positions: dict[TopicPartition, int] = {}
        self._followed = asyncio.Event()
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Reads until `stop`; while Kafka is unreachable it waits, and then continues."""
        try:
            reading = retry(
                self._read, EACH_SECOND, failed=lambda error, _: log.warning("followed_keys.kafka_away", reason=str(error))
            )
            await until_stopped(reading, self._stopping)
        finally:
            for following in [each for followers in self._followers.values() for each in followers]:
                following.end()

    async def stop(self) -> None:
        """Ends all followers, and lets `run` return."""
        self._stopping.set()

    def ready(self) -> bool:
        """Whether keys can be followed, because the current ends of the partitions are known."""
        return bool(self._positions) and not self._stopping.is_set()

    @contextmanager
    def follow(self, key: str, *, limit: int = 1000) -> Iterator[FollowedKey]:
        """Follows a key inside the block.

        Args:
            limit: How many messages may wait for the follower.

        Raises:
            KafkaUnavailable: Kafka has not been reached yet, or this component is stopped.
        """
        if not self.ready():
            raise KafkaUnavailable("nothing can be followed yet: Kafka has not been reached since this process started")
        following = FollowedKey(key, positions=self._positions_of(key), limit=limit, codec=self._cluster.codec)
        followers = self._followers.setdefault(key.encode(), set())
        followers.add(following)
        self._followed.set()
        try:
            yield following
        finally:
            followers.discard(following)
            if not followers:
                self._followers.pop(key.encode(), None)
            if not self._followers:
                self._followed.clear()

    def _positions_of(self, key: str) -> dict[str, int]:
        counts = {name: sum(where.topic == name for where in self._positions) for name in self._topics}
        return {
            topic.name: self._positions[TopicPartition(name, partition_of(key, counts[name]))]
            for name, topic in self._topics.items()
        }

    async def _read(self) -> None:
        async with reader(self._cluster) as client:
            if not self._positions:
                self._positions = await self._ends(client)
            begin_at(client, self._positions)
            log.info("followed_keys.reading", partitions=len(self._positions))
            while True:
                for where, records in (await client.getmany(timeout_ms=int(_POLL_SECONDS * 1000))).items():
                    self._hand_out(where, records)
                await self._gather()

    async def _gather(self) -> None:
        if self._followed.is_set():
            await asyncio.sleep(_GATHER_SECONDS)
        else:
            await pause(_UNFOLLOWED_SECONDS, self._followed)

    async def _ends(self, client: AIOKafkaConsumer) -> dict[TopicPartition, int]:
        ends: dict[TopicPartition, int] = await client.end_offsets(await partitions_of(client, self._topics))
        return ends

    def _hand_out(self, where: TopicPartition, records: Sequence[RawMessage]) -> None:
        topic = self._topics[where.topic]
        for raw in records:
            for following in self._followers.get(raw.key or b"", ()):
                following.put(topic, raw)
        self._positions[where] = records[-1].offset + 1


async def read_range(
    cluster: Cluster, topic: Topic, partition: int, *, key: str, start: int, end: int
) -> AsyncIterator[Message]:
    """Reads the messages of a key in one partition, from offset `start` to before `end` (which must not be in the future).

    Unreadable messages are skipped and logged.

    Raises:
        KafkaUnavailable: Kafka is unreachable or does not answer.
        Retryable: the schema registry did not answer.
    """
    if start >= end:
        return
    where = TopicPartition(cluster.topic_name(topic), partition)
    wanted = key.encode()
    async with reader(cluster) as client:
        async for raw in read(client, where, start=start, end=end):
            if raw.key == wanted and (message := await readable(raw, topic, cluster.codec)) is not None:
                yield message


async def offset_at(cluster: Cluster, topic: Topic, partition: int, when: datetime) -> int:
    """Finds the first offset of a partition whose message was written at or after a time; the end if there is none.

    Raises:
        KafkaUnavailable: Kafka is unreachable.
    """
    where = TopicPartition(cluster.topic_name(topic), partition)
    async with reader(cluster) as client:
        # The end is read first: messages written between the two requests must come after it.
        end: int = (await client.end_offsets([where]))[where]
        found = (await client.offsets_for_times({where: round(when.timestamp() * 1000)}))[where]
        return end if found is None else int(found.offset)
