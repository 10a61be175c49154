"""A test double of a recording engine: what `ScriptedCallEngine` would say of a recording that it reads by its URL."""

import asyncio
from collections.abc import Callable

from steno.events.recognition import RecognitionOptions
from steno_transcriber.engines.port import (
    CallAudio,
    EngineInfo,
    EngineUnavailable,
    FinalAnswer,
    RecognitionFailed,
    RecordingAnswer,
    RecordingReference,
    Unsupported,
)
from steno_transcriber.engines.scripted_call import ScriptedCallEngine
from steno_transcriber.speech import SAMPLES_PER_MS, Samples


class ScriptedRecordingEngine:
    """Recognises recordings with the scripted call engine, and keeps its answers."""

    def __init__(self, read: Callable[[str], Samples]) -> None:
        """`read` gives the audio at a URL."""
        self._read = read
        self._scripted = ScriptedCallEngine()
        info = self._scripted.info
        self._info = EngineInfo(name="scripted_recording", model=info.model, digest=info.digest, languages=info.languages)
        self._work: dict[str, asyncio.Task[RecordingAnswer]] = {}
        self._stopping = asyncio.Event()
        #: Number of recordings that were recognised.
        self.recognitions = 0

    @property
    def info(self) -> EngineInfo:
        """Name, model, digest and languages."""
        return self._info

    def refusal(self, options: RecognitionOptions) -> Unsupported | None:
        """Why it cannot serve these options."""
        return self._scripted.refusal(options)

    async def recognise(self, recording: RecordingReference) -> RecordingAnswer:
        """Recognise a recording, once."""
        if (refusal := self.refusal(recording.options)) is not None:
            raise refusal
        if not recording.url.startswith("https://"):
            raise Unsupported(f"only https:// is fetched, not {recording.url}")
        if self._stopping.is_set():
            raise EngineUnavailable("the engine stops")
        key = repr(recording)
        if key not in self._work:
            self._work[key] = asyncio.create_task(self._recognise(recording))
        answer = await asyncio.shield(self._work[key])
        missing = [channel for channel in recording.channels if channel >= answer.channel_count]
        if missing:
            raise RecognitionFailed(f"there is no channel {missing[0]} in the recording")
        return answer

    async def forget(self, recording: RecordingReference) -> None:
        """Give up a recording."""
        if (work := self._work.pop(repr(recording), None)) is not None:
            work.cancel()

    async def run(self) -> None:
        """Wait for `stop`."""
        await self._stopping.wait()

    async def stop(self) -> None:
        """Give up all work."""
        self._stopping.set()
        for work in self._work.values():
            work.cancel()

    def close(self) -> None:
        """Do nothing: it holds nothing."""

    async def _recognise(self, recording: RecordingReference) -> RecordingAnswer:
        self.recognitions += 1
        samples = self._read(recording.url)
        session = self._scripted.open(channels=len(samples), options=recording.options)
        await session.send(CallAudio(position=0, samples=samples))
        await session.finish()
        finals = [answer async for answer in session.answers() if isinstance(answer, FinalAnswer)]
        return RecordingAnswer(
            finals=tuple(sorted(finals, key=lambda final: (final.start_ms, final.channel))),
            channel_count=len(samples),
            duration_ms=samples.shape[1] // SAMPLES_PER_MS,
        )
