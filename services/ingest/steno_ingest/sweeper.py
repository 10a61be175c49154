"""Deletes objects that killed processes left in the store, and old accounts of calls."""

from datetime import timedelta

import structlog

from steno.background import PeriodicWork
from steno.storage.objects import ObjectStore
from steno_ingest.calls.ledger.account_rows import AccountRows
from steno_ingest.calls.log.audio.piece_store import CALL_AUDIO_PREFIX, OLDEST_PIECE
from steno_ingest.outbox import now
from steno_ingest.recordings.intake import UPLOADS

log = structlog.get_logger("steno.ingest.sweeper")

_EVERY_SECONDS = 3600.0
#: Longer than any upload takes.
LONGEST_UPLOAD = timedelta(days=1)
#: By then Kafka has deleted the log of a call, so it is not read again.
OLDEST_ACCOUNT = timedelta(days=7)


class Sweeper(PeriodicWork):
    """Deletes them at the start and every hour."""

    def __init__(self, objects: ObjectStore, accounts: AccountRows) -> None:
        super().__init__(
            self.sweep,
            every_seconds=_EVERY_SECONDS,
            failed=lambda error: log.warning("objects.not_swept", reason=str(error)),
        )
        self._objects = objects
        self._accounts = accounts

    async def sweep(self) -> None:
        """Deletes them once. Raises `StoreUnavailable`, `DatabaseUnavailable`."""
        for prefix, oldest in ((UPLOADS, LONGEST_UPLOAD), (CALL_AUDIO_PREFIX, OLDEST_PIECE)):
            if removed := await self._objects.sweep(prefix, older_than=oldest):
                log.info("objects.swept", prefix=prefix, removed=removed)
        if forgotten := await self._accounts.delete(finished_before=now() - OLDEST_ACCOUNT):
            log.info("accounts.swept", removed=forgotten)
