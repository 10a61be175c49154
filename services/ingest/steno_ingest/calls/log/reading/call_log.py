"""Handles the records of `call-audio` of all publishers: keeps an account of each call, and stores its audio.

Records are handled in memory. The results are saved together every few seconds, in this order: the pieces of audio, the notes
in the ledger, then the account, which has the offset up to which everything is saved. Only the offset of the oldest unsaved
record is committed. So the next reader of the partition begins there, continues from the saved accounts, and gets the same
pieces and notes.

| record | consequence |
|---|---|
| of an open call | it is added to the account, and its audio is stored |
| below the offset of the account | none: it was handled before the last crash or rebalance |
| does not fit its call (see `errors`) | the first of its kind goes to dead letters, others are counted; many fail the call |
| of another call with the id of an open one (`CallReader.is_of`) | the same, but it does not count against the open call |
| `CallStarted` | the call is added to the ledger, if it is new: an upstream system publishes it |
| `CallEnded` | the call's audio has ended, and its recording is made |
"""

import time
from collections.abc import Callable
from contextlib import suppress

import structlog

from steno.events.records import AudioChunk, CallRecord
from steno.kafka.messages import Message
from steno.unusable_records import UnusableRecord
from steno_ingest.calls.ledger.account_rows import AccountRows
from steno_ingest.calls.ledger.call_ledger import CallLedger
from steno_ingest.calls.log.account.account import Failure
from steno_ingest.calls.log.account.flush import Flusher
from steno_ingest.calls.log.account.open_call import OpenCall
from steno_ingest.calls.log.audio.pieces import PIECE_BYTES
from steno_ingest.calls.log.reading.call_events import CallEvents, of_another_call
from steno_ingest.calls.log.reading.partition import Partition
from steno_ingest.calls.log.reading.unknown_calls import UnknownCalls
from steno_ingest.calls.log.recording.recording_jobs import RecordingJobs
from steno_ingest.errors import NotThere
from steno_ingest.metrics import CALL_RECORDS_UNUSABLE

log = structlog.get_logger("steno.ingest.call_log")

#: A call is saved after this time, or when a piece of its audio is full.
SAVE_AFTER_SECONDS = 30.0

_REPORT_SECONDS = 5.0

INTERNAL = Failure("internal", "an internal error of ingest; its log and the dead letters have the details")


