"""A producer whose `send` returns when the record is on all replicas, once.

It is idempotent (acks=all) and limits the records in flight. It uses one aiokafka producer, which it replaces after some
errors: a batch that an idempotent producer gives up leaves a gap in its sequence numbers, and the broker refuses all later
batches of that partition (aiokafka does not increase the producer epoch, KIP-360).

`RecordRefused` concerns a single record. A record above the size limit of its topic is refused before it is sent, so that it
affects no other record. If the broker has a smaller limit, it may be the batch that is too large: batches are made smaller
and the record is sent again, and it is refused only if it was alone in its batch.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from typing import Any, cast
from uuid import uuid4

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    InvalidMessageError,
    InvalidTopicError,
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    UnknownTopicOrPartitionError,
)
from prometheus_client import Histogram

from steno.errors import StenoError
from steno.events.catalogue import DEAD_LETTERS, MAX_DEAD_LETTER_BYTES, MAX_RECORD_BYTES, Topic
from steno.events.codec import CONTENT_TYPE, Codec
from steno.events.records import Record
from steno.kafka.client import client_options
from steno.kafka.errors import AccessRefused, KafkaUnavailable, RecordRefused, WrongRecord
from steno.kafka.faults import REFUSED, connection_fault, refusal
from steno.kafka.metrics import PRODUCE_SECONDS, RECORDS_REFUSED
from steno.kafka.partitioner import choose_partition
from steno.kafka.topics import topic_name
from steno.settings import KafkaSettings, TopicSettings
from steno.telemetry import traces

log = structlog.get_logger("steno.kafka.producer")

Headers = Sequence[tuple[str, bytes]]

LINGER_MS = 5
_BATCH_BYTES = 131_072
_SMALLEST_BATCH_BYTES = 1024
_FLUSH_SECONDS = 10.0
_TOO_LARGE = (MessageSizeTooLargeError, RecordListTooLargeError)
_REFUSALS = (*_TOO_LARGE, InvalidMessageError, InvalidTopicError)
"""The errors of aiokafka for a record that Kafka will never accept."""
# The bytes that Kafka adds to a single record in a batch, at most (record batch v2: 61 bytes, and some varints).
_OVERHEAD_BYTES = 128
_HEADER_OVERHEAD_BYTES = 10


class _BatchTooLarge(KafkaUnavailable):
    """Kafka refuses a batch of records that it may take one by one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Encoded:
    """An encoded record, which can be sent or stored in an outbox."""

    key: bytes
    value: bytes
    headers: Headers
    #: Its timestamp in Kafka, in milliseconds since 1970: when it was made, however late it is sent. None: the time of sending.
    made_ms: int | None = None


