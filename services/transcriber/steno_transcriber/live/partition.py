"""The live calls of one partition of the log, in the order of their last records."""

from collections import OrderedDict
from collections.abc import Iterator
from datetime import datetime, timedelta

from steno.events.records import CallCheckpoint, CallRecord
from steno_transcriber.bounded_cache import BoundedCache
from steno_transcriber.live.log_clock import LogClock
from steno_transcriber.live.worker import CallWorker

REST_AFTER = timedelta(minutes=5)
"""Without a record for so long, by the clock of the log, a call holds nothing back: what was open in it ends."""

END_AFTER = timedelta(hours=24)
"""Without a record for so long nobody will end a call any more: the log is kept no longer."""

REFRESH_AFTER = timedelta(seconds=30)
"""How old the checkpoint of a call may be in which nothing happens but that the log goes on."""

REMEMBERED = 10_000
"""Calls that are over, of whose records some may still come."""


class OpenCall:
    """A call that is not done, with its last published checkpoint."""

    def __init__(self, worker: CallWorker, *, first_offset: int, saved: CallCheckpoint | None = None) -> None:
        self.worker = worker
        self.saved = saved
        #: When a record of it was taken last, by the clock of the log.
        self.heard_at = timedelta(0)
        self._first_offset = first_offset

    @property
    def needed_offset(self) -> int:
        """The offset from which a process with the published checkpoints needs the log."""
        return self._first_offset if self.saved is None else self.saved.offset

    def due(self, *, log_end: int, now: datetime) -> CallCheckpoint | None:
        """The checkpoint that should be saved now, if one should."""
        worker, saved = self.worker, self.saved
        if not worker.announced:
            return None
        if (buffered := worker.buffered_from) is not None:
            # What is buffered is to be read again by whoever takes the call over.
            log_end = min(log_end, buffered)
        if saved is not None and not worker.done and worker.call.progress == (saved.marks, saved.next_sequence):
            if now - saved.saved_at < REFRESH_AFTER:
                return None
            checkpoint = worker.call.checkpoint(log_end=log_end, saved_at=now)
            return None if checkpoint == saved.model_copy(update={"saved_at": now}) else checkpoint
        return worker.call.checkpoint(log_end=log_end, saved_at=now, done=worker.done)


class PartitionCalls:
    """The calls that are open, resting, or over."""

    def __init__(self) -> None:
        #: The offset behind the last record that was taken; None before the first.
        self.log_end: int | None = None
        self._clock = LogClock()
        self._open: OrderedDict[str, OpenCall] = OrderedDict()
        self._resting: OrderedDict[str, OpenCall] = OrderedDict()
        self._over: BoundedCache[str, None] = BoundedCache(REMEMBERED)

    def __iter__(self) -> Iterator[OpenCall]:
        yield from self._open.values()
        yield from self._resting.values()

    def __len__(self) -> int:
        return len(self._open) + len(self._resting)

    def add(self, call_id: str, call: OpenCall) -> None:
        """Adds an open call."""
        call.heard_at = self._clock.elapsed
        self._open[call_id] = call

    def close(self, call_id: str) -> None:
        """Marks a call as over, so that its records are ignored."""
        self._open.pop(call_id, None)
        self._resting.pop(call_id, None)
        self._over[call_id] = None

    def is_over(self, call_id: str) -> bool:
        """Whether a call was closed not long ago."""
        return call_id in self._over

    def has(self, call_id: str) -> bool:
        """Whether a call of an id is open or rests."""
        return call_id in self._open or call_id in self._resting

    def heard_of(self, record: CallRecord) -> OpenCall | None:
        """The open call of which a record has come; None where that is of none, or of another one by the id of an open one."""
        call_id = record.call_id
        call = self._open.get(call_id) or self._resting.get(call_id)
        if call is None or not call.worker.call.is_of(record):
            return None
        self._resting.pop(call_id, None)
        call.heard_at = self._clock.elapsed
        self._open[call_id] = call
        self._open.move_to_end(call_id)
        return call

    def sweep(self, written_at: datetime) -> None:
        """Lets calls rest, or end, of which nothing has come for long, by the time of the newest record."""
        now = self._clock.advance(written_at)
        for call_id, call in _idle(self._open, now - REST_AFTER):
            call.worker.rest()
            self._resting[call_id] = self._open.pop(call_id)
        for _, call in _idle(self._resting, now - END_AFTER):
            call.worker.end()


def _idle(calls: OrderedDict[str, OpenCall], since: timedelta) -> list[tuple[str, OpenCall]]:
    found = []
    for call_id, call in calls.items():
        if call.heard_at >= since:
            break
        found.append((call_id, call))
    return found