class CallLog:
    """The handler of the log consumer of `call-audio`; see `steno.kafka.log_consumer.LogHandler`."""

    def __init__(
        self,
        *,
        ledger: CallLedger,
        accounts: AccountRows,
        flusher: Flusher,
        jobs: RecordingJobs,
        record_calls: bool,
        one_way_seconds: int,
        keep_digits: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            flusher: Saves calls.
            jobs: Makes the recordings of ended calls.
            record_calls: Whether audio is stored.
            one_way_seconds: How long there must be sound on other channels before a silent channel is reported.
            keep_digits: Whether the digits of pressed keys are stored.
            clock: Seconds of a monotonic clock.
        """
        self._ledger = ledger
        self._accounts = accounts
        self._flusher = flusher
        self._jobs = jobs
        self._record_calls = record_calls
        self._clock = clock
        self._partitions: dict[int, Partition] = {}
        self._unknown_calls = UnknownCalls(accounts)
        self._events = CallEvents(
            ledger=ledger,
            unknown_calls=self._unknown_calls,
            one_way_seconds=one_way_seconds,
            keep_digits=keep_digits,
            clock=clock,
        )

    def open_calls(self, partition: int) -> list[OpenCall]:
        """Returns the open calls of a partition; none if this process does not have the partition."""
        found = self._partitions.get(partition)
        return [] if found is None else list(found.calls.values())

    @property
    def partitions(self) -> list[int]:
        """The partitions of this process."""
        return list(self._partitions)

    async def open(self, partition: int) -> int | None:
        """Restores the saved accounts of a partition; reading begins at the committed offset."""
        saved = await self._accounts.unfinished(partition)
        now = self._clock()
        calls = {entry.call_id: OpenCall.from_saved(entry, now=now) for entry in saved if not entry.ended}
        self._partitions[partition] = Partition(calls=calls)
        self._unknown_calls.forget()
        for entry in saved:
            if entry.ended:
                self._jobs.start(entry)
        return None

    async def handle(self, message: Message) -> None:
        """Handles one record.

        Raises:
            Permanent: the record does not fit its call, or there is no such call.
            Retryable: a store or database is unreachable.
        """
        partition = self._partitions[message.partition]
        # A held record comes after later ones.
        partition.next_offset = max(message.offset, partition.next_offset or 0)
        record = message.record
        if type(record) is AudioChunk:
            call = partition.calls.get(record.call_id)
            if call is None:
                await self._unknown_calls.check(record, message.offset)
            elif message.offset >= call.next_offset and not call.account.reader.is_of(record):
                call.mark_handled(message.offset, call.handled_at)
                call.refuse_event(of_another_call(record))
            elif message.offset >= call.next_offset:
                await self._flusher.make_room(call)
                call.account.advance_clock(message.timestamp)
                self._apply_audio(call, record, message.offset)
        elif isinstance(record, CallRecord):
            await self._events.apply(partition, record, message)
        partition.next_offset = max(message.offset + 1, partition.next_offset)

    async def give_up(self, message: Message, error: Exception) -> None:
        """Fails the call of a record that could not be handled because of an unexpected error; its audio so far is kept.

        Raises:
            Retryable: the database is unreachable.
        """
        record = message.record
        if not isinstance(record, CallRecord) or "\0" in record.call_id:
            return
        found = self._partitions[message.partition].calls.get(record.call_id)
        if found is not None:
            if not found.account.reader.is_of(record):
                return
            found.account.failure = found.account.failure or INTERNAL
        with suppress(NotThere):
            await self._ledger.fail(record.call_id, reason=INTERNAL.reason, error=INTERNAL.error)

    async def settle(self, partition: int, held_from: int | None = None) -> int | None:
        """Saves the calls that are due, and returns the offset below which everything is saved.

        Raises:
            Retryable: a store or database is unreachable; the unsaved data is still held.
        """
        found = self._partitions[partition]
        now = self._clock()
        await self._flusher.flush([call for call in found.calls.values() if _is_due(call, now)])
        ended = [call for call in found.calls.values() if call.account.ended]
        await self._report_positions(found, now, at_once=bool(ended))
        await self._report_failures(found)
        for call in ended:
            del found.calls[call.account.call_id]
            self._unknown_calls.remember(call.account.call_id, call.next_offset)
            self._jobs.start(call.to_save())
        unsaved = [call.unsaved_from for call in found.calls.values() if call.unsaved_from is not None]
        below = [*unsaved, *(offset for offset in (found.next_offset, held_from) if offset is not None)]
        return min(below, default=None)

    async def close(self, partition: int) -> None:
        """Forgets the calls of a partition, and cancels its recording jobs, which its next reader starts again."""
        found = self._partitions.pop(partition, Partition())
        self._flusher.release(list(found.calls.values()))
        await self._jobs.cancel(partition)

    def _apply_audio(self, call: OpenCall, chunk: AudioChunk, offset: int) -> None:
        if call.account.failure is not None:
            CALL_RECORDS_UNUSABLE.labels(call.account.failure.error).inc()
            call.mark_handled(offset, call.handled_at)
            return
        try:
            heard = call.account.apply(chunk)
        except UnusableRecord as error:
            # It does not count as activity: a publisher of unusable records only is inactive.
            call.mark_handled(offset, call.handled_at)
            call.refuse(error, chunk.position)
            return
        call.mark_handled(offset, self._clock())
        if heard is not None and self._record_calls:
            self._flusher.add(call, heard.position, heard.audio)

    async def _report_failures(self, partition: Partition) -> None:
        """Writes failures of calls to the ledger."""
        for call_id, call in partition.calls.items():
            failure = call.account.failure
            if failure is not None and not call.failure_reported:
                await self._ledger.fail(call_id, reason=failure.reason, error=failure.error)
                call.failure_reported = True
                log.warning("call.failed", call_id=call_id, error_class=failure.error, reason=failure.reason)

    async def _report_positions(self, partition: Partition, now: float, *, at_once: bool) -> None:
        """Writes the positions of the partition's calls to the ledger, all together."""
        if now - partition.reported_at < _REPORT_SECONDS and not at_once:
            return
        heard = {
            call_id: call.account.position
            for call_id, call in partition.calls.items()
            if call.account.position != call.reported_position
        }
        if heard:
            await self._ledger.note_heard(heard)
        for call_id, position in heard.items():
            partition.calls[call_id].reported_position = position
        partition.reported_at = now


def _is_due(call: OpenCall, now: float) -> bool:
    """Whether a call must be saved now."""
    if call.unsaved_from is None:
        return False
    return (
        call.account.ended
        or bool(call.account.notes)
        or call.audio.held_bytes >= PIECE_BYTES
        or now - call.unsaved_since >= SAVE_AFTER_SECONDS
    )
