"""A session of a call engine by an utterance engine: the call is cut here, as live calls are, and decoded in the same threads.

So a call that has begun with a call engine goes on with an utterance engine: what the one has answered, the other is not sent.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import uuid4

from steno.events.observations import Observation
from steno.events.recognition import RecognitionOptions
from steno_transcriber.crosstalk import CopyDetector
from steno_transcriber.decode_pool import Urgency
from steno_transcriber.engines.choice import Engines
from steno_transcriber.engines.port import Answer, CallAudio, EngineInfo, FinalAnswer, SilentUntil
from steno_transcriber.live.decoding import Decoder
from steno_transcriber.screening import Outcome
from steno_transcriber.segmenter import DECODED, SegmenterOptions
from steno_transcriber.speech import SAMPLES_PER_MS, Utterance
from steno_transcriber.utterance_finder import FinderMark, UtteranceFinder

MOST_WAITING = 16
"""Utterances and silences whose answers nobody has taken; with so many no audio is taken."""

SILENCE_MS = 1_000
"""So often it is said how far a channel is settled."""


@dataclass(frozen=True, slots=True)
class _Decoding:
    utterance: Utterance
    task: asyncio.Task[Outcome]


class UtteranceSession:
    """See `CallSession`. What is only observed of the audio, such as music, is not reported."""

    def __init__(self, engines: Engines, decoder: Decoder, *, channels: int, options: RecognitionOptions) -> None:
        """
        Raises:
            Unsupported: no utterance engine is loaded that can serve the options.
        """
        self._engine: EngineInfo = engines.choose_for_utterances(options).info
        self._decoder = decoder
        self._channels = channels
        self._options = options
        #: By which the threads share their time among calls.
        self._name = f"session {uuid4().hex}"
        self._answers: asyncio.Queue[_Decoding | SilentUntil | None] = asyncio.Queue(MOST_WAITING)
        self._end: int | None = None
        self._settled_ms = [0] * channels
        self._closed = False
        self._copies = CopyDetector(channels, DECODED, report=_ignore)
        self._finders: list[UtteranceFinder] = []

    async def send(self, audio: CallAudio) -> None:
        """See `CallSession`."""
        samples = audio.samples
        if audio.position != self._end:
            await self._end_stretch()
            begin_ms = -(-audio.position // SAMPLES_PER_MS)
            samples = samples[:, begin_ms * SAMPLES_PER_MS - audio.position :]
            self._begin_stretch(begin_ms)
        self._end = audio.end
        self._copies.add_audio(samples)
        for finder, heard in zip(self._finders, samples, strict=True):
            for utterance in finder.add_audio(heard):
                await self._decode(utterance)
        self._copies.forget(min(finder.needed_ms for finder in self._finders))
        for channel, finder in enumerate(self._finders):
            if finder.settled_ms >= self._settled_ms[channel] + SILENCE_MS:
                await self._settle(channel, finder.settled_ms)

    async def finish(self) -> None:
        """See `CallSession`."""
        await self._end_stretch()
        await self._put(None)

    async def answers(self) -> AsyncIterator[Answer]:
        """See `CallSession`."""
        while (waiting := await self._answers.get()) is not None:
            if isinstance(waiting, SilentUntil):
                yield waiting
                continue
            outcome, utterance = await waiting.task, waiting.utterance
            yield FinalAnswer(
                channel=utterance.channel,
                start_ms=utterance.start_ms,
                duration_ms=utterance.duration_ms,
                recognition=outcome.recognition,
                engine=self._engine,
            )

    async def close(self) -> None:
        """See `CallSession`."""
        self._closed = True
        while not self._answers.empty():
            if isinstance(waiting := self._answers.get_nowait(), _Decoding):
                waiting.task.cancel()
        self._answers.put_nowait(None)

    def _begin_stretch(self, begin_ms: int) -> None:
        self._copies.start(begin_ms)
        self._settled_ms = [max(settled_ms, begin_ms) for settled_ms in self._settled_ms]
        self._finders = [
            UtteranceFinder(
                channel,
                DECODED,
                mark=FinderMark(restart_ms=begin_ms, raised_restart_ms=begin_ms),
                beside=self._copies,
                report=_ignore,
                options=SegmenterOptions.of(self._options),
            )
            for channel in range(self._channels)
        ]
        for finder in self._finders:
            finder.start(begin_ms)

    async def _end_stretch(self) -> None:
        for finder in self._finders:
            for utterance in finder.finish():
                await self._decode(utterance)
        self._finders = []

    async def _decode(self, utterance: Utterance) -> None:
        if self._closed:
            return
        decoded = self._decoder.decode(utterance, call_id=self._name, urgency=Urgency.FINAL, options=self._options)
        self._settled_ms[utterance.channel] = utterance.end_ms
        await self._put(_Decoding(utterance, asyncio.create_task(decoded)))

    async def _settle(self, channel: int, until_ms: int) -> None:
        self._settled_ms[channel] = until_ms
        await self._put(SilentUntil(channel=channel, until_ms=until_ms))

    async def _put(self, waiting: _Decoding | SilentUntil | None) -> None:
        await self._answers.put(waiting)


def _ignore(_: Observation) -> None:
    """A call engine reports nothing but words."""
