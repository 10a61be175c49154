"""Buffers the records of a live call that come faster than they are transcribed, and handles them when the engine has time.

| a record of a call | what follows |
|---|---|
| nothing of the call waits for the engine | it is heard at once |
| something waits, and there is room among the calls that keep up | the same |
| the call is behind, and there is room among the calls that are | the same |
| there is no room, or a minute of the call waits | it is buffered, and so are those that follow it |

A call is behind if it comes faster than it is spoken (`LiveCall.hurried`, `LiveCall.ahead`), or if several seconds of it wait.
What is buffered is heard in its order as soon as there is room: the call comes to the same utterances, later.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

import structlog

from steno.errors import Permanent
from steno_transcriber import metrics
from steno_transcriber.decode_pool import Urgency
from steno_transcriber.live.audio_backlog import AudioBacklog
from steno_transcriber.live.buffer_budget import BufferBudget
from steno_transcriber.live.call import LiveCall
from steno_transcriber.live.record_buffer import BufferedRecord, RecordBuffer, TooFarAhead
from steno_transcriber.speech import Samples

log = structlog.get_logger("steno.transcriber.live")

SHARE_SECONDS = 60.0
"""Audio of one call that may wait for the engine."""

BEHIND_SECONDS = 5.0
"""With more than this waiting, a call has no room among those that keep up."""

BEHIND_BACKLOG_SECONDS = 300.0
"""Audio that may wait for the engine of all calls that are behind."""


class CatchingUp:
    """Decides for one call whether a record is handled now or buffered, and handles the buffered ones later."""

    def __init__(
        self,
        call: LiveCall,
        hear: Callable[[BufferedRecord], None],
        *,
        failed: Callable[[Permanent | None], None],
        backlog: AudioBacklog,
        late_backlog: AudioBacklog,
        folder: Path | None,
        budget: BufferBudget,
    ) -> None:
        """
        Args:
            hear: Hears one record; it raises nothing.
            failed: Told why what was buffered is not heard, and lies there no more; None: a fault of ours.
            backlog: Of all calls that keep up.
            late_backlog: Of all calls that are behind.
            folder: Where buffered records lie.
            budget: What all calls may have there.
        """
        self._call = call
        self._hear = hear
        self._failed = failed
        self._backlog = backlog
        self._late_backlog = late_backlog
        self._buffer = RecordBuffer(call.call_id, folder, budget=budget, ahead=lambda: call.ahead, evicted=self._evicted)
        self._share = AudioBacklog(SHARE_SECONDS)
        self._afterwards: Callable[[], None] | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def urgency(self) -> Urgency:
        """Of what is said now, among what is said elsewhere."""
        if self._call.ahead or (self._buffer and self._behind):
            return Urgency.RECORDING
        return Urgency.LATE if self._call.hurried else Urgency.FINAL

    @property
    def late(self) -> bool:
        """Whether nobody can follow the call now."""
        return bool(self._buffer) or self.urgency is not Urgency.FINAL

    @property
    def may_hear(self) -> bool:
        """Whether a record may be heard now; else it is to be buffered."""
        if self._share.full:
            return False
        return not self._share.seconds or not self._shared.full

    def enter(self, samples: Samples) -> tuple[AudioBacklog, ...]:
        """Audio waits for the engine from now on; gives the backlogs that it is to leave afterwards."""
        backlogs = self._share, self._shared
        for backlog in backlogs:
            backlog.enter(samples)
        return backlogs

    @property
    def first_offset(self) -> int | None:
        """Of the first record that is buffered; None where none is."""
        return self._buffer.first_offset

    def buffer(self, buffered: BufferedRecord) -> None:
        """The record is heard later, and before any that follows it. Raises `TooFarAhead`."""
        self._buffer.put(buffered)
        metrics.LIVE_RECORDS_BUFFERED.inc()
        self._afterwards = None
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    def once_done(self, work: Callable[[], None]) -> None:
        """Does something once nothing is buffered, unless more comes."""
        self._afterwards = work

    def stop(self) -> None:
        """What is buffered is not heard."""
        self._buffer.clear()
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        try:
            await self._catch_up()
        except Exception:
            log.exception("live.failed_unexpectedly", call_id=self._call.call_id)
            self._task = None
            self._buffer.clear()
            self._failed(None)

    def _evicted(self, error: TooFarAhead) -> None:
        self.stop()
        self._failed(error)

    @property
    def _behind(self) -> bool:
        return self._share.seconds > BEHIND_SECONDS or self._call.hurried or self._call.ahead

    @property
    def _shared(self) -> AudioBacklog:
        return self._late_backlog if self._behind else self._backlog

    async def _catch_up(self) -> None:
        while self._buffer:
            if not self.may_hear:
                await self._less_waits()
                continue
            self._hear(self._buffer.pop())
            # Others on the event loop are let in after each record: they are not so late.
            await asyncio.sleep(0)
        self._task = None
        if self._afterwards is not None:
            self._afterwards()

    async def _less_waits(self) -> None:
        """Returns when a record may be heard again, or perhaps."""
        less = self._share.less()
        if self._share.full:
            await asyncio.wait([less])
            return
        freed = asyncio.create_task(self._shared.wait())
        try:
            await asyncio.wait([less, freed], return_when=asyncio.FIRST_COMPLETED)
        finally:
            freed.cancel()
