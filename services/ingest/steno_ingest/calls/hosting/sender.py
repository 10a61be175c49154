"""Sends the records of one call to the log, in order, and says how far it is safe.

Kafka being away is no error here: what was not acknowledged is kept and sent again, and whoever reads from the peer waits, so
that the peer is slowed down instead of memory filled.
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
"""Records in flight at once; those that come meanwhile make the next round."""

_BACK_OFF = RetryPolicy(first_seconds=0.05, longest_seconds=1.0)


class Outlet(Protocol):
    """What the sender needs of `steno.kafka.producer.Producer`."""

    def encode(self, topic: Topic, record: Record) -> Encoded: ...
    def encode_bare(self, topic: Topic, record: Record) -> Encoded: ...
    async def send_in_order(self, topic: Topic, records: Sequence[Encoded]) -> int: ...


@dataclass(frozen=True, slots=True)
class _Waiting:
    encoded: Encoded
    after: ResumePoint
    #: Without it nothing of the call is of use to anybody.
    begins: bool


class CallSender:
    """The line of one call's records. `run` works until all is sent after `close`."""

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
            limit: Records not acknowledged from which on `wait_for_room` makes its caller wait.
            on_start_refused: Told why, where Kafka will never take the start of the call; what waited behind it is dropped.
        """
        self._on_start_refused = on_start_refused
        self._outlet = outlet
        self._limit = limit
        self._sleep = sleep
        self._line: deque[_Waiting] = deque()
        self._some = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._closed = False
        self._failures = 0
        #: Where the call goes on behind all that is acknowledged; None until something is.
        self.safe: ResumePoint | None = None

    @property
    def unacknowledged(self) -> int:
        """Records that are not known to be on all replicas."""
        return len(self._line)

    def put(self, entries: Iterable[Entry]) -> None:
        """Adds the next records of the call, however many wait."""
        for entry in entries:
            # Records of audio are many and small, and do without headers.
            encode = self._outlet.encode_bare if isinstance(entry.record, AudioChunk) else self._outlet.encode
            begins = isinstance(entry.record, CallStarted)
            self._line.append(_Waiting(encode(CALL_AUDIO, entry.record), entry.after, begins))
        if self._line:
            self._some.set()
        if len(self._line) >= self._limit:
            self._room.clear()

    async def wait_for_room(self) -> None:
        """Returns when few enough records wait: the back-pressure of Kafka."""
        await self._room.wait()

    def close(self) -> None:
        """Nothing more will be put."""
        self._closed = True
        self._some.set()

    async def run(self) -> None:
        """Sends what is put until it was closed and all is acknowledged."""
        while True:
            await self._some.wait()
            if self._line:
                await self._round()
            elif self._closed:
                return
            if not self._line and not self._closed:
                self._some.clear()

    async def _round(self) -> None:
        try:
            sent = await self._outlet.send_in_order(CALL_AUDIO, [waiting.encoded for waiting in islice(self._line, _ROUND)])
        except RecordRefused as error:
            # Kept, it would hold up the call for ever; without it, consumers see the hole by position and tell it as a gap.
            log.exception("call.record_refused", reason=str(error), error_class=error.error_class)
            CALL_RECORDS_REFUSED.inc()
            if self._line[0].begins:
                self._line.clear()
                self._room.set()
                self._on_start_refused(str(error))
                return
            sent = 1
        except Retryable as error:
            self._failures += 1
            if self._failures == 1:
                log.warning("call.kafka_away", reason=str(error), unacknowledged=len(self._line))
            await self._sleep(_BACK_OFF.after(self._failures))
            return
        self._failures = 0
        for _ in range(sent):
            self.safe = self._line.popleft().after
        if len(self._line) < self._limit:
            self._room.set()
