"""Sends the records of one call to the call log, in order, and tracks how much is acknowledged.

While Kafka is unreachable, unacknowledged records are kept and sent again, and reading from the peer waits. So the peer is
slowed down instead of filling the memory.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

import structlog

from steno.errors import Retryable
from steno.events.catalogue import CALL_AUDIO, Topic
from steno.events.records import AudioChunk, CallStarted, Record
from steno.kafka import Encoded
from steno.kafka.errors import RecordRefused
from steno.retry import RetryPolicy
from steno_ingest.calls.doors.actions import ResumePoint
from steno_ingest.calls.hosting.session import Entry
from steno_ingest.metrics import CALL_RECORDS_REFUSED

log = structlog.get_logger("steno.ingest.calls")

_ROUND = 100
"""The number of records in flight; later ones are sent in the next round."""

_BACK_OFF = RetryPolicy(first_seconds=0.05, longest_seconds=1.0)


class Outlet(Protocol):
    """The methods used of `steno.kafka.producer.Producer`."""

    def encode(self, topic: Topic, record: Record) -> Encoded: ...
    def encode_bare(self, topic: Topic, record: Record) -> Encoded: ...
    async def send_in_order(self, topic: Topic, records: Sequence[Encoded]) -> int: ...


@dataclass(frozen=True, slots=True)
class _Waiting:
    encoded: Encoded
    after: ResumePoint
    #: Whether it is the start of the call, without which no other record can be used.
    begins: bool


class CallSender:
    """The queue of one call's records. `run` works until everything is sent after `close`."""

    def __init__(
        self,
        outlet: Outlet,
        *,
        limit: int,
        on_start_refused: Callable[[str], None],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """
        Args:
            limit: The number of unacknowledged records from which on `wait_for_room` waits.
            on_start_refused: Called with a reason if Kafka will never accept the start of the call; all records are dropped.
        """
        self._on_start_refused = on_start_refused
        self._outlet = outlet
        self._limit = limit
        self._sleep = sleep
        self._queue: deque[_Waiting] = deque()
        self._not_empty = asyncio.Event()
        self._has_room = asyncio.Event()
        self._has_room.set()
        self._closed = False
        self._failures = 0
        #: The point after the last acknowledged record, from which a peer would resume; None before the first.
        self.safe: ResumePoint | None = None

    @property
    def unacknowledged(self) -> int:
        """The number of records that are not acknowledged by all replicas."""
        return len(self._queue)

    def put(self, entries: Iterable[Entry]) -> None:
        """Adds the next records of the call, however many wait."""
        for entry in entries:
            # Audio chunks are many and small, so they have no headers.
            encode = self._outlet.encode_bare if isinstance(entry.record, AudioChunk) else self._outlet.encode
            begins = isinstance(entry.record, CallStarted)
            self._queue.append(_Waiting(encode(CALL_AUDIO, entry.record), entry.after, begins))
        if self._queue:
            self._not_empty.set()
        if len(self._queue) >= self._limit:
            self._has_room.clear()

    async def wait_for_room(self) -> None:
        """Waits until fewer records than the limit wait. This is the back-pressure of Kafka."""
        await self._has_room.wait()

    def close(self) -> None:
        """Lets `run` return once everything is acknowledged; nothing more may be put."""
        self._closed = True
        self._not_empty.set()

    async def run(self) -> None:
        """Sends records until `close` was called and everything is acknowledged."""
        while True:
            await self._not_empty.wait()
            if self._queue:
                await self._round()
            elif self._closed:
                return
            if not self._queue and not self._closed:
                self._not_empty.clear()

    async def _round(self) -> None:
        try:
            sent = await self._outlet.send_in_order(CALL_AUDIO, [waiting.encoded for waiting in islice(self._queue, _ROUND)])
        except RecordRefused as error:
            # If kept, it would block the call for ever. Without it, consumers detect the gap by position.
            log.exception("call.record_refused", reason=str(error), error_class=error.error_class)
            CALL_RECORDS_REFUSED.inc()
            if self._queue[0].begins:
                self._queue.clear()
                self._has_room.set()
                self._on_start_refused(str(error))
                return
            sent = 1
        except Retryable as error:
            self._failures += 1
            if self._failures == 1:
                log.warning("call.kafka_away", reason=str(error), unacknowledged=len(self._queue))
            await self._sleep(_BACK_OFF.after(self._failures))
            return
        self._failures = 0
        for _ in range(sent):
            self.safe = self._queue.popleft().after
        if len(self._queue) < self._limit:
            self._has_room.set()
