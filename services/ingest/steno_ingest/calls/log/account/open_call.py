"""An open call in memory: its account, its audio that is not in the object store yet, and from where it is unsaved."""

from dataclasses import dataclass, field

from steno.errors import Permanent
from steno.events.records import CallStarted
from steno.unusable_records import UnusableRecord
from steno_ingest.calls.ledger.account_rows import SavedAccount
from steno_ingest.calls.log.account.account import Account, Note
from steno_ingest.calls.log.audio.pieces import Span, UnsavedAudio
from steno_ingest.calls.log.audio.wave_file import max_samples
from steno_ingest.metrics import CALL_RECORDS_UNUSABLE


@dataclass(slots=True, kw_only=True)
class Batch:
    """What is saved of a call together; its account last, since that says that the rest is saved."""

    pieces: list[tuple[Span, bytes]]
    notes: list[Note]
    account: SavedAccount
    unsaved_from: int
    unsaved_since: float


@dataclass(slots=True, kw_only=True)
class OpenCall:
    """A call whose end was not handled yet."""

    account: Account
    partition: int
    #: Whether an upstream system publishes it, and none of our doors has it.
    foreign: bool
    #: Records below this offset are accounted for.
    next_offset: int
    #: When a usable record of it was last handled; seconds of a monotonic clock.
    handled_at: float
    audio: UnsavedAudio = field(init=False)
    #: The offset of the first record that is not saved; None where all are.
    unsaved_from: int | None = None
    unsaved_since: float = 0.0
    #: Whether the ledger has been told that it failed.
    failure_reported: bool = False
    #: The position that the ledger was told last.
    reported_position: int = 0
    #: A recording holds no more samples than this.
    max_samples: int = field(init=False)

    def __post_init__(self) -> None:
        shape = self.account.shape
        self.audio = UnsavedAudio(shape)
        self.max_samples = max_samples(shape.codec, shape.channels)
        self.reported_position = self.account.position

    @classmethod
    def from_start(
        cls,
        started: CallStarted,
        *,
        one_way_seconds: int,
        partition: int,
        offset: int,
        foreign: bool,
        now: float,
    ) -> "OpenCall":
        """A call whose `CallStarted` is at this offset."""
        account = Account(
            call_id=started.call_id,
            codec=started.codec,
            sample_rate=started.sample_rate,
            channel_count=len(started.channels),
            one_way_seconds=one_way_seconds,
            locale=started.locale,
            recognition=started.recognition,
            writer=started.writer,
        )
        call = cls(account=account, partition=partition, foreign=foreign, next_offset=offset, handled_at=now)
        call.mark_handled(offset, now)
        return call

    @classmethod
    def from_saved(cls, saved: SavedAccount, *, now: float) -> "OpenCall":
        """A call that continues from its saved account."""
        return cls(
            account=Account.from_json(saved.account),
            partition=saved.partition,
            foreign=saved.foreign,
            next_offset=saved.next_offset,
            handled_at=now,
        )

    def refuse(self, error: UnusableRecord, position: int) -> None:
        """Counts a record that does not fit the call, and raises the error if it is the first of its kind."""
        CALL_RECORDS_UNUSABLE.labels(error.error_class).inc()
        if self.account.count_unusable(error, position):
            raise error

    def refuse_event(self, error: Permanent) -> None:
        """The same for what the ledger refuses: another publisher may say it of the call, so it does not count against it."""
        CALL_RECORDS_UNUSABLE.labels(error.error_class).inc()
        if self.account.note_refused(error):
            raise error

    def mark_handled(self, offset: int, now: float) -> None:
        """Notes that the record at this offset is accounted for."""
        self.handled_at = now
        self.next_offset = offset + 1
        if self.unsaved_from is None:
            self.unsaved_from, self.unsaved_since = offset, now

    def to_save(self) -> SavedAccount:
        """Its account as it is saved."""
        return SavedAccount(
            call_id=self.account.call_id,
            partition=self.partition,
            next_offset=self.next_offset,
            foreign=self.foreign,
            ended=self.account.ended,
            account=self.account.to_json(),
        )

    def begin_flush(self) -> Batch:
        """Hands over what is to be saved; none of it is held here from then on."""
        assert self.unsaved_from is not None
        notes, self.account.notes = self.account.notes, []
        batch = Batch(
            pieces=self.audio.drain(),
            notes=notes,
            account=self.to_save(),
            unsaved_from=self.unsaved_from,
            unsaved_since=self.unsaved_since,
        )
        self.unsaved_from = None
        return batch

    def revert_flush(self, batch: Batch) -> None:
        """Holds again what was handed over and could not be saved."""
        self.audio.put_back(batch.pieces)
        self.account.notes = [*batch.notes, *self.account.notes]
        self.unsaved_from, self.unsaved_since = batch.unsaved_from, batch.unsaved_since