class Producer:
    """Sends records to the topics of the catalogue. A process needs only one, and any task may use it."""

    def __init__(
        self,
        kafka: KafkaSettings,
        topics: TopicSettings,
        codec: Codec,
        *,
        source: str,
        max_in_flight: int = 1000,
        linger_ms: int = LINGER_MS,
    ) -> None:
        """
        Args:
            source: The name of the sending service, for `ce_source`.
            max_in_flight: How many records may be sent and not acknowledged; further sends wait.
            linger_ms: How long a record may wait to be sent in one batch with others; use 0 to send one after the other.
        """
        self._kafka_settings = kafka
        self._topics = topics
        self._codec = codec
        self._source = f"/steno/{source}".encode()
        self._linger_ms = linger_ms
        self._batch_bytes = _BATCH_BYTES
        self._slots = asyncio.Semaphore(max_in_flight)
        self._opening = asyncio.Lock()
        self._client: AIOKafkaProducer | None = None
        #: Set once the client in use is replaced or stopped; a new one for each client.
        self._gone = asyncio.Event()
        self._closing: set[asyncio.Task[None]] = set()
        self._sending = 0
        self._idle = asyncio.Event()
        self._stopped = False

    async def start(self) -> None:
        """Connects. If Kafka is unreachable it only logs that, and the first send tries again."""
        try:
            await self._connected()
        except KafkaUnavailable as error:
            log.warning("producer.kafka_away", reason=str(error))

    async def stop(self) -> None:
        """Waits up to 10 s until all records in flight are acknowledged; later ones raise `KafkaUnavailable` from `send`."""
        self._stopped = True
        if self._sending:
            self._idle.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(_FLUSH_SECONDS):
                    await self._idle.wait()
        client, self._client = self._client, None
        self._gone.set()
        if client is not None:
            await _close(client)
        await asyncio.gather(*self._closing)

    def encode(self, topic: Topic, record: Record, *, event_id: str | None = None) -> Encoded:
        """Encodes a record as `send` does. An outbox stores the result, and its relay passes it to `send_raw`.

        Args:
            event_id: The CloudEvents id; a new one each time by default.

        Raises:
            WrongRecord: the topic does not carry such records.
        """
        bare = self.encode_bare(topic, record)
        headers = {
            "content-type": CONTENT_TYPE.encode(),
            "ce_specversion": b"1.0",
            "ce_id": (event_id or str(uuid4())).encode(),
            "ce_source": self._source,
            "ce_type": f"steno.{type(record).__name__}".encode(),
            "ce_time": datetime.now(UTC).isoformat().replace("+00:00", "Z").encode(),
            **traces.inject(),
        }
        return replace(bare, headers=tuple(headers.items()))

    def encode_bare(self, topic: Topic, record: Record) -> Encoded:
        """Encodes a record without headers, for audio chunks, which are many and small.

        Raises:
            WrongRecord: the topic does not carry such records.
        """
        name = type(record).__name__
        if name not in topic.records:
            raise WrongRecord(f"{name} does not belong on topic {topic.name}, which carries {', '.join(topic.records)}")
        key, value = topic.key_of(record).encode(), self._codec.encode(record)
        return Encoded(key=key, value=value, headers=(), made_ms=_now_ms())

    async def send(
        self,
        topic: Topic,
        record: Record,
        *,
        headers: Mapping[str, bytes] | None = None,
        event_id: str | None = None,
    ) -> None:
        """Sends a record with the key that the catalogue defines, and returns when all replicas have it.

        While Kafka is unreachable it waits. The record carries the caller's trace; `headers` are added, and replace generated
        ones of the same name.

        Raises:
            KafkaUnavailable: Kafka did not acknowledge it. It may have arrived; the same record may be sent again.
            RecordRefused: Kafka will never accept it.
            WrongRecord: the topic does not carry such records.
        """
        encoded = self.encode(topic, record, event_id=event_id)
        merged = {**dict(encoded.headers), **(headers or {})}
        await self.send_raw(topic, key=encoded.key, value=encoded.value, headers=tuple(merged.items()))

    async def send_bare(self, topic: Topic, record: Record) -> None:
        """Like `send`, but without headers and therefore without a trace."""
        bare = self.encode_bare(topic, record)
        await self.send_raw(topic, key=bare.key, value=bare.value, headers=bare.headers)

    async def send_raw(
        self, topic: Topic, *, key: bytes | None, value: bytes | None, headers: Headers, partition: int | None = None
    ) -> None:
        """Sends bytes unchanged: an outbox row, a tombstone (`value=None`), a dead letter. Waits and raises like `send`.

        Args:
            partition: The partition, if not that of its key.
        """
        async with self._slot():
            await self._deliver(
                topic_name(self._topics, topic), key, value, headers, most=_most_bytes(topic), partition=partition
            )

    async def send_in_order(self, topic: Topic, records: Sequence[Encoded]) -> int:
        """Sends records of one key in order, several in flight at once; returns when all are acknowledged or have failed.

        The timestamp of each is the time it was made, so that readers can measure the length of a call even if Kafka was
        unreachable meanwhile. To keep the order after a failure, the caller sends again from the first record that was not
        acknowledged.

        Returns:
            How many records, counted from the first, are on all replicas. The others may have arrived, and must be sent again.

        Raises:
            KafkaUnavailable: Kafka did not acknowledge the first.
            RecordRefused: Kafka will never accept the first.
        """
        async with self._slot():
            return await self._deliver_in_order(topic_name(self._topics, topic), records, most=_most_bytes(topic))

    @asynccontextmanager
    async def _slot(self) -> AsyncIterator[None]:
        """Takes one of the slots for records in flight, which `stop` waits for. Raises `KafkaUnavailable` after `stop`."""
        if self._stopped:
            raise KafkaUnavailable("the producer is stopped")
        self._sending += 1
        try:
            async with self._slots:
                yield
        finally:
            self._sending -= 1
            if not self._sending:
                self._idle.set()

    async def _deliver_in_order(self, name: str, records: Sequence[Encoded], *, most: int) -> int:
        started = time.perf_counter()
        # All are sent by one client: if it were replaced in between, later records could overtake earlier ones.
        client = await self._connected()
        # Kafka refuses timestamps far in the future, which are possible if the clock was wrong and has been set back.
        latest_ms = _now_ms()
        deliveries = []
        failure: StenoError | None = None
        for record in records:
            try:
                made_ms = latest_ms if record.made_ms is None else min(record.made_ms, latest_ms)
                delivery = await self._hand_over(
                    client, name, record.key, record.value, record.headers, most=most, made_ms=made_ms
                )
                deliveries.append(delivery)
            except StenoError as error:
                failure = error
                break
        delivered = 0
        for record, delivery in zip(records, deliveries, strict=False):
            try:
                await self._acknowledged(client, name, delivery, size=_size(record.key, record.value, record.headers))
            except StenoError as error:
                failure = error
                break
            delivered += 1
        if failure is not None:
            await asyncio.gather(*deliveries[delivered:], return_exceptions=True)
            if not delivered:
                raise failure
        _produce_seconds(name).observe(time.perf_counter() - started)
        return delivered

    async def _deliver(
        self,
        name: str,
        key: bytes | None,
        value: bytes | None,
        headers: Headers,
        *,
        most: int,
        partition: int | None = None,
    ) -> None:
        started = time.perf_counter()
        while True:
            client = await self._connected()
            delivery = await self._hand_over(client, name, key, value, headers, most=most, partition=partition)
            try:
                await self._acknowledged(client, name, delivery, size=_size(key, value, headers))
                break
            except _BatchTooLarge:
                # The next client makes smaller batches, so there is nothing to wait for.
                if self._stopped:
                    raise
        _produce_seconds(name).observe(time.perf_counter() - started)

    async def _hand_over(
        self,
        client: AIOKafkaProducer,
        name: str,
        key: bytes | None,
        value: bytes | None,
        headers: Headers,
        *,
        most: int,
        made_ms: int | None = None,
        partition: int | None = None,
    ) -> asyncio.Future[Any]:
        """Passes a record to the client; the future is its acknowledgement."""
        size = _size(key, value, headers)
        if size > most:
            raise _refused(name, f"a record of {size} bytes is too large for {name}, whose limit is {most}")
        try:
            await self._know_topic(client, name)
            sending = client.send(name, value, key=key, partition=partition, timestamp_ms=made_ms, headers=list(headers))
            return cast("asyncio.Future[Any]", await sending)
        except MessageSizeTooLargeError as error:
            raise _refused(name, f"a record of {size} bytes for {name} is too large for Kafka: {error}") from error
        except KafkaError as error:
            # The record was not sent. Unless only a broker or the topic was missing, the client cannot be used any more.
            if not isinstance(error, (KafkaTimeoutError, UnknownTopicOrPartitionError)):
                self._discard(client, error)
            raise self._unavailable(name, error, f"Kafka did not accept a record for {name}: {error!r}") from error

    async def _know_topic(self, client: AIOKafkaProducer, name: str) -> None:
        """Waits until a client knows the partitions of a topic, or is replaced.

        In `send` aiokafka waits for them as well, and waits for ever on a client that is closed meanwhile.

        Raises:
            KafkaUnavailable: the client was replaced, so the record is to be sent by another one.
            KafkaError: there is no such topic.
        """
        if client.client.cluster.partitions_for_topic(name) is not None:
            return
        in_use = client is self._client
        if in_use:
            gone = asyncio.create_task(self._gone.wait())
            known = asyncio.create_task(client.partitions_for(name))
            try:
                await asyncio.wait({gone, known}, return_when=asyncio.FIRST_COMPLETED)
                if known.done():
                    known.result()
                    return
            finally:
                for task in (gone, known):
                    task.cancel()
        raise KafkaUnavailable(f"the producer was replaced before it took a record for {name}")

    async def _acknowledged(self, client: AIOKafkaProducer, name: str, delivery: asyncio.Future[Any], *, size: int) -> None:
        try:
            await delivery
        except KafkaError as error:
            # If the batches have become smaller since, the record must be sent again.
            alone = size >= self._batch_bytes or self._batch_bytes <= _SMALLEST_BATCH_BYTES
            in_use = client is self._client
            self._discard(client, error)
            if isinstance(error, _TOO_LARGE) and not (alone and in_use):
                if in_use:
                    self._batch_bytes //= 2
                    log.warning("producer.smaller_batches", topic=name, batch_bytes=self._batch_bytes)
                raise _BatchTooLarge(f"Kafka refuses a batch for {name} as too large; its records are sent again") from error
            if isinstance(error, _REFUSALS):
                raise _refused(name, f"Kafka refuses a record of {size} bytes for {name}: {error!r}") from error
            raise self._unavailable(name, error, f"Kafka did not acknowledge a record for {name}: {error!r}") from error

    def _unavailable(self, name: str, error: KafkaError, reason: str) -> KafkaUnavailable:
        if isinstance(error, REFUSED):
            return AccessRefused(refusal(self._kafka_settings, error, topic=name))
        return KafkaUnavailable(reason)

    async def _connected(self) -> AIOKafkaProducer:
        if self._client is not None:
            return self._client
        async with self._opening:
            if self._client is None:
                self._client = await self._open()
                self._gone = asyncio.Event()
            return self._client

    async def _open(self) -> AIOKafkaProducer:
        client = AIOKafkaProducer(
            **client_options(self._kafka_settings),
            client_id=f"steno{self._source.decode().removeprefix('/steno').replace('/', '-')}",
            enable_idempotence=True,
            acks="all",
            linger_ms=self._linger_ms,
            max_batch_size=self._batch_bytes,
            max_request_size=MAX_DEAD_LETTER_BYTES + _OVERHEAD_BYTES,
            compression_type="zstd",
            partitioner=choose_partition,
        )
        try:
            await client.start()
        except KafkaError as error:
            await client.stop()
            reason = await connection_fault(self._kafka_settings) or error
            raise KafkaUnavailable(f"Kafka cannot be reached at {self._kafka_settings.bootstrap_servers}: {reason}") from error
        except BaseException:
            await client.stop()
            raise
        return client

    def _discard(self, client: AIOKafkaProducer, error: KafkaError) -> None:
        if client is not self._client:
            return
        log.warning("producer.replaced", reason=repr(error))
        self._client = None
        self._gone.set()
        closing = asyncio.create_task(_close(client))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _most_bytes(topic: Topic) -> int:
    return MAX_DEAD_LETTER_BYTES if topic is DEAD_LETTERS else MAX_RECORD_BYTES


def _size(key: bytes | None, value: bytes | None, headers: Headers) -> int:
    """The maximum size of a record alone in a batch, uncompressed."""
    size = _OVERHEAD_BYTES + len(key or b"") + len(value or b"")
    for name, content in headers:
        size += len(name.encode()) + len(content or b"") + _HEADER_OVERHEAD_BYTES
    return size


def _refused(name: str, reason: str) -> RecordRefused:
    RECORDS_REFUSED.labels(name).inc()
    return RecordRefused(reason)


@cache
def _produce_seconds(topic_name: str) -> Histogram:
    return PRODUCE_SECONDS.labels(topic_name)


async def _close(client: AIOKafkaProducer) -> None:
    """Flushes and closes a client; records that are not acknowledged in time fail, so that their senders do not wait on."""
    try:
        async with asyncio.timeout(_FLUSH_SECONDS):
            await client.stop()
    except TimeoutError:
        log.warning("producer.unflushed")
        # aiokafka cannot cancel a flush, so its parts are closed one by one.
        client._message_accumulator.fail_all(KafkaError("the producer was stopped before this was acknowledged"))
        await client._sender.close()
        await client.client.close()
