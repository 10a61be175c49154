"""A test double of a call engine: it cuts a call at silence, and computes words from the audio, without a model."""

import asyncio
from collections.abc import AsyncIterator

import numpy as np

from steno.events.recognition import RecognitionOptions
from steno_transcriber.engines.port import (
    Answer,
    CallAudio,
    EngineInfo,
    FinalAnswer,
    Pack,
    PartialAnswer,
    SilentUntil,
    Unsupported,
)
from steno_transcriber.engines.scripted import ScriptedEngine
from steno_transcriber.speech import SAMPLES_PER_MS, Recognition, Samples, Utterance

FRAME_MS = 20
LOUD = 0.01
"""Root mean square of a frame in which somebody speaks."""
ENDING_FRAMES = 20
"""After so many quiet frames an utterance has ended."""
LONGEST_FRAMES = 1_500
PARTIAL_FRAMES = 25
"""So often it tells what was said so far of an utterance."""
SILENCE_FRAMES = 50
"""So often it tells that nothing is said."""


class ScriptedCallEngine:
    """Recognises in each stretch of sound of a call what `ScriptedEngine` would."""

    def __init__(self) -> None:
        self._scripted = ScriptedEngine()
        info = self._scripted.info
        self._info = EngineInfo(name="scripted_call", model=info.model, digest=info.digest, languages=info.languages)

    @property
    def info(self) -> EngineInfo:
        """Name, model, digest and languages."""
        return self._info

    def refusal(self, options: RecognitionOptions) -> Unsupported | None:
        """Why it cannot serve these options."""
        return self._scripted.refusal(options)

    def open(self, *, channels: int, options: RecognitionOptions) -> "ScriptedCallSession":
        """Open a session."""
        if (refusal := self.refusal(options)) is not None:
            raise refusal
        return ScriptedCallSession([_Channel(index, self._scripted, options) for index in range(channels)])

    def close(self) -> None:
        """Do nothing: it holds nothing."""


class ScriptedCallSession:
    """One recording or live call. It answers at once."""

    def __init__(self, channels: "list[_Channel]") -> None:
        self._channels = channels
        self._answers: asyncio.Queue[Answer | None] = asyncio.Queue()
        self._end = 0

    async def send(self, audio: CallAudio) -> None:
        """Send the next audio."""
        if audio.position > self._end:
            self._break_off()
        for channel, samples in zip(self._channels, audio.samples, strict=True):
            self._answer(channel.hear(samples, position=audio.position))
        self._end = audio.end

    async def finish(self) -> None:
        """End the audio."""
        self._break_off()
        self._answers.put_nowait(None)

    async def answers(self) -> AsyncIterator[Answer]:
        """The answers, until the session is finished or closed."""
        while (answer := await self._answers.get()) is not None:
            yield answer

    async def close(self) -> None:
        """Release the audio."""
        self._answers.put_nowait(None)

    def _break_off(self) -> None:
        for channel in self._channels:
            self._answer(channel.end())

    def _answer(self, answers: list[Answer]) -> None:
        for answer in answers:
            self._answers.put_nowait(answer)


class _Channel:
    """One channel: the frames of the open utterance, if there is one."""

    def __init__(self, index: int, engine: ScriptedEngine, options: RecognitionOptions) -> None:
        self._index = index
        self._engine = engine
        self._options = options
        self._rest: Samples = np.zeros(0, dtype=np.float32)
        self._frames: list[Samples] = []
        self._start_ms = self._at_ms = 0
        self._quiet = 0

    def hear(self, samples: Samples, *, position: int) -> list[Answer]:
        """Add the next samples; returns the answers that end in them."""
        length = FRAME_MS * SAMPLES_PER_MS
        if not len(self._rest):
            # Frames begin at multiples of their length in the call, wherever a session begins.
            self._at_ms = position // length * FRAME_MS
            self._rest = np.zeros(position % length, dtype=np.float32)
        samples = np.concatenate([self._rest, samples])
        whole = len(samples) // length * length
        self._rest = samples[whole:]
        return [answer for frame in samples[:whole].reshape(-1, length) for answer in self._next(frame)]

    def end(self) -> list[Answer]:
        """End the open utterance; returns its answer."""
        self._rest, self._quiet = self._rest[:0], 0
        return self._final() if self._frames else []

    def _next(self, frame: Samples) -> list[Answer]:
        loud = bool(np.sqrt(np.mean(np.square(frame))) >= LOUD)
        if loud and not self._frames:
            self._start_ms = self._at_ms
        self._at_ms += FRAME_MS
        self._quiet = 0 if loud else self._quiet + 1
        if loud or self._frames:
            self._frames.append(frame)
            if self._quiet >= ENDING_FRAMES or len(self._frames) >= LONGEST_FRAMES:
                return self._final()
            return [self._partial()] if len(self._frames) % PARTIAL_FRAMES == 0 else []
        silent = self._quiet % SILENCE_FRAMES == 0
        return [SilentUntil(channel=self._index, until_ms=self._at_ms - FRAME_MS)] if silent else []

    def _partial(self) -> PartialAnswer:
        utterance, recognition = self._recognised()
        return PartialAnswer(
            channel=self._index, start_ms=utterance.start_ms, duration_ms=utterance.duration_ms, recognition=recognition
        )

    def _final(self) -> list[Answer]:
        utterance, recognition = self._recognised()
        self._frames = []
        answer = FinalAnswer(
            channel=self._index, start_ms=utterance.start_ms, duration_ms=utterance.duration_ms, recognition=recognition
        )
        return [answer]

    def _recognised(self) -> tuple[Utterance, Recognition]:
        utterance = Utterance(
            channel=self._index,
            start_ms=self._start_ms,
            duration_ms=len(self._frames) * FRAME_MS,
            padding_before_ms=0,
            samples=np.concatenate(self._frames),
        )
        (recognition,) = self._engine.decode(Pack(utterances=(utterance,)), self._options)
        return utterance, recognition
