"""The open calls of one partition of `call-audio`."""

from dataclasses import dataclass, field

from steno_ingest.calls.log.account.open_call import OpenCall


@dataclass(slots=True, kw_only=True)
class Partition:
    """The state of a partition while this process reads it."""

    calls: dict[str, OpenCall] = field(default_factory=dict)
    #: The offset below which everything is handled; None before the first record.
    next_offset: int | None = None
    #: When positions were last written to the ledger; seconds of a monotonic clock.
    reported_at: float = 0.0
