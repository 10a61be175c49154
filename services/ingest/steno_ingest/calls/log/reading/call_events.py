"""Applies the records of a call other than audio: start, gaps, pauses, updates, keys, roles and the end."""

from collections.abc import Callable

import structlog

from steno.events.properties import PropertiesTooLarge
from steno.events.records import (
    MASKED_DIGIT,
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
from steno_ingest.calls.ledger.call_ledger import CallLedger
from steno_ingest.calls.ledger.call_starts import KAFKA
from steno_ingest.calls.log.account.account import Account
from steno_ingest.calls.log.account.open_call import OpenCall
from steno_ingest.calls.log.reading.errors import TooManyProperties, TooManyUpdates, UnknownCall, UnknownCodec
from steno_ingest.calls.log.reading.partition import Partition
from steno_ingest.calls.log.reading.unknown_calls import UnknownCalls
from steno_ingest.errors import CallAlreadyEnded, CallIdInUse, NotThere, Refused
from steno_ingest.metrics import CALL_RECORDS_UNUSABLE

log = structlog.get_logger("steno.ingest.call_log")


class CallEvents:
    """Applies such records to the ledger and to the account of the call. Repetitions have no effect."""

    def __init__(
        self,
        *,
        ledger: CallLedger,
        unknown_calls: UnknownCalls,
        one_way_seconds: int,
        keep_digits: bool,
        clock: Callable[[], float],
    ) -> None:
        """See `steno_ingest.calls.log.reading.call_log.CallLog`."""
        self._ledger = ledger
        self._unknown_calls = unknown_calls
        self._one_way_seconds = one_way_seconds
        self._keep_digits = keep_digits
        self._clock = clock

    async def apply(self, partition: Partition, record: CallRecord, message: Message) -> None:
        """Applies one record.

        Raises:
            Permanent: the record does not fit its call, or there is no such call.
            Retryable: a store or database is unreachable.
        """
        try:
            await self._apply(partition, record, message)
        except (Refused, UnknownCodec) as error:
            call = partition.calls.get(record.call_id)
            if call is None:
                await self._unknown_calls.refuse(record.call_id, error)
            elif message.offset >= call.next_offset:
                call.mark_handled(message.offset, call.handled_at)
                call.refuse_event(error)

    async def _apply(self, partition: Partition, record: CallRecord, message: Message) -> None:
        call = partition.calls.get(record.call_id)
        is_update = _is_update(record, call)
        refused_as_update = is_update and call is not None and call.account.updates_exceeded
        if isinstance(record, RolesCorrected) and not refused_as_update:
            # The correction with the later time wins, so corrections may be repeated at any time.
            await self._ledger.note_roles(record)
        if isinstance(record, CallStarted):
            if call is None or message.offset >= call.next_offset:
                await self._start(partition, record, message, known=call)
        elif call is None:
            if self._is_secret(record):
                CALL_RECORDS_UNUSABLE.labels(UnknownCall.error_class).inc()
            elif not isinstance(record, RolesCorrected):
                await self._unknown_calls.check(record, message.offset)
        elif not call.account.reader.is_of(record):
            if self._is_secret(record):
                CALL_RECORDS_UNUSABLE.labels(CallIdInUse.error_class).inc()
            else:
                raise of_another_call(record)
        elif message.offset >= call.next_offset:
            await self._apply_to_open(call, record, message, is_update=is_update, exceeded=refused_as_update)

    async def _apply_to_open(
        self, call: OpenCall, record: CallRecord, message: Message, *, is_update: bool, exceeded: bool
    ) -> None:
        call.account.advance_clock(message.timestamp)
        refused: UnusableRecord | None = None
        if exceeded:
            refused = TooManyUpdates(
                f"call {record.call_id} was paused, updated and corrected {call.account.update_count} times already, which is "
                "too often for its duration; the ledger ignores this record"
            )
        elif isinstance(record, CallUpdated):
            refused = await self._update(record)
        elif call.foreign:
            await self._set_paused(call.account, record)
        if isinstance(record, CallEnded):
            await self._end(record.model_copy(update={"position": call.account.reader.end_of(record)}))
        # There is no await from here on. If it was cancelled before this line, the ledger gets the same again, without effect.
        call.mark_handled(message.offset, self._clock())
        call.account.update_count += is_update
        self._account_for(call, record)
        if refused is not None:
            call.refuse_event(refused)
        elif isinstance(record, CallUpdated):
            call.account.set_language(record.locale)

    async def _start(self, partition: Partition, started: CallStarted, message: Message, *, known: OpenCall | None) -> None:
        """Starts a call. The ledger accepts a repeated start, and refuses another call with the same id."""
        below = None if known is not None else await self._unknown_calls.accounted_below(started.call_id)
        if below is not None and message.offset < below:
            return
        foreign = await self._ledger.note_started(started) or (await self._ledger.call(started.call_id)).door == KAFKA
        if started.codec is AudioCodec.UNKNOWN:
            reason = "the codec of the call's audio is not known; publish PCMU, PCMA or S16LE"
            await self._ledger.fail(started.call_id, reason=reason, error=UnknownCodec.error_class)
            raise UnknownCodec(reason)
        if known is None and below is None:
            call = partition.calls[started.call_id] = OpenCall.from_start(
                started,
                one_way_seconds=self._one_way_seconds,
                partition=message.partition,
                offset=message.offset,
                foreign=foreign,
                now=self._clock(),
            )
            call.account.advance_clock(message.timestamp)
            self._unknown_calls.forget(started.call_id)

    async def _update(self, record: CallUpdated) -> UnusableRecord | None:
        try:
            await self._ledger.update(record.call_id, properties=record.properties, locale=record.locale)
        except PropertiesTooLarge as error:
            return TooManyProperties(str(error))
        return None

    async def _set_paused(self, account: Account, record: CallRecord) -> None:
        """Writes pauses of an upstream system's call to the ledger; for other calls their host has done so."""
        try:
            match record:
                case CallPaused() if account.reader.would_pause(record):
                    by, reason = record.requested_by or "publisher", record.reason
                    await self._ledger.set_paused(record.call_id, True, by=by, reason=reason)
                case CallResumed() if account.reader.would_resume(record):
                    await self._ledger.set_paused(record.call_id, False, by=record.requested_by or "publisher")
        except CallAlreadyEnded:
            log.info("call.record_after_end", call_id=record.call_id, record=type(record).__name__)

    async def _end(self, ended: CallEnded) -> None:
        try:
            await self._ledger.end_audio(ended)
        except NotThere:
            log.warning("call.ended_unknown", call_id=ended.call_id)

    def _account_for(self, call: OpenCall, record: CallRecord) -> None:
        account = call.account
        try:
            if isinstance(record, DtmfPressed):
                account.apply_dtmf(record if self._keep_digits else record.model_copy(update={"digit": MASKED_DIGIT}))
            else:
                account.apply(record)
        except UnusableRecord as error:
            call.refuse(error, account.position)

    def _is_secret(self, record: CallRecord) -> bool:
        """Whether a record must not be stored, not even as a dead letter."""
        return isinstance(record, DtmfPressed) and not self._keep_digits


def _is_update(record: CallRecord, call: OpenCall | None) -> bool:
    """Whether a record is written to the ledger immediately, in its own transaction."""
    pauses = isinstance(record, CallPaused | CallResumed) and call is not None and call.foreign
    return pauses or isinstance(record, CallUpdated | RolesCorrected)


def of_another_call(record: CallRecord) -> CallIdInUse:
    """Makes the error for a record of another call with the id of an open one."""
    return CallIdInUse(
        f"{type(record).__name__} is of another call with the id {record.call_id}, which is in use; give each call its own id"
    )
