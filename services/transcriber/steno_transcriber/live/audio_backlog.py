"""Bounds audio that waits for the engine: of one call, or of all calls of the process."""

import asyncio

from steno_transcriber.speech import SAMPLE_RATE, Samples


class AudioBacklog:
    """Counts the audio that waits; the last to enter may go over the bound by what one record holds."""

    def __init__(self, seconds: float = 1200) -> None:
        """`seconds` of one channel: 64 kB of memory each."""
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
        """How much is held."""
        return self._held / SAMPLE_RATE

    async def wait(self) -> None:
        """Return when more audio may wait."""
        await self._free.wait()

    def less(self) -> asyncio.Future[None]:
        """Done once less is held than now. Not to be cancelled: it is everybody's."""
        if self._less is None:
            self._less = asyncio.get_running_loop().create_future()
        return self._less

    def enter(self, samples: Samples) -> None:
        """Hold audio."""
        self._held += samples.size
        if self._held >= self._most:
            self._free.clear()

    def leave(self, samples: Samples) -> None:
        """Let go of audio."""
        self._held -= samples.size
        if self._less is not None:
            self._less.set_result(None)
            self._less = None
        if self._held < self._most:
            self._free.set()
