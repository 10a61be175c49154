"""A session of the live engine for one call: its stretches of audio, one after the other. Used on one event loop.

A gap in the audio ends a stretch: the service answers all of it, and the next audio begins another one, whose times count from
its own beginning. So does a call on hold: a stream to which nothing is sent for long would be ended by the service, and takes a
place that another call needs.
"""

import asyncio
from collections.abc import AsyncIterator

from steno.errors import StenoError
from steno.events.recognition import RecognitionOptions
from steno_transcriber.azure.live_run import LiveRun, LiveShared
from steno_transcriber.engines.port import Answer, CallAudio, PartialAnswer

IDLE_SECONDS = 20.0
"""Without audio for so long a stretch ends."""

MOST_ANSWERS = 500
"""With so many answers unread no audio is sent, and no hypothesis is kept."""


class LiveSession:
    """See `CallSession`."""

    def __init__(self, shared: LiveShared, *, channels: int, options: RecognitionOptions) -> None:
        self._shared = shared
        self._channels = channels
        self._options = options
        self._unread: asyncio.Queue[Answer | StenoError | None] = asyncio.Queue()
        self._run: LiveRun | None = None
        self._end = 0
        self._error: StenoError | None = None
        self._closed = self._held = False
        self._idle: asyncio.TimerHandle | None = None

    async def send(self, audio: CallAudio) -> None:
        """See `CallSession`; waits while there is no place for another stream."""
        self._stop_idling()
        if self._run is not None and (self._run.input_ended or audio.position != self._end):
            await self._finish_run()
        self._raise_if_lost()
        if self._run is None:
            await self._begin_run(audio.position)
        assert self._run is not None
        self._end = audio.end
        await self._run.send(audio.samples)
        self._raise_if_lost()
        if not self._closed:
            self._idle = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._run.end_input)

    async def finish(self) -> None:
        """See `CallSession`."""
        self._stop_idling()
        await self._finish_run()
        self._raise_if_lost()
        self._unread.put_nowait(None)

    async def answers(self) -> AsyncIterator[Answer]:
        """See `CallSession`."""
        while (answer := await self._unread.get()) is not None:
            if isinstance(answer, StenoError):
                raise answer
            if self._held and self._unread.qsize() < MOST_ANSWERS // 2:
                self._hold(False)
            yield answer

    async def close(self) -> None:
        """See `CallSession`. The streams end in the background."""
        if not self._closed:
            self._closed = True
            self._stop_idling()
            self._unread.put_nowait(None)
        if self._run is not None:
            self._run.close()

    async def _begin_run(self, position: int) -> None:
        run = LiveRun(
            self._shared,
            channels=self._channels,
            options=self._options,
            begin=position,
            answered=self._keep,
            lost=self._lose,
        )
        self._run = run
        await run.start()
        if self._closed:
            run.close()

    async def _finish_run(self) -> None:
        if self._run is not None:
            await self._run.finish()
            self._run = None

    def _keep(self, answer: Answer) -> None:
        if self._unread.qsize() >= MOST_ANSWERS:
            self._hold(True)
            if isinstance(answer, PartialAnswer):
                return
        self._unread.put_nowait(answer)

    def _hold(self, held: bool) -> None:
        self._held = held
        if self._run is not None:
            self._run.hold(held)

    def _lose(self, error: StenoError) -> None:
        self._error = error
        self._unread.put_nowait(error)

    def _raise_if_lost(self) -> None:
        if self._error is not None:
            raise self._error

    def _stop_idling(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
