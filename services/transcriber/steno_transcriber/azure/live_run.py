"""One unbroken stretch of a call's audio at Azure: one stream of both channels, or one a channel. Used on one event loop.

| the SDK reports | what follows |
|---|---|
| a hypothesis, a phrase, no match | an answer (`live_results`) |
| nothing, while it takes audio | audio from before the last 65 s is answered: the SDK gives up with 60 s unanswered |
| the connection is gone, one stream a channel | nothing: the SDK connects again and sends what was not answered |
| after that silence, where a hypothesis was | the stretch is lost: the audio of the hypothesis is sent again |
| the same, one stream of two channels | the stretch is lost: the SDK would not send what only one channel still needs |
| the key or the token is refused | the stretch is lost; the next one has another credential (`live_access`) |
| too many streams | the stretch is lost; fewer are opened for a while (`stream_line`) |
| a bad request | the call fails, with what the service says |
| nothing for long, and it takes no audio or does not end | the stretch is lost, as after an error |
| any other error | the stretch is lost; the next one is tried at another endpoint, if there is one |
"""

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import numpy as np
import structlog

from steno.errors import StenoError
from steno.events.recognition import RecognitionOptions
from steno_transcriber import metrics
from steno_transcriber.azure.audio_pipe import AudioPipe, pcm16
from steno_transcriber.azure.availability import Availability
from steno_transcriber.azure.live_access import Access, LiveAccess
from steno_transcriber.azure.live_results import TICKS_PER_MS, ChannelAnswers, Result
from steno_transcriber.azure.speech_sdk import (
    Canceled,
    Connected,
    Disconnected,
    Ended,
    Hypothesis,
    Nothing,
    OpenStream,
    Phrase,
    SdkEvent,
    Stream,
    StreamRequest,
)
from steno_transcriber.azure.stream_line import StreamLine
from steno_transcriber.engines.port import Answer, EngineUnavailable, Unsupported
from steno_transcriber.speech import SAMPLE_RATE, SAMPLES_PER_MS, Samples

log = structlog.get_logger("steno.transcriber.azure")

UNANSWERED_MS = 65_000
"""The SDK gives a stream up with more than 60 s of audio unanswered."""

REPORTED_SECONDS = 5.0
"""So long after the SDK has taken audio, its reports of what was answered until then have come."""

STALLED_SECONDS = 20.0
"""The SDK takes audio all the time; where a service closes connections with code 1000 it stops without a word."""

UNREPORTED_SECONDS = 60.0
"""With no report for so long a stream whose audio has ended does not end."""

_SAMPLE_BYTES = 2
_GRID_SAMPLES = 100 * SAMPLES_PER_MS

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveShared:
    """What all streams of the engine share."""

    access: LiveAccess
    line: StreamLine
    open_stream: OpenStream
    #: Calls of the SDK block, for ten seconds where the service never answers.
    threads: Executor
    availability: Availability
    #: Whether the endpoints tell the channels of a stream apart.
    stereo: bool
    #: Streams that are being ended.
    ending: set[asyncio.Task[None]] = field(default_factory=set)


