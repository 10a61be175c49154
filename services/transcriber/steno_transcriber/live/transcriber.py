"""Handles the log of live calls: starts, continues and ends calls, and saves their checkpoints.

Before an offset of the log is committed, the checkpoints of its open calls are published. The next owner of the partition reads
them, and then the log from the oldest offset in them.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import structlog

from steno.events.catalogue import CALL_CHECKPOINTS
from steno.events.records import CallCheckpoint, CallRecord, CallStarted, Record
from steno.kafka.errors import RecordRefused
from steno.kafka.messages import Message
from steno.unusable_records import UnusableRecord
from steno_transcriber import metrics
from steno_transcriber.engines.port import Unsupported, UtteranceEngine
from steno_transcriber.live.call import first_checkpoint
from steno_transcriber.live.partition import OpenCall, PartitionCalls
from steno_transcriber.live.resources import LiveResources
from steno_transcriber.live.session_worker import SessionWorker
from steno_transcriber.live.worker import CallWorker, InternalFault

log = structlog.get_logger("steno.transcriber.live")

ReadCheckpoints = Callable[[int], Awaitable[Mapping[str, Record]]]
"""The newest checkpoint of each call of a partition."""


class LiveTranscriber:
    """Handles the partitions of `call-audio`."""

    def __init__(self, resources: LiveResources, *, read_checkpoints: ReadCheckpoints) -> None:
        self._resources = resources
        self._read_checkpoints = read_checkpoints
        self._partitions: dict[int, PartitionCalls] = {}

    async def open(self, partition: int) -> int | None:
        """Resumes the calls of a partition; returns the offset from which they need the log."""
        checkpoints = [
            checkpoint
            for checkpoint in (await self._read_checkpoints(partition)).values()
            if isinstance(checkpoint, CallCheckpoint)
        ]
        calls = self._partitions[partition] = PartitionCalls()
        for checkpoint in sorted(checkpoints, key=lambda checkpoint: checkpoint.saved_at):
            if checkpoint.done:
                calls.close(checkpoint.call_id)
            else:
                worker = self._worker(checkpoint)
                calls.add(checkpoint.call_id, OpenCall(worker, first_offset=checkpoint.offset, saved=checkpoint))
        self._count()
        log.info("live.opened", partition=partition, calls=len(calls))
        return min((call.needed_offset for call in calls), default=None)

    async def handle(self, message: Message) -> None:
        """Handles the next record of a partition. Waits while too much is buffered.

        What does not fit its call is left out, and ingest puts the first of it aside; too much of it fails the call.
        """
        await self._resources.buffer_budget.wait()
        calls = self._partitions[message.partition]
        calls.sweep(message.timestamp)
        self._take(calls, message)
        # Behind one that was held, others were taken before it.
        calls.log_end = max(message.offset + 1, calls.log_end or 0)

    async def give_up(self, message: Message, error: Exception) -> None:
        """Fails the call of a record that could not be handled for an error of ours."""
        record, calls = message.record, self._partitions[message.partition]
        if not isinstance(record, CallRecord) or calls.is_over(record.call_id):
            return
        call = calls.heard_of(record)
        if call is None and isinstance(record, CallStarted) and not calls.has(record.call_id):
            call = self._begin(calls, record, message)
        if call is not None:
            call.worker.give_up(InternalFault())

    async def settle(self, partition: int, held_from: int | None = None) -> int | None:
        """Saves changed checkpoints; returns the offset below which the log is no longer needed."""
        calls = self._partitions[partition]
        log_end = calls.log_end
        if log_end is None:
            return None
        if held_from is not None:
            log_end = min(log_end, held_from)
        now = self._resources.now()
        due = [(call, checkpoint) for call in calls if (checkpoint := call.due(log_end=log_end, now=now)) is not None]
        await asyncio.gather(*(self._save(call, checkpoint) for call, checkpoint in due))
        for _, checkpoint in due:
            if checkpoint.done:
                calls.close(checkpoint.call_id)
        self._count()
        return min([log_end, *(call.needed_offset for call in calls)])

    async def _save(self, call: OpenCall, checkpoint: CallCheckpoint) -> None:
        try:
            await self._resources.publisher.send(CALL_CHECKPOINTS, checkpoint)
        except RecordRefused as error:
            # Without one the call would hold back the partition; whoever reads its start again comes to the same end.
            log.error("live.checkpoint_refused", call_id=checkpoint.call_id, reason=str(error))
            if not checkpoint.done:
                call.worker.give_up(error)
        else:
            call.saved = checkpoint

    async def close(self, partition: int) -> None:
        """Stops the calls of a partition that was taken away."""
        calls = self._partitions.pop(partition, None)
        if calls is not None:
            await asyncio.gather(*(call.worker.stop() for call in calls))
        self._count()

    def _take(self, calls: PartitionCalls, message: Message) -> None:
        record = message.record
        if not isinstance(record, CallRecord) or calls.is_over(record.call_id):
            return
        call = calls.heard_of(record)
        if call is not None:
            try:
                call.worker.add_record(message)
            except UnusableRecord as error:
                call.worker.refuse(error)
        elif isinstance(record, CallStarted) and not calls.has(record.call_id):
            self._begin(calls, record, message)
        else:
            # The ledger of calls tells of it: here there is nothing that could be transcribed.
            metrics.LIVE_STRAY_RECORDS.inc()

    def _begin(self, calls: PartitionCalls, started: CallStarted, message: Message) -> OpenCall:
        worker = self._worker(first_checkpoint(started, message.offset, written_at=message.timestamp), trace=message.headers)
        call = OpenCall(worker, first_offset=message.offset)
        calls.add(started.call_id, call)
        return call

    def _worker(self, checkpoint: CallCheckpoint, *, trace: Mapping[str, bytes] | None = None) -> CallWorker:
        """The worker of a call, by the kind of the engine that serves it."""
        try:
            engine = self._resources.engines.choose(checkpoint.options)
        except Unsupported:
            return CallWorker(checkpoint, self._resources, trace=trace)  # it fails the call, and says why
        if isinstance(engine, UtteranceEngine):
            return CallWorker(checkpoint, self._resources, trace=trace)
        return SessionWorker(checkpoint, self._resources, engine, trace=trace)

    def _count(self) -> None:
        metrics.LIVE_OPEN_CALLS.set(sum(map(len, self._partitions.values())))
