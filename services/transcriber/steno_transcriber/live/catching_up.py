"""Buffers a live call that comes faster than the engine transcribes it, and takes it from there as the engine has time.

| a record of a call | what follows |
|---|---|
| little of the call waits for the engine | it is heard at once; where too much of all calls waits, the log waits |
| the same, of a call that is ahead of its time (`LiveCall.ahead`) | the same, but the log does not wait for such calls |
| a minute of the call waits for the engine | it is put aside, and so are those that follow it |
| the call is ahead of its time, and five minutes of all such calls wait | the same |

What lies aside is heard in its order as soon as there is room: the call comes to the same utterances, later.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

import structlog

from steno.errors import Permanent
from steno_transcriber import metrics
from steno_transcriber.live.aside import Aside, Laid, TooFarAhead
from steno_transcriber.live.aside_budget import AsideBudget
from steno_transcriber.live.room import Room

log = structlog.get_logger("steno.transcriber.live")

SHARE_SECONDS = 60.0
"""Audio of one call that may wait for the engine."""

AHEAD_SECONDS = 300.0
"""Audio of all calls that are ahead of their time."""


class CatchingUp:
    """The share of one call."""

    def __init__(
        self,
        call_id: str,
        hear: Callable[[Laid], None],
        *,
        failed: Callable[[Permanent | None], None],
        room: Callable[[], Room],
        folder: Path | None,
        budget: AsideBudget,
    ) -> None:
        """
        Args:
            hear: Hears one record; it raises nothing.
            failed: Told why what lay aside is not heard, and lies there no more; None: a fault of ours.
            room: The room that the call shares with others just now.
            folder: Where what is put aside lies.
            budget: What all calls may have there.
        """
        self._call_id = call_id
        self._hear = hear
        self._failed = failed
        self._aside = Aside(call_id, folder, budget=budget, evicted=self._evicted)
        self._room = room
        #: The room for the call's own audio.
        self.share = Room(SHARE_SECONDS)
        self._afterwards: Callable[[], None] | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def first_offset(self) -> int | None:
        """Of the first record that lies aside; None where none does."""
        return self._aside.first_offset

    def put_aside(self, laid: Laid) -> None:
        """The record is heard later, and before any that follows it. Raises `TooFarAhead`."""
        self._aside.put(laid)
        metrics.LIVE_RECORDS_ASIDE.inc()
        self._afterwards = None
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    def once_done(self, work: Callable[[], None]) -> None:
        """Does something once nothing lies aside, unless more comes."""
        self._afterwards = work

    def stop(self) -> None:
        """What lies aside is not heard."""
        self._aside.clear()
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        try:
            await self._catch_up()
        except Exception:
            log.exception("live.failed_unexpectedly", call_id=self._call_id)
            self._task = None
            self._aside.clear()
            self._failed(None)

    def _evicted(self, error: TooFarAhead) -> None:
        self.stop()
        self._failed(error)

    async def _catch_up(self) -> None:
        while self._aside:
            await self.share.wait()
            await self._room().wait()
            if not self._aside:
                break
            self._hear(self._aside.take())
            # Others on the event loop are let in after each record: they are not so late.
            await asyncio.sleep(0)
        self._task = None
        if self._afterwards is not None:
            self._afterwards()
