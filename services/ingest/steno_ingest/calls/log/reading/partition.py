"""The open calls of one partition of `call-audio`."""

from dataclasses import dataclass, field

from steno_ingest.calls.log.account.open_call import OpenCall


@dataclass(slots=True, kw_only=True)
class Partition:
    """What is known of the calls of a partition while this process reads it."""

    calls: dict[str, OpenCall] = field(default_factory=dict)
    #: Everything below has been handled; None before the first record.
    next_offset: int | None = None
    #: When the ledger was last told how far its calls were heard; seconds of a monotonic clock.
    reported_at: float = 0.0
