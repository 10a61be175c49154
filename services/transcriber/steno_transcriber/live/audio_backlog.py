"""Bounds audio that waits for the engine: of one call, or of all calls of the process."""

import asyncio

from steno_transcriber.speech import SAMPLE_RATE, Samples


class AudioBacklog:
    """Counts the waiting audio; it may exceed the bound by the audio of one record."""

    def __init__(self, seconds: float = 1200) -> None:
        """`seconds` is the bound, for one channel; a second takes 64 kB of memory."""
        self._most = int(seconds * SAMPLE_RATE)
        self._held = 0
        self._free = asyncio.Event()
        self._free.set()
        self._less: asyncio.Future[None] | None = None

    @property
    def full(self) -> bool:
        """Whether no more audio may wait."""
        return not self._free.is_set()

    @property
    def seconds(self) -> float:
        """How many seconds of audio wait."""
        return self._held / SAMPLE_RATE

    async def wait(self) -> None:
        """Return when more audio may wait."""
        await self._free.wait()

    def less(self) -> asyncio.Future[None]:
        """A shared future that is done once less audio waits than now. It must not be cancelled."""
        if self._less is None:
            self._less = asyncio.get_running_loop().create_future()
        return self._less

    def enter(self, samples: Samples) -> None:
        """Count audio that begins to wait."""
        self._held += samples.size
        if self._held >= self._most:
            self._free.clear()

    def leave(self, samples: Samples) -> None:
        """Count audio that waits no longer."""
        self._held -= samples.size
        if self._less is not None:
            self._less.set_result(None)
            self._less = None
        if self._held < self._most:
            self._free.set()
