"""The reader of `call-audio` that every call goes through, whoever publishes it: it accounts for the call and keeps its audio.

Records are taken in memory; what follows from them is made safe together, some seconds' worth at a time: the pieces of audio,
the notes in the ledger, then the account, which says up to which offset that is so. Only what stands below the oldest record
that is not safe is committed, so whoever reads the partition next begins there, goes on from the accounts that were kept, and
comes to the same pieces and notes again.

| a record | what follows |
|---|---|
| of a call that is open | accounted for; its audio kept |
| that an account covers already | dropped: it was taken before the last crash or rebalance |
| that cannot be (see `unusable`) | to dead letters the first time in a call, afterwards counted only; too many fail the call |
| of another call by the id of one that is open (`CallReader.is_of`) | the same, and it counts nothing against that call |
| `CallStarted` | in the ledger, where it is not: an upstream system publishes the call |
| `CallEnded` | the call's audio is over; its recording is made |
"""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from steno.errors import Permanent
from steno.events.properties import PropertiesTooLarge
from steno.events.records import (
    MASKED_DIGIT,
    AudioChunk,
    AudioCodec,
    CallEnded,
    CallPaused,
    CallRecord,
    CallResumed,
    CallStarted,
    CallUpdated,
    DtmfPressed,
    RolesCorrected,
)
from steno.kafka.messages import Message
from steno.unusable_records import UnusableRecord
from steno_ingest.calls.ledger.account_rows import AccountRows
from steno_ingest.calls.ledger.call_ledger import KAFKA, CallLedger
from steno_ingest.calls.log.account.account import Account, Failure
from steno_ingest.calls.log.account.flush import Flusher
from steno_ingest.calls.log.account.open_call import OpenCall
from steno_ingest.calls.log.audio.pieces import PIECE_BYTES
from steno_ingest.calls.log.reading.errors import TooManyProperties, TooManyUpdates, UnknownCall, UnknownCodec
from steno_ingest.calls.log.reading.unknown_calls import UnknownCalls
from steno_ingest.calls.log.recording.recording_jobs import RecordingJobs
from steno_ingest.errors import CallAlreadyEnded, CallIdInUse, NotThere, Refused
from steno_ingest.metrics import CALL_RECORDS_UNUSABLE

log = structlog.get_logger("steno.ingest.call_log")

#: What is taken of a call is made safe after so long, or when there is a piece of it.
KEPT_AFTER_SECONDS = 30.0

_TELL_SECONDS = 5.0

INTERNAL = Failure("internal", "an internal error of ingest; its log and the dead letters have the details")


