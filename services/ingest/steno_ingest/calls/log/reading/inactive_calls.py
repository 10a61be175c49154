"""Ends calls without records for minutes, and calls that last too long, by publishing their `CallEnded`.

Missing records prove nothing while the log is not read to its end, or while Kafka is unreachable. So such a call is only
suspected at first; it is ended if the log was read to its end then and some time later, without a record of the call. A call
of a door is left to the process that has its peer for the longest allowed pause; it is ended here only if that process never
returns.
"""

import time
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

import structlog

from steno.background import PeriodicWork
from steno.errors import Retryable
from steno.events.catalogue import CALL_AUDIO, Topic
from steno.events.records import CallEnded, Record
from steno_ingest.calls.log.account.open_call import OpenCall
from steno_ingest.outbox import now

log = structlog.get_logger("steno.ingest.call_log")

_CHECK_SECONDS = 5.0
#: How long upstream systems may take to continue after an outage of Kafka.
_GRACE_SECONDS = 30.0
#: A reader counts as at the end of the log if it is at most this many records behind, since a busy partition always has more.
_AT_THE_END = 200
#: A `CallEnded` that was not read for so long is published again. The reader of the partition may be far behind.
_END_READ_SECONDS = 600.0


class OpenCalls(Protocol):
    """The methods used of `steno_ingest.calls.log.reading.call_log.CallLog`."""

    @property
    def partitions(self) -> list[int]: ...
    def open_calls(self, partition: int) -> list[OpenCall]: ...


class Sender(Protocol):
    """The methods used of `steno.kafka.producer.Producer`."""

    async def send(self, topic: Topic, record: Record) -> None: ...


class Behind(Protocol):
    """The type of `steno.kafka.log_consumer.LogConsumer.behind`."""

    async def __call__(self, partition: int) -> int | None:
        """Returns the number of unread records of a partition; None if this process does not have it.

        Raises `KafkaUnavailable`.
        """


class InactiveCalls(PeriodicWork):
    """Finds and ends such calls; a component of the service."""

    def __init__(
        self,
        calls: OpenCalls,
        sender: Sender,
        *,
        behind: Behind,
        hosted: Callable[[str], bool],
        inactive_seconds: float,
        paused_seconds: float,
        max_seconds: float = 43_200,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], datetime] = now,
    ) -> None:
        """
        Args:
            hosted: Whether a call's peer is connected to this process.
            inactive_seconds: How long a call of an upstream system may have no records.
            paused_seconds: The same for a paused call, and for a call of a door, whose peer may be at another process.
            max_seconds: The longest duration of an upstream system's call, by its audio and by the times of its records.
            clock: Seconds of a monotonic clock, the one of `OpenCall.handled_at`.
        """
        grace_seconds = min(_GRACE_SECONDS, inactive_seconds / 2)
        # A check that waits for Kafka is cancelled at the stop.
        super().__init__(self.check, every_seconds=min(_CHECK_SECONDS, grace_seconds), cut_short=True)
        self._calls = calls
        self._sender = sender
        self._behind = behind
        self._hosted = hosted
        self._inactive_seconds = inactive_seconds
        self._paused_seconds = paused_seconds
        self._max_seconds = max_seconds
        #: When the end of a call that lasts too long was published, by call id.
        self._overlong: dict[str, float] = {}
        self._grace_seconds = grace_seconds
        self._clock = clock
        self._wall_clock = wall_clock
        #: Since when a call is suspected, and its next offset then, by call id.
        self._suspected: dict[str, tuple[float, int]] = {}

    async def check(self) -> None:
        """Checks all open calls once."""
        suspected, overlong = {}, {}
        for partition in self._calls.partitions:
            try:
                for call in filter(self._is_overlong, self._calls.open_calls(partition)):
                    overlong[call.account.call_id] = await self._end_overlong(call)
                inactive = [call for call in self._calls.open_calls(partition) if self._is_inactive(call)]
                if not inactive or (behind := await self._behind(partition)) is None or behind > _AT_THE_END:
                    continue
                for call in inactive:
                    suspected[call.account.call_id] = await self._suspect(call)
            except Retryable as error:
                log.warning("calls.not_checked", partition=partition, reason=str(error))
        self._suspected, self._overlong = suspected, overlong

    def _is_inactive(self, call: OpenCall) -> bool:
        flowing = call.foreign and call.account.paused_from is None
        limit = self._inactive_seconds if flowing else self._paused_seconds
        quiet = self._clock() - call.handled_at
        return quiet >= limit and not call.account.ended and not self._hosted(call.account.call_id)

    async def _suspect(self, call: OpenCall) -> tuple[float, int]:
        """Suspects a call, or ends it if it has been suspected for long enough; returns its suspicion."""
        now = self._clock()
        since, last = self._suspected.get(call.account.call_id, (now, call.next_offset))
        if last != call.next_offset and call.account.failure is None:
            since = now
        if now - since < self._grace_seconds:
            return since, call.next_offset
        seconds = round(now - call.handled_at)
        log.warning("call.inactive", call_id=call.account.call_id, seconds=seconds)
        await self._end(call, reason="inactive", error=f"the call had no records for {seconds} seconds")
        # If its end is not read soon, it is suspected again.
        return now, call.next_offset

    def _is_overlong(self, call: OpenCall) -> bool:
        account = call.account
        lasted = max(account.reader.clock.elapsed.total_seconds(), account.position / account.sample_rate)
        return call.foreign and lasted >= self._max_seconds and not account.ended

    async def _end_overlong(self, call: OpenCall) -> float:
        """Ends a call, again only if its end was not read for long; returns when that was."""
        now, before = self._clock(), self._overlong.get(call.account.call_id)
        if before is not None and now - before < _END_READ_SECONDS:
            return before
        log.warning("call.too_long", call_id=call.account.call_id, hours=self._max_seconds / 3600)
        await self._end(
            call, reason="too_long", error=f"the call has lasted {self._max_seconds / 3600:g} hours, which is the limit"
        )
        return now

    async def _end(self, call: OpenCall, *, reason: str, error: str) -> None:
        account = call.account
        position = account.position if account.paused_from is None else account.paused_from
        await self._sender.send(
            CALL_AUDIO,
            CallEnded(
                call_id=account.call_id,
                position=position,
                complete=False,
                reason=reason,
                error=error,
                ended_at=self._wall_clock(),
                writer=account.reader.writer,
            ),
        )
