"""Removes objects that killed processes left in the store, and accounts of calls that nothing refers to any more."""

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
#: No upload takes as long as that, whichever instance it comes in by.
LONGEST_UPLOAD = timedelta(days=1)
#: The log of a call is gone by then, so nothing of it is read again.
OLDEST_ACCOUNT = timedelta(days=7)


class Sweeper(PeriodicWork):
    """Looks for them at the start and each hour."""

    def __init__(self, objects: ObjectStore, accounts: AccountRows) -> None:
        super().__init__(
            self.sweep,
            every_seconds=_EVERY_SECONDS,
            failed=lambda error: log.warning("objects.not_swept", reason=str(error)),
        )
        self._objects = objects
        self._accounts = accounts

    async def sweep(self) -> None:
        """Looks once. Raises `StoreUnavailable`, `DatabaseUnavailable`."""
        for prefix, oldest in ((UPLOADS, LONGEST_UPLOAD), (CALL_AUDIO_PREFIX, OLDEST_PIECE)):
            if removed := await self._objects.sweep(prefix, older_than=oldest):
                log.info("objects.swept", prefix=prefix, removed=removed)
        if forgotten := await self._accounts.delete(finished_before=now() - OLDEST_ACCOUNT):
            log.info("accounts.swept", removed=forgotten)