@dataclass(slots=True, kw_only=True)
class _Partition:
    """What is known of the calls of one partition."""

    calls: dict[str, OpenCall] = field(default_factory=dict)
    #: Everything below has been taken; None before the first record.
    next_offset: int | None = None
    told_at: float = 0.0


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
            flusher: Holds what was taken until it is safe.
            jobs: Makes the recordings of calls that have ended.
            record_calls: Whether audio is kept.
            one_way_seconds: How long others are heard before a silent channel is told.
            keep_digits: Whether it is kept which keys were pressed.
            clock: Seconds of a monotonic clock.
        """
        self._ledger = ledger
        self._accounts = accounts
        self._flusher = flusher
        self._jobs = jobs
        self._record_calls = record_calls
        self._one_way_seconds = one_way_seconds
        self._keep_digits = keep_digits
        self._clock = clock
        self._partitions: dict[int, _Partition] = {}
        self._unknown_calls = UnknownCalls(accounts)

    def open_calls(self, partition: int) -> list[OpenCall]:
        """The calls of a partition that have not ended; none where the partition is not ours."""
        found = self._partitions.get(partition)
        return [] if found is None else list(found.calls.values())

    @property
    def partitions(self) -> list[int]:
        """The partitions that are ours."""
        return list(self._partitions)

    async def open(self, partition: int) -> int | None:
        """Goes on from the accounts that were kept; the committed offset is where to begin."""
        kept = await self._accounts.unfinished(partition)
        now = self._clock()
        calls = {entry.call_id: OpenCall.kept(entry, now=now) for entry in kept if not entry.ended}
        self._partitions[partition] = _Partition(calls=calls)
        self._unknown_calls.forget()
        for entry in kept:
            if entry.ended:
                self._jobs.begin(entry)
        return None

    async def take(self, message: Message) -> None:
        """Accounts for one record.

        Raises:
            Permanent: the record belongs to no call as it stands.
            Retryable: a store or database is away.
        """
        partition = self._partitions[message.partition]
        # Behind one that was held, others were taken before it.
        partition.next_offset = max(message.offset, partition.next_offset or 0)
        record = message.record
        if type(record) is AudioChunk:
            call = partition.calls.get(record.call_id)
            if call is None:
                await self._unknown_calls.judge(record, message.offset)
            elif message.offset >= call.next_offset and not call.account.reader.is_of(record):
                call.taken(message.offset, call.taken_at)
                self._refuse_event(call, _of_another(record))
            elif message.offset >= call.next_offset:
                await self._flusher.make_room(call)
                call.account.written(message.timestamp)
                self._take_audio(call, record, message.offset)
        elif isinstance(record, CallRecord):
            await self._take_event_or_refuse(partition, record, message)
        partition.next_offset = max(message.offset + 1, partition.next_offset)

    async def give_up(self, message: Message, error: Exception) -> None:
        """A call of which a record could not be taken by a fault of ours: it fails; its audio is kept as far as it goes.

        Raises:
            Retryable: the database is away.
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
        """Makes safe what is due; the offset below which everything is.

        Raises:
            Retryable: a store or database is away; what was to be made safe is held on to.
        """
        found = self._partitions[partition]
        now = self._clock()
        await self._flusher.keep([call for call in found.calls.values() if _is_due(call, now)])
        ended = [call for call in found.calls.values() if call.account.ended]
        await self._tell(found, now, at_once=bool(ended))
        await self._tell_failures(found)
        for call in ended:
            del found.calls[call.account.call_id]
            self._unknown_calls.remember(call.account.call_id, call.next_offset)
            self._jobs.begin(call.to_keep())
        unkept = [call.unkept_from for call in found.calls.values() if call.unkept_from is not None]
        below = [*unkept, *(offset for offset in (found.next_offset, held_from) if offset is not None)]
        return min(below, default=None)

    async def close(self, partition: int) -> None:
        """Forgets the calls of a partition; recordings that are being made are left to whoever has it next."""
        found = self._partitions.pop(partition, _Partition())
        self._flusher.release(list(found.calls.values()))
        await self._jobs.abandon(partition)

    def _take_audio(self, call: OpenCall, chunk: AudioChunk, offset: int) -> None:
        if call.account.failure is not None:
            CALL_RECORDS_UNUSABLE.labels(call.account.failure.error).inc()
            call.taken(offset, call.taken_at)
            return
        try:
            heard = call.account.take(chunk)
        except UnusableRecord as error:
            # It does not count as a sign of life: a publisher of nothing but rubbish is inactive.
            call.taken(offset, call.taken_at)
            self._refuse(call, error, chunk.position)
            return
        call.taken(offset, self._clock())
        if heard is not None and self._record_calls:
            self._flusher.hold(call, heard.position, heard.audio)

    async def _take_event_or_refuse(self, partition: _Partition, record: CallRecord, message: Message) -> None:
        try:
            await self._take_event(partition, record, message)
        except (Refused, UnknownCodec) as error:
            call = partition.calls.get(record.call_id)
            if call is None:
                await self._unknown_calls.refuse(record.call_id, error)
            elif message.offset >= call.next_offset:
                call.taken(message.offset, call.taken_at)
                self._refuse_event(call, error)

    async def _take_event(self, partition: _Partition, record: CallRecord, message: Message) -> None:
        call = partition.calls.get(record.call_id)
        kept = _is_kept(record, call)
        too_often = kept and call is not None and call.account.too_many_updates
        if isinstance(record, RolesCorrected) and not too_often:
            # The later correction counts whichever comes first, so it may come again at any time.
            await self._ledger.note_roles(record)
        if isinstance(record, CallStarted):
            if call is None or message.offset >= call.next_offset:
                await self._start(partition, record, message, known=call)
        elif call is None:
            if self._is_secret(record):
                CALL_RECORDS_UNUSABLE.labels(UnknownCall.error_class).inc()
            elif not isinstance(record, RolesCorrected):
                await self._unknown_calls.judge(record, message.offset)
        elif not call.account.reader.is_of(record):
            if self._is_secret(record):
                CALL_RECORDS_UNUSABLE.labels(CallIdInUse.error_class).inc()
            else:
                raise _of_another(record)
        elif message.offset >= call.next_offset:
            call.account.written(message.timestamp)
            refused: UnusableRecord | None = None
            if too_often:
                refused = TooManyUpdates(
                    f"call {record.call_id} was paused, updated and corrected {call.account.said} times already, more often "
                    "than it has had time for; the ledger is not told of this one"
                )
            elif isinstance(record, CallUpdated):
                refused = await self._update(record)
            elif call.foreign:
                await self._tell_gate(call.account, record)
            if isinstance(record, CallEnded):
                await self._tell_end(record.model_copy(update={"position": call.account.reader.end_of(record)}))
            # Nothing is awaited from here on: what was told is told again when that was cut short, and to no effect.
            call.taken(message.offset, self._clock())
            call.account.said += kept
            self._account_for(call, record)
            if refused is not None:
                self._refuse_event(call, refused)
            elif isinstance(record, CallUpdated):
                call.account.spoken(record.locale)

    def _is_secret(self, record: CallRecord) -> bool:
        """Whether a dead letter would keep what is not to be kept."""
        return isinstance(record, DtmfPressed) and not self._keep_digits

    async def _update(self, record: CallUpdated) -> UnusableRecord | None:
        try:
            await self._ledger.update(record.call_id, properties=record.properties, locale=record.locale)
        except PropertiesTooLarge as error:
            return TooManyProperties(str(error))
        return None

    async def _start(self, partition: _Partition, started: CallStarted, message: Message, *, known: OpenCall | None) -> None:
        """A call begins, or begins again: the ledger knows which, and refuses another one of the same id."""
        below = None if known is not None else await self._unknown_calls.accounted_below(started.call_id)
        if below is not None and message.offset < below:
            return
        foreign = await self._ledger.note_started(started) or (await self._ledger.call(started.call_id)).door == KAFKA
        if started.codec is AudioCodec.UNKNOWN:
            reason = "the audio of the call is in a codec that is not known; publish PCMU, PCMA or S16LE"
            await self._ledger.fail(started.call_id, reason=reason, error=UnknownCodec.error_class)
            raise UnknownCodec(reason)
        if known is None and below is None:
            call = partition.calls[started.call_id] = OpenCall.begun(
                started,
                one_way_seconds=self._one_way_seconds,
                partition=message.partition,
                offset=message.offset,
                foreign=foreign,
                now=self._clock(),
            )
            call.account.written(message.timestamp)
            self._unknown_calls.forget(started.call_id)

    async def _tell_gate(self, account: Account, record: CallRecord) -> None:
        """How an upstream system pauses its call; of a call with a door of ours, the door has told the ledger."""
        try:
            match record:
                case CallPaused() if account.reader.would_pause(record):
                    by, reason = record.requested_by or "publisher", record.reason
                    await self._ledger.set_paused(record.call_id, True, by=by, reason=reason)
                case CallResumed() if account.reader.would_resume(record):
                    await self._ledger.set_paused(record.call_id, False, by=record.requested_by or "publisher")
        except CallAlreadyEnded:
            log.info("call.told_after_end", call_id=record.call_id, record=type(record).__name__)

    def _account_for(self, call: OpenCall, record: CallRecord) -> None:
        account = call.account
        try:
            if isinstance(record, DtmfPressed):
                account.dtmf(record if self._keep_digits else record.model_copy(update={"digit": MASKED_DIGIT}))
            else:
                account.take(record)
        except UnusableRecord as error:
            self._refuse(call, error, account.position)

    async def _tell_end(self, ended: CallEnded) -> None:
        try:
            await self._ledger.audio_ended(ended)
        except NotThere:
            log.warning("call.ended_unknown", call_id=ended.call_id)

    def _refuse_event(self, call: OpenCall, error: Permanent) -> None:
        """The same of what the ledger does not take: somebody else may say it of the call, so it counts nothing against it."""
        CALL_RECORDS_UNUSABLE.labels(error.error_class).inc()
        if call.account.note_refused(error):
            raise error

    def _refuse(self, call: OpenCall, error: UnusableRecord, position: int) -> None:
        """Raises the first of its kind in a call, and counts the others."""
        CALL_RECORDS_UNUSABLE.labels(error.error_class).inc()
        if call.account.refuse(error, position):
            raise error

    async def _tell_failures(self, partition: _Partition) -> None:
        """Tells the ledger which calls failed."""
        for call_id, call in partition.calls.items():
            failure = call.account.failure
            if failure is not None and not call.failure_told:
                await self._ledger.fail(call_id, reason=failure.reason, error=failure.error)
                call.failure_told = True
                log.warning("call.failed", call_id=call_id, error_class=failure.error, reason=failure.reason)

    async def _tell(self, partition: _Partition, now: float, *, at_once: bool) -> None:
        """Tells the ledger how far calls were heard, those of the partition together."""
        if now - partition.told_at < _TELL_SECONDS and not at_once:
            return
        heard = {
            call_id: call.account.position
            for call_id, call in partition.calls.items()
            if call.account.position != call.told_position
        }
        if heard:
            await self._ledger.note_heard(heard)
        for call_id, position in heard.items():
            partition.calls[call_id].told_position = position
        partition.told_at = now


def _is_kept(record: CallRecord, call: OpenCall | None) -> bool:
    """Whether the ledger is told of a record at once, by a transaction of its own."""
    gate = isinstance(record, CallPaused | CallResumed) and call is not None and call.foreign
    return gate or isinstance(record, CallUpdated | RolesCorrected)


def _is_due(call: OpenCall, now: float) -> bool:
    """Whether what was taken of a call is to be made safe now."""
    if call.unkept_from is None:
        return False
    held = call.audio.held
    return (
        call.account.ended or bool(call.account.notes) or held >= PIECE_BYTES or now - call.unkept_since >= KEPT_AFTER_SECONDS
    )


def _of_another(record: CallRecord) -> CallIdInUse:
    """What is said of a record of another call that somebody began by the id of an open one."""
    return CallIdInUse(
        f"{type(record).__name__} is of another call by the id {record.call_id}, which is in use: give each call one of its own"
    )
