"""Records of calls that are not open, because they have ended or never started."""

from dataclasses import dataclass, field

from steno.errors import Permanent
from steno.events.records import AudioChunk, CallRecord
from steno.unusable_records import AfterTheEnd, UnusableRecord
from steno_ingest.calls.ledger.account_rows import AccountRows
from steno_ingest.calls.log.reading.errors import UnknownCall
from steno_ingest.metrics import CALL_RECORDS_UNUSABLE

_REMEMBERED = 10_000


@dataclass(slots=True, kw_only=True)
class _UnknownCall:
    """One of them."""

    #: What stands on the log below this offset was accounted for; None: the call never started.
    accounted_below: int | None
    #: For what records of it were put aside already.
    told: set[str] = field(default_factory=set)


class UnknownCalls:
    """Judges the records of calls that are not open: the first of each kind goes to dead letters, the others are counted."""

    def __init__(self, accounts: AccountRows) -> None:
        self._accounts = accounts
        self._known: dict[str, _UnknownCall] = {}

    async def accounted_below(self, call_id: str) -> int | None:
        """Where the account of a call that has ended goes to; None where there never was one. Raises `DatabaseUnavailable`."""
        return (await self._find(call_id)).accounted_below

    async def judge(self, record: CallRecord, offset: int) -> None:
        """Counts what is wrong with a record.

        Raises:
            UnusableRecord: it is the first of its kind of its call.
            DatabaseUnavailable: to be called again.
        """
        unknown = await self._find(record.call_id)
        name, below = type(record).__name__, unknown.accounted_below
        error: UnusableRecord
        if below is None:
            error = UnknownCall(f"call {record.call_id} has not started: publish CallStarted before its first {name}")
        elif offset < below or not isinstance(record, AudioChunk):
            return
        else:
            error = AfterTheEnd(f"call {record.call_id} has ended; audio came after its end")
        await self.refuse(record.call_id, error)

    async def refuse(self, call_id: str, error: Permanent) -> None:
        """Counts a record that cannot be used, and raises the first of its kind. Raises `DatabaseUnavailable`, too."""
        told = (await self._find(call_id)).told
        CALL_RECORDS_UNUSABLE.labels(error.error_class).inc()
        if error.error_class not in told:
            told.add(error.error_class)
            raise error

    def remember(self, call_id: str, accounted_below: int) -> None:
        """A call has ended, and is accounted for up to there."""
        self._keep(call_id, _UnknownCall(accounted_below=accounted_below))

    def forget(self, call_id: str | None = None) -> None:
        """A call has started; or (None) others may have dealt with calls meanwhile."""
        if call_id is None:
            self._known.clear()
        else:
            self._known.pop(call_id, None)

    async def _find(self, call_id: str) -> _UnknownCall:
        unknown = self._known.get(call_id)
        if unknown is None:
            # Such an id was refused at the start of its call, and PostgreSQL cannot even be asked for it.
            kept = None if "\0" in call_id else await self._accounts.find(call_id)
            unknown = self._keep(call_id, _UnknownCall(accounted_below=None if kept is None else kept.next_offset))
        return unknown

    def _keep(self, call_id: str, unknown: _UnknownCall) -> _UnknownCall:
        if len(self._known) >= _REMEMBERED:
            del self._known[next(iter(self._known))]
        self._known[call_id] = unknown
        return unknown
