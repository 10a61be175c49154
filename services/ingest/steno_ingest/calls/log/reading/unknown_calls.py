"""Checks the records of calls that are not open because they have ended or never started."""

from dataclasses import dataclass, field

from steno.errors import Permanent
from steno.events.records import AudioChunk, CallRecord
from steno.unusable_records import AfterTheEnd, UnusableRecord
from steno_ingest.calls.ledger.account_rows import AccountRows
from steno_ingest.calls.log.reading.errors import UnknownCall
from steno_ingest.metrics import CALL_RECORDS_UNUSABLE

_REMEMBERED = 10_000


@dataclass(slots=True, kw_only=True)
class _Known:
    """A call that is not open."""

    #: The offset below which its records are in its account; None: the call never started.
    accounted_below: int | None
    #: The error classes for which a record of it went to dead letters.
    refused_for: set[str] = field(default_factory=set)


class UnknownCalls:
    """Counts the records of calls that are not open, and sends the first of each kind to dead letters."""

    def __init__(self, accounts: AccountRows) -> None:
        self._accounts = accounts
        self._known: dict[str, _Known] = {}

    async def accounted_below(self, call_id: str) -> int | None:
        """Returns the offset up to which the account of an ended call goes; None if it never started.

        Raises `DatabaseUnavailable`.
        """
        return (await self._find(call_id)).accounted_below

    async def check(self, record: CallRecord, offset: int) -> None:
        """Counts a record, unless it is in the account already, or only late.

        Raises:
            UnusableRecord: it is the first of its kind in its call.
            DatabaseUnavailable: call it again.
        """
        below = await self.accounted_below(record.call_id)
        error: UnusableRecord
        if below is None:
            name = type(record).__name__
            error = UnknownCall(f"call {record.call_id} has not started: publish CallStarted before its first {name}")
        elif offset < below or not isinstance(record, AudioChunk):
            return
        else:
            error = AfterTheEnd(f"call {record.call_id} has ended; audio came after its end")
        await self.refuse(record.call_id, error)

    async def refuse(self, call_id: str, error: Permanent) -> None:
        """Counts an unusable record, and raises the error if it is the first of its kind in its call.

        Raises:
            DatabaseUnavailable: call it again.
        """
        refused_for = (await self._find(call_id)).refused_for
        CALL_RECORDS_UNUSABLE.labels(error.error_class).inc()
        if error.error_class not in refused_for:
            refused_for.add(error.error_class)
            raise error

    def remember(self, call_id: str, accounted_below: int) -> None:
        """Records that a call has ended, and the offset up to which its account goes."""
        self._add(call_id, _Known(accounted_below=accounted_below))

    def forget(self, call_id: str | None = None) -> None:
        """Forgets a call that has started; or (None) all calls, since another process may have had them meanwhile."""
        if call_id is None:
            self._known.clear()
        else:
            self._known.pop(call_id, None)

    async def _find(self, call_id: str) -> _Known:
        known = self._known.get(call_id)
        if known is None:
            # A call whose id contains a NUL was refused at its start, and PostgreSQL cannot query such an id.
            saved = None if "\0" in call_id else await self._accounts.find(call_id)
            known = self._add(call_id, _Known(accounted_below=None if saved is None else saved.next_offset))
        return known

    def _add(self, call_id: str, known: _Known) -> _Known:
        if len(self._known) >= _REMEMBERED:
            del self._known[next(iter(self._known))]
        self._known[call_id] = known
        return known
