"""The outbox: records are stored in the same transaction as the rows that they describe, and published afterwards.

So every accepted recording is published, whatever is killed when, and nothing is published that was not accepted. A record may
be published twice, byte for byte the same (if the process is killed after Kafka has it and before the row is deleted).

A record that Kafka will never accept is moved to another table, for a person to look at; its recording or call is updated
(`steno_ingest.refusals`), and the records after it are published.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

import structlog
from opentelemetry.trace import SpanKind
from sqlalchemy import Row, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from steno.background import pause, periodically
from steno.errors import Retryable
from steno.events.catalogue import Topic, catalogue
from steno.events.records import Record
from steno.kafka import Encoded, Headers
from steno.kafka.errors import RecordRefused
from steno.retry import RetryPolicy
from steno.storage.transactions import transaction
from steno.telemetry import traces
from steno_ingest.leader import Leader
from steno_ingest.metrics import OUTBOX_AGE, OUTBOX_DEPTH, OUTBOX_REFUSED
from steno_ingest.recordings.tables import recordings
from steno_ingest.tables import outbox, outbox_refused

log = structlog.get_logger("steno.ingest.outbox")

_BATCH = 200
_BACK_OFF = RetryPolicy(first_seconds=0.2, longest_seconds=5.0)
_LAST_SECONDS = 5.0
_MEASURE_SECONDS = 5.0


def now() -> datetime:
    """The current time."""
    return datetime.now(UTC)


class Encoder(Protocol):
    """Encodes records; implemented by `steno.kafka.producer.Producer`."""

    def encode(self, topic: Topic, record: Record, *, event_id: str | None = None) -> Encoded: ...


class Sender(Protocol):
    """Sends bytes and returns when Kafka has them; implemented by `steno.kafka.producer.Producer`."""

    async def send_raw(self, topic: Topic, *, key: bytes | None, value: bytes | None, headers: Headers) -> None: ...


OnRefused = Callable[[Row[Any], RecordRefused], Awaitable[None]]
"""Called with a row that Kafka will never accept, before it is moved; called again if the process dies in between."""


class Outbox:
    """Adds records to the outbox, within the caller's transaction."""

    def __init__(self, encoder: Encoder, *, clock: Callable[[], datetime] = now) -> None:
        self._encoder = encoder
        self._clock = clock
        #: Set when something may have been added.
        self.filled = asyncio.Event()

    async def add(self, connection: AsyncConnection, topic: Topic, record: Record, *, publishes: str | None = None) -> None:
        """Adds a record, with the trace of the caller. Call `wake` after the commit.

        Args:
            publishes: The id of the recording that counts as published when this record is.
        """
        await self.add_all(connection, topic, [self.encode(topic, record)], publishes=publishes)

    def encode(self, topic: Topic, record: Record) -> Encoded:
        """Encodes a record for `add_all`, with the trace of the caller."""
        return self._encoder.encode(topic, record)

    async def add_all(
        self, connection: AsyncConnection, topic: Topic, records: Iterable[Encoded], *, publishes: str | None = None
    ) -> None:
        """Adds records, in this order. Call `wake` after the commit."""
        rows = [self._row(topic, encoded.key, encoded.value, encoded.headers, publishes) for encoded in records]
        await connection.execute(outbox.insert(), rows)

    async def add_tombstone(self, connection: AsyncConnection, topic: Topic, key: str) -> None:
        """Adds a tombstone, which deletes the newest record of a key."""
        await connection.execute(outbox.insert(), self._row(topic, key.encode(), None, tuple(traces.inject().items()), None))

    def wake(self) -> None:
        """Makes the relay read the outbox immediately."""
        self.filled.set()

    def _row(self, topic: Topic, key: bytes, value: bytes | None, headers: Headers, publishes: str | None) -> dict[str, Any]:
        return {
            "topic": topic.name,
            "key": key.decode(),
            "value": value,
            "headers": [[name, content.decode("ascii")] for name, content in headers],
            "recording_id": publishes,
            "created_at": self._clock(),
        }


