"""An open call in memory: its account, its unsaved audio, and the offset from which it is unsaved."""

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
    """The parts of a call that are saved together; the account last, since it implies that the others are saved."""

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
    #: Whether an upstream system publishes it.
    foreign: bool
    #: All records below this offset are in the account.
    next_offset: int
    #: Time of the last usable record; seconds of a monotonic clock.
    handled_at: float
    audio: UnsavedAudio = field(init=False)
    #: The offset of the first unsaved record; None if all are saved.
    unsaved_from: int | None = None
    unsaved_since: float = 0.0
    #: Whether its failure is in the ledger.
    failure_reported: bool = False
    #: The last position written to the ledger.
    reported_position: int = 0
    #: The maximum length of a recording, in samples.
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
        """Makes a call from its `CallStarted` at an offset."""
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
        """Restores a call from its saved account."""
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
        """Counts a record that the ledger refused, and raises the error if it is the first of its kind.

        Another publisher may have sent it, so it does not count against the call.
        """
        CALL_RECORDS_UNUSABLE.labels(error.error_class).inc()
        if self.account.note_refused(error):
            raise error

    def mark_handled(self, offset: int, now: float) -> None:
        """Records that the record at an offset is in the account."""
        self.handled_at = now
        self.next_offset = offset + 1
        if self.unsaved_from is None:
            self.unsaved_from, self.unsaved_since = offset, now

    def to_save(self) -> SavedAccount:
        """Makes the saved form of its account."""
        return SavedAccount(
            call_id=self.account.call_id,
            partition=self.partition,
            next_offset=self.next_offset,
            foreign=self.foreign,
            ended=self.account.ended,
            account=self.account.to_json(),
        )

    def begin_flush(self) -> Batch:
        """Returns everything unsaved, which the call no longer holds."""
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
        """Takes back a batch that could not be saved."""
        self.audio.put_back(batch.pieces)
        self.account.notes = [*batch.notes, *self.account.notes]
        self.unsaved_from, self.unsaved_since = batch.unsaved_from, batch.unsaved_since
