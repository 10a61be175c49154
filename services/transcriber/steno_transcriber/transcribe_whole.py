"""Transcribes a local file by a call engine, which is given the recording as a whole. Blocks; run it in a thread."""

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

import structlog

from steno.events.records import RecordingSubmitted
from steno_transcriber.audio.decoders import Decoders
from steno_transcriber.audio.errors import Stopped
from steno_transcriber.engines.port import CallAudio, CallEngine, CallSession, FinalAnswer
from steno_transcriber.fetch.fetcher import FetchedAudio
from steno_transcriber.result import Spoken, Transcript
from steno_transcriber.steps import Steps
from steno_transcriber.transcribe import limit_audio, make_transcript, open_audio

log = structlog.get_logger("steno.transcriber")

T = TypeVar("T")

LOOK_EVERY_SECONDS = 0.2
"""So often a thread that waits for the engine looks whether it is to stop."""


def transcribe_whole(
    audio: FetchedAudio,
    recording: RecordingSubmitted,
    *,
    decoders: Decoders,
    engine: CallEngine,
    loop: asyncio.AbstractEventLoop,
    steps: Steps,
    max_audio_ms: int,
    stop: threading.Event,
) -> Transcript:
    """Transcribe a recording. `loop` is the event loop of the engine's sessions, which runs in another thread.

    Raises: as `transcribe`, and
        EngineUnavailable: the engine cannot be reached; try again later.
    """

    def run(coroutine: Coroutine[Any, Any, T]) -> T:
        return _run(coroutine, loop, stop)

    with open_audio(audio, recording, decoders, stop=stop) as file:
        heard = run(_Heard.begin(engine, recording, channels=file.format.channels))
        try:
            position = 0
            for block in limit_audio(file, max_audio_ms=max_audio_ms, stop=stop):
                sent = CallAudio(position=position, samples=block)
                run(heard.send(sent))
                position = sent.end
            spoken = run(heard.finish())
        finally:
            # Not waited for: an engine that hangs holds no thread of a recording that is cancelled.
            asyncio.run_coroutine_threadsafe(heard.close(), loop).add_done_callback(_log_failure)
    return make_transcript(recording, spoken, file=file, engine=engine, steps=steps)


class _Heard:
    """A session, and the task that collects its answers."""

    def __init__(self, session: CallSession) -> None:
        self._session = session
        self._spoken: list[Spoken] = []
        self._collecting = asyncio.create_task(self._collect())

    @classmethod
    async def begin(cls, engine: CallEngine, recording: RecordingSubmitted, *, channels: int) -> "_Heard":
        """Open a session."""
        return cls(engine.open(channels=channels, options=recording.options))

    async def send(self, audio: CallAudio) -> None:
        """Send the next audio; raises the error of the answers, if they failed."""
        if self._collecting.done():
            await self._collecting
        await self._session.send(audio)

    async def finish(self) -> list[Spoken]:
        """End the audio, and return all answers."""
        await self._session.finish()
        await self._collecting
        return self._spoken

    async def close(self) -> None:
        """Close the session."""
        self._collecting.cancel()
        await asyncio.gather(self._collecting, return_exceptions=True)
        await self._session.close()

    async def _collect(self) -> None:
        async for answer in self._session.answers():
            if isinstance(answer, FinalAnswer):
                self._spoken.append(Spoken.of(answer, answer.recognition))


def _log_failure(closing: "Future[None]") -> None:
    if not closing.cancelled() and (error := closing.exception()) is not None:
        log.warning("session.not_closed", reason=repr(error))


def _run(coroutine: Coroutine[Any, Any, T], loop: asyncio.AbstractEventLoop, stop: threading.Event) -> T:
    """Runs a coroutine on the loop and waits for it in this thread, until `stop` is set."""
    future = asyncio.run_coroutine_threadsafe(coroutine, loop)
    while True:
        try:
            return future.result(timeout=LOOK_EVERY_SECONDS)
        except TimeoutError:
            if future.done():
                return future.result()
            if stop.is_set():
                future.cancel()
                raise Stopped("the recording is no longer wanted") from None
