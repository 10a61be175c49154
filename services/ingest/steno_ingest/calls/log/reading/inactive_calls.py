"""Ends calls that never end: those of which nothing has come for minutes, and those that upstream systems publish for longer
than a call may be. Their end is put into the log like any other.

Silence of the log means nothing while the log is not read to its end or Kafka is away, so a call is suspected first, and ended
when what is on the log was read then and some time later, and nothing of the call was in it. A call of a door of ours is left
to the process that has its peer, for as long as a pause may take; only where that process never comes back it is ended here.
"""

import asyncio
import time
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

import structlog

from steno.errors import Retryable
from steno.events.catalogue import CALL_AUDIO, Topic
from steno.events.records import CallEnded, Record
from steno_ingest.calls.log.account.open_call import OpenCall
from steno_ingest.outbox import now

log = structlog.get_logger("steno.ingest.call_log")

_LOOK_SECONDS = 5.0
#: Upstream systems that were cut off from Kafka have so long to go on once it is back.
_GRACE_SECONDS = 30.0
#: So far behind is as good as at the end: on a busy partition something comes between asking and being told. A call that goes
#: on behind a reader that stands still is further within the time of grace.
_AT_THE_END = 200
#: An end that was put into the log and not read for so long is put there again: whoever reads the partition may be far behind.
_END_READ_SECONDS = 600.0


class OpenCalls(Protocol):
    """The calls that the call log knows; `steno_ingest.calls.log.reading.call_log.CallLog`."""

    @property
    def partitions(self) -> list[int]: ...
    def open_calls(self, partition: int) -> list[OpenCall]: ...


class Sender(Protocol):
    """`steno.kafka.producer.Producer`."""

    async def send(self, topic: Topic, record: Record) -> None: ...


class Behind(Protocol):
    """`steno.kafka.log_consumer.LogConsumer.behind`."""

    async def __call__(self, partition: int) -> int | None:
        """How many records of a partition were not taken yet; None where it is not ours. Raises `KafkaUnavailable`."""


class InactiveCalls:
    """Looks for such calls; a component of the service."""

    def __init__(
        self,
        calls: OpenCalls,
        sender: Sender,
        *,
        behind: Behind,
        hosted: Callable[[str], bool],
        inactive_seconds: float,
        paused_seconds: float,
        most_seconds: float = 43_200,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], datetime] = now,
    ) -> None:
        """
        Args:
            hosted: Whether a call's peer is connected to this process.
            inactive_seconds: How long nothing may come of a call that an upstream system publishes.
            paused_seconds: The same while it is paused, or where its peer may be connected to another process.
            most_seconds: How long a call of an upstream system may go on, by its audio and by the times of its records.
            clock: Seconds of a monotonic clock, the one of `OpenCall.taken_at`.
        """
        self._calls = calls
        self._sender = sender
        self._behind = behind
        self._hosted = hosted
        self._inactive_seconds = inactive_seconds
        self._paused_seconds = paused_seconds
        self._most_seconds = most_seconds
        #: When the end of a call that is too long was put into the log.
        self._overlong: dict[str, float] = {}
        self._grace_seconds = min(_GRACE_SECONDS, inactive_seconds / 2)
        self._clock = clock
        self._wall_clock = wall_clock
        #: Since when a call is suspected, and what was the last that was taken of it then.
        self._suspected: dict[str, tuple[float, int]] = {}
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Works until `stop`."""
        stopping = asyncio.create_task(self._stopping.wait())
        every = min(_LOOK_SECONDS, self._grace_seconds)
        while not stopping.done():
            looking = asyncio.create_task(self.look())
            await asyncio.wait({stopping, looking}, return_when=asyncio.FIRST_COMPLETED)
            if not looking.done():
                # Kafka is away, and not waited for.
                looking.cancel()
                await asyncio.wait({looking})
                return
            looking.result()
            await asyncio.wait({stopping}, timeout=every)

    async def stop(self) -> None:
        """Has `run` return."""
        self._stopping.set()

    async def look(self) -> None:
        """Looks once."""
        suspected, overlong = {}, {}
        for partition in self._calls.partitions:
            try:
                for call in filter(self._is_overlong, self._calls.open_calls(partition)):
                    overlong[call.account.call_id] = await self._end_overlong(call)
                inactive = [call for call in self._calls.open_calls(partition) if self._is_inactive(call)]
                if not inactive or (behind := await self._behind(partition)) is None or behind > _AT_THE_END:
                    continue
                for call in inactive:
                    suspected[call.account.call_id] = await self._judge(call)
            except Retryable as error:
                log.warning("calls.not_looked_at", partition=partition, reason=str(error))
        self._suspected, self._overlong = suspected, overlong

    def _is_inactive(self, call: OpenCall) -> bool:
        flowing = call.foreign and call.account.paused_from is None
        limit = self._inactive_seconds if flowing else self._paused_seconds
        quiet = self._clock() - call.taken_at
        return quiet >= limit and not call.account.ended and not self._hosted(call.account.call_id)

    async def _judge(self, call: OpenCall) -> tuple[float, int]:
        """Ends a call that has been suspected for long enough; since when it is suspected."""
        now = self._clock()
        since, last = self._suspected.get(call.account.call_id, (now, call.next_offset))
        if last != call.next_offset and call.account.failure is None:
            since = now
        if now - since < self._grace_seconds:
            return since, call.next_offset
        seconds = round(now - call.taken_at)
        log.warning("call.inactive", call_id=call.account.call_id, seconds=seconds)
        await self._end(call, reason="inactive", error=f"nothing came of the call for {seconds} seconds")
        # Its end is read in a moment; if it is not, it is suspected anew.
        return now, call.next_offset

    def _is_overlong(self, call: OpenCall) -> bool:
        account = call.account
        lasted = max(account.reader.clock.elapsed.total_seconds(), account.position / account.sample_rate)
        return call.foreign and lasted >= self._most_seconds and not account.ended

    async def _end_overlong(self, call: OpenCall) -> float:
        """Ends a call once; again only where its end was not read for long. When that was."""
        now, before = self._clock(), self._overlong.get(call.account.call_id)
        if before is not None and now - before < _END_READ_SECONDS:
            return before
        log.warning("call.too_long", call_id=call.account.call_id, hours=self._most_seconds / 3600)
        await self._end(
            call, reason="too_long", error=f"the call has gone on for {self._most_seconds / 3600:g} hours, as long as one may"
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
