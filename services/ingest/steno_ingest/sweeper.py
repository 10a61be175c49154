"""Removes what an ingest that was killed in the middle of an upload left in the object store."""

import asyncio
from datetime import timedelta

import structlog

from steno.errors import Retryable
from steno.storage.objects import ObjectStore
from steno_ingest.intake import UPLOADS

log = structlog.get_logger("steno.ingest.sweeper")

_EVERY_SECONDS = 3600.0
#: No upload takes as long as that, whichever instance it comes in by.
LONGEST_UPLOAD = timedelta(days=1)


class Sweeper:
    """Looks for abandoned uploads, at the start and each hour."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects
        self._stopping = asyncio.Event()

    async def run(self) -> None:
        """Works until `stop`."""
        stopping = asyncio.create_task(self._stopping.wait())
        while not stopping.done():
            try:
                if removed := await self._objects.sweep(UPLOADS, older_than=LONGEST_UPLOAD):
                    log.info("uploads.swept", removed=removed)
            except Retryable as error:
                log.warning("uploads.not_swept", reason=str(error))
            await asyncio.wait({stopping}, timeout=_EVERY_SECONDS)

    async def stop(self) -> None:
        """Has `run` return."""
        self._stopping.set()