class Relay:
    """Publishes the records of the outbox in order and deletes their rows. Of several instances only the leader does."""

    def __init__(
        self,
        outbox: Outbox,
        engine: AsyncEngine,
        sender: Sender,
        *,
        on_refused: OnRefused,
        poll_seconds: float,
        clock: Callable[[], datetime] = now,
    ) -> None:
        self._on_refused = on_refused
        self._outbox = outbox
        self._engine = engine
        self._sender = sender
        self._poll_seconds = poll_seconds
        self._clock = clock
        self._leader = Leader(engine)
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Works until `stop`, and then for a short time, to empty the outbox."""
        # Measuring is a separate task, since the metrics matter most while publishing waits for Kafka.
        measuring = periodically(
            self._measure, every_seconds=_MEASURE_SECONDS, stopping=self._stopping, failed=lambda _error: None
        )
        tasks = {asyncio.create_task(self._publish()), asyncio.create_task(measuring)}
        stopped = asyncio.create_task(self._stopping.wait())
        try:
            done, _ = await asyncio.wait({*tasks, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if stopped in done:
                done, _ = await asyncio.wait(tasks, timeout=_LAST_SECONDS)
            for task in done - {stopped}:
                task.result()
        finally:
            for task in {*tasks, stopped}:
                task.cancel()
            await asyncio.gather(*tasks, stopped, return_exceptions=True)
            await self._leader.resign()

    async def stop(self) -> None:
        """Lets `run` return when the outbox is empty, or after a short time."""
        self._stopping.set()

    async def _publish(self) -> None:
        failures = 0
        while True:
            last = self._stopping.is_set()
            self._outbox.filled.clear()
            try:
                if await self._leader.lead():
                    while await self.publish_some():
                        pass
                failures = 0
            except Retryable as error:
                failures += 1
                seconds = _BACK_OFF.after(failures)
                log.warning("outbox.waiting", reason=str(error), seconds=round(seconds, 3))
            if last:
                return
            if failures:
                await pause(seconds, self._stopping)
            else:
                await pause(self._poll_seconds, self._stopping, self._outbox.filled)

    async def _measure(self) -> None:
        async with transaction(self._engine) as connection:
            depth, oldest = (await connection.execute(select(func.count(), func.min(outbox.c.created_at)))).one()
            refused = (await connection.execute(select(func.count()).select_from(outbox_refused))).scalar_one()
        OUTBOX_REFUSED.set(refused)
        OUTBOX_DEPTH.set(depth)
        OUTBOX_AGE.set(0 if oldest is None else (self._clock() - oldest).total_seconds())

    async def publish_some(self) -> bool:
        """Publishes the oldest records; returns False if there are none.

        Raises:
            Retryable: Kafka or the database is unreachable; rows that were not deleted will be published again.
        """
        async with transaction(self._engine) as connection:
            rows = (await connection.execute(select(outbox).order_by(outbox.c.id).limit(_BATCH))).all()
        for together in _waves_without_repeated_keys(rows):
            outcomes = await asyncio.gather(*map(self._send, together), return_exceptions=True)
            sent = [row for row, outcome in zip(together, outcomes, strict=True) if outcome is None]
            if sent:
                await self._delete(sent)
            for row, outcome in zip(together, outcomes, strict=True):
                if isinstance(outcome, RecordRefused):
                    await self._move_refused(row, outcome)
            for outcome in outcomes:
                if outcome is not None and not isinstance(outcome, RecordRefused):
                    raise outcome
        return bool(rows)

    async def _send(self, row: Row[Any]) -> None:
        headers = tuple((name, value.encode("ascii")) for name, value in row.headers)
        with traces.continue_trace(dict(headers), f"publish {row.topic}", kind=SpanKind.PRODUCER):
            await self._sender.send_raw(catalogue()[row.topic], key=row.key.encode(), value=row.value, headers=headers)

    async def _move_refused(self, row: Row[Any], refusal: RecordRefused) -> None:
        await self._on_refused(row, refusal)
        moved = {name: value for name, value in row._mapping.items() if name != "id"}
        async with transaction(self._engine) as connection:
            await connection.execute(insert(outbox_refused).values(**moved, reason=str(refusal), refused_at=self._clock()))
            await connection.execute(delete(outbox).where(outbox.c.id == row.id))
        log.error("outbox.record_refused", topic=row.topic, key=row.key, reason=str(refusal), bytes=len(row.value or b""))

    async def _delete(self, rows: Sequence[Row[Any]]) -> None:
        published = [row.recording_id for row in rows if row.recording_id]
        async with transaction(self._engine) as connection:
            await connection.execute(delete(outbox).where(outbox.c.id.in_([row.id for row in rows])))
            if published:
                await connection.execute(
                    update(recordings)
                    .where(recordings.c.recording_id.in_(published), recordings.c.published_at.is_(None))
                    .values(published_at=self._clock())
                )


def _waves_without_repeated_keys(rows: Sequence[Row[Any]]) -> Iterator[list[Row[Any]]]:
    """Splits rows into runs without repeated keys. The records of a run may be sent together, which keeps the order per key."""
    wave: list[Row[Any]] = []
    keys: set[tuple[str, str]] = set()
    for row in rows:
        if (row.topic, row.key) in keys:
            yield wave
            wave, keys = [], set()
        wave.append(row)
        keys.add((row.topic, row.key))
    if wave:
        yield wave
