"""What the call log holds of one call in memory: its account, its audio on the way into the object store, what is not safe."""

from dataclasses import dataclass, field

from steno.events.records import CallStarted
from steno_ingest.calls.ledger.account_rows import KeptAccount
from steno_ingest.calls.log.account.account import Account, Note
from steno_ingest.calls.log.audio.pieces import Span, UnsavedAudio
from steno_ingest.calls.log.audio.wave_file import most_samples


@dataclass(slots=True, kw_only=True)
class Batch:
    """What of a call is made safe together; its account last, since it says that the rest is."""

    pieces: list[tuple[Span, bytes]]
    notes: list[Note]
    account: KeptAccount
    unkept_from: int
    unkept_since: float


@dataclass(slots=True, kw_only=True)
class OpenCall:
    """A call whose end was not dealt with yet."""

    account: Account
    partition: int
    #: Whether an upstream system publishes it, and none of our doors has it.
    foreign: bool
    #: What stands on the log below this offset is accounted for.
    next_offset: int
    #: When something of it was last taken; seconds of a monotonic clock.
    taken_at: float
    audio: UnsavedAudio = field(init=False)
    #: Of the first record whose effects are not kept; None where all are.
    unkept_from: int | None = None
    unkept_since: float = 0.0
    #: Whether the ledger has been told that it failed.
    failure_told: bool = False
    #: How far the ledger has been told that it was heard.
    told_position: int = 0
    #: Behind this sample a recording can hold no more.
    most_samples: int = field(init=False)

    def __post_init__(self) -> None:
        shape = self.account.shape
        self.audio = UnsavedAudio(shape)
        self.most_samples = most_samples(shape.codec, shape.channels)
        self.told_position = self.account.position

    @classmethod
    def begun(
        cls,
        started: CallStarted,
        *,
        one_way_seconds: int,
        partition: int,
        offset: int,
        foreign: bool,
        now: float,
    ) -> "OpenCall":
        """A call whose start stands at this offset."""
        account = Account(
            call_id=started.call_id,
            codec=started.codec,
            sample_rate=started.sample_rate,
            channel_count=len(started.channels),
            one_way_seconds=one_way_seconds,
            locale=started.locale,
            writer=started.writer,
        )
        call = cls(account=account, partition=partition, foreign=foreign, next_offset=offset, taken_at=now)
        call.taken(offset, now)
        return call

    @classmethod
    def kept(cls, kept: KeptAccount, *, now: float) -> "OpenCall":
        """A call that goes on from what was kept of it."""
        return cls(
            account=Account.restored(kept.account),
            partition=kept.partition,
            foreign=kept.foreign,
            next_offset=kept.next_offset,
            taken_at=now,
        )

    def taken(self, offset: int, now: float) -> None:
        """The record at this offset has been accounted for."""
        self.taken_at = now
        self.next_offset = offset + 1
        if self.unkept_from is None:
            self.unkept_from, self.unkept_since = offset, now

    def to_keep(self) -> KeptAccount:
        """Its account as it is kept."""
        return KeptAccount(
            call_id=self.account.call_id,
            partition=self.partition,
            next_offset=self.next_offset,
            foreign=self.foreign,
            ended=self.account.ended,
            account=self.account.kept(),
        )

    def batch(self) -> Batch:
        """Hands over what is to be made safe; nothing of it is held here from then on."""
        assert self.unkept_from is not None
        notes, self.account.notes = self.account.notes, []
        batch = Batch(
            pieces=self.audio.take(),
            notes=notes,
            account=self.to_keep(),
            unkept_from=self.unkept_from,
            unkept_since=self.unkept_since,
        )
        self.unkept_from = None
        return batch

    def take_back(self, batch: Batch) -> None:
        """What was handed over is not safe; it is held again."""
        self.audio.put_back(batch.pieces)
        self.account.notes = [*batch.notes, *self.account.notes]
        self.unkept_from, self.unkept_since = batch.unkept_from, batch.unkept_since