class LiveRun:
    """The streams of one stretch."""

    def __init__(
        self,
        shared: LiveShared,
        *,
        channels: int,
        options: RecognitionOptions,
        begin: int,
        answered: Callable[[Answer], None],
        lost: Callable[[StenoError], None],
    ) -> None:
        """
        Args:
            begin: The position of its first sample in the call.
            answered: Called with each answer.
            lost: Called once if the stretch is over before its end.
        """
        self._shared = shared
        self._options = options
        self._together = shared.stereo and channels == 2
        self._width = 2 if self._together else 1
        self._stream_count = 1 if self._together else channels
        # The service hears in frames: as they lie in the call, they come to the same times in whatever stretch they are heard.
        self._begin = self._end = begin // _GRID_SAMPLES * _GRID_SAMPLES
        self._before = begin - self._begin
        self._answered = answered
        self._lost = lost
        language = options.locale.split("-")[0].lower() or "en"
        begin_ms = self._begin // SAMPLES_PER_MS
        self._answers = [ChannelAnswers(channel, begin_ms=begin_ms, language=language) for channel in range(channels)]
        self._pipes: list[AudioPipe] = []
        self._streams: list[Stream] = []
        self._taken: list[deque[tuple[float, int]]] = [deque() for _ in range(self._stream_count)]
        self._open = set(range(self._stream_count))
        self._access: Access | None = None
        self._loop = asyncio.get_running_loop()
        self._room = asyncio.Event()
        self._done = asyncio.Event()
        self._reported = asyncio.Event()
        self._places = 0
        self._over = self._held = False
        self.input_ended = False

    async def start(self) -> None:
        """Waits for its place in the line, and connects.

        Raises:
            EngineUnavailable: there is no credential, or the SDK does not start.
        """
        await self._shared.line.enter(self._stream_count)
        self._places = self._stream_count
        try:
            self._access = await self._shared.access.next()
            for index in range(self._stream_count):
                pipe = AudioPipe(
                    bytes_per_second=SAMPLE_RATE * _SAMPLE_BYTES * self._width,
                    taken=partial(self._hand_over, self._note_taken, index),
                )
                request = StreamRequest(access=self._access, channels=self._width, options=self._options)
                self._pipes.append(pipe)
                self._streams.append(self._shared.open_stream(request, pipe, partial(self._hand_over, self._take, index)))
            starts = [self._loop.run_in_executor(self._shared.threads, stream.start) for stream in self._streams]
            await asyncio.gather(*starts)
        except EngineUnavailable:
            self._shared.availability.lost()
            self.close()
            raise
        except BaseException:
            self.close()
            raise

    async def send(self, samples: Samples) -> None:
        """Sends the next samples, shape (channels, samples); returns when the SDK has taken most of what was sent."""
        if self._before:
            samples = np.pad(samples, ((0, 0), (self._before, 0)))
            self._before = 0
        self._end += samples.shape[1]
        rows = [samples] if self._together else [samples[index : index + 1] for index in range(self._stream_count)]
        for pipe, row in zip(self._pipes, rows, strict=True):
            pipe.put(pcm16(row))
        while not self._over and any(pipe.full for pipe in self._pipes):
            self._room.clear()
            try:
                async with asyncio.timeout(STALLED_SECONDS):
                    await self._room.wait()
            except TimeoutError:
                if not self._held and not self._over:
                    self._stalled("takes no audio")

    def end_input(self) -> None:
        """Ends the audio; its last answers come some time after."""
        self.input_ended = True
        for pipe in self._pipes:
            pipe.end()

    async def finish(self) -> None:
        """Ends the audio, and waits until all of it is answered, or the stretch is lost."""
        self.end_input()
        while not self._done.is_set():
            self._reported.clear()
            try:
                async with asyncio.timeout(UNREPORTED_SECONDS):
                    await self._reported.wait()
            except TimeoutError:
                if not self._held and not self._over:
                    self._stalled("does not end")

    def hold(self, held: bool) -> None:
        """Gives the SDK no audio while held."""
        self._held = held
        for pipe in self._pipes:
            pipe.hold(held)

    def close(self) -> None:
        """Ends the streams at once, in the background; a second call does nothing."""
        self._over = True
        self._done.set()
        self._reported.set()
        self._room.set()
        for pipe in self._pipes:
            pipe.end(at_once=True)
        places, self._places = self._places, 0
        streams, self._streams = self._streams, []
        if places:
            task = asyncio.create_task(self._end_streams(streams, places))
            self._shared.ending.add(task)
            task.add_done_callback(self._shared.ending.discard)

    async def _end_streams(self, streams: list[Stream], places: int) -> None:
        stops = [self._loop.run_in_executor(self._shared.threads, stream.stop) for stream in streams]
        try:
            for failed in await asyncio.gather(*stops, return_exceptions=True):
                if isinstance(failed, BaseException):
                    log.warning("azure.stream_not_ended", reason=repr(failed))
        finally:
            self._shared.line.leave(places)
            if self._access is not None:
                seconds = (self._end - self._begin) / SAMPLE_RATE * len(self._answers)
                metrics.AZURE_AUDIO_SECONDS.labels(self._access.endpoint.name, "live").inc(seconds)

    def _hand_over(self, take: Callable[[int, T], None], index: int, reported: T) -> None:
        """On a thread of the SDK: lets the event loop take what it reports."""
        if not self._over and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(take, index, reported)

    def _take(self, index: int, event: SdkEvent) -> None:
        if self._over:
            return
        self._reported.set()
        assert self._access is not None
        try:
            match event:
                case Hypothesis(result):
                    self._answer(index, result, ChannelAnswers.hypothesis)
                    self._shared.availability.answered()
                case Phrase(result):
                    self._answer(index, result, ChannelAnswers.phrase)
                    self._shared.availability.answered()
                case Nothing(result):
                    self._answer(index, result, ChannelAnswers.nothing)
                    self._shared.availability.answered()
                case Connected():
                    self._shared.access.accepted(self._access)
                case Disconnected():
                    if self._together:
                        raise EngineUnavailable(f"the connection with {self._access.endpoint.name} is gone")
                    self._answers[index].disconnected()
                case Canceled():
                    raise self._error(event, self._access)
                case Ended():
                    self._end_stream(index)
        except StenoError as error:
            self._fail(error)
        except Exception:
            # The answer would be missing, and nobody would ask for it again.
            log.exception("azure.report_not_taken", report=type(event).__name__)
            self._fail(EngineUnavailable(f"a report of the SDK cannot be taken ({type(event).__name__})"))

    def _answer(self, index: int, result: Result, say: Callable[[ChannelAnswers, Result], list[Answer]]) -> None:
        channel = min(result.channel, 1) if self._together else index
        result = result.until(self._sent_ticks)
        self._publish(say(self._answers[channel], result))
        answered = (result.offset + result.duration) // TICKS_PER_MS * SAMPLES_PER_MS
        self._pipes[index].note_answered(answered * _SAMPLE_BYTES * self._width)

    @property
    def _sent_ticks(self) -> int:
        return -(-(self._end - self._begin) * TICKS_PER_MS // SAMPLES_PER_MS)

    def _publish(self, answers: list[Answer]) -> None:
        for answer in answers:
            self._answered(answer)

    def _end_stream(self, index: int) -> None:
        if not self.input_ended:
            raise EngineUnavailable("Azure has ended the stream before the audio ended")
        for channel in self._answers if self._together else self._answers[index : index + 1]:
            self._publish(channel.silent_until(self._end // SAMPLES_PER_MS))
        self._open.discard(index)
        self._shared.availability.answered()
        if not self._open:
            self.close()

    def _note_taken(self, index: int, taken_bytes: int) -> None:
        self._room.set()
        if self._over:
            return
        taken_ms = (self._begin + taken_bytes // (_SAMPLE_BYTES * self._width)) // SAMPLES_PER_MS
        taken, now = self._taken[index], self._loop.time()
        taken.append((now, taken_ms))
        while taken and taken[0][0] <= now - REPORTED_SECONDS:
            answered_ms = taken.popleft()[1] - UNANSWERED_MS
            for channel in self._answers if self._together else self._answers[index : index + 1]:
                if not channel.speaking:
                    self._publish(channel.silent_until(answered_ms))

    def _stalled(self, how: str) -> None:
        if self._access is not None:
            self._shared.access.failed(self._access)
        self._shared.availability.lost()
        metrics.AZURE_LOST.labels("Stalled").inc()
        self._fail(EngineUnavailable(f"the stream {how}, and the SDK says nothing"))

    def _fail(self, error: StenoError) -> None:
        self.close()
        self._lost(error)

    def _error(self, event: Canceled, access: Access) -> StenoError:
        metrics.AZURE_LOST.labels(event.code).inc()
        where, why = access.endpoint.name, f"{event.code}: {event.details}"
        if event.code == "BadRequest":
            self._shared.availability.answered()  # which is an answer
            return Unsupported(f"Azure refuses the call: {event.details}")
        self._shared.availability.lost()
        if event.code == "AuthenticationFailure":
            self._shared.access.refused(access)
        elif event.code == "TooManyRequests":
            self._shared.line.throttled()
        else:
            self._shared.access.failed(access)
        return EngineUnavailable(f"{where} has ended a stream ({why})")
