"""Room for audio that waits for the engine, shared by all calls of the process: when it is full, the log waits."""

import asyncio

from steno_transcriber.speech import SAMPLE_RATE, Utterance


class Room:
    """Bounds the audio that is held; the last one in may go over by the utterances of one record."""

    def __init__(self, seconds: float = 1200) -> None:
        """`seconds` of one channel: 64 kB of memory each."""
        self._most = int(seconds * SAMPLE_RATE)
        self._held = 0
        self._free = asyncio.Event()
        self._free.set()

    @property
    def full(self) -> bool:
        """Whether there is no room."""
        return not self._free.is_set()

    async def wait(self) -> None:
        """Return when there is room."""
        await self._free.wait()

    def enter(self, utterance: Utterance) -> None:
        """Hold an utterance."""
        self._held += len(utterance.samples)
        if self._held >= self._most:
            self._free.clear()

    def leave(self, utterance: Utterance) -> None:
        """Let go of an utterance."""
        self._held -= len(utterance.samples)
        if self._held < self._most:
            self._free.set()
