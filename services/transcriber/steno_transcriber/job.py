"""Handles a submitted recording: fetches and transcribes it, stores and publishes its results. The kernel commits the offset.

| what happens | what follows |
|---|---|
| it has a transcript | result document, then phrases, then `TranscriptCompleted` |
| it is damaged, missing, too long, not what the engine takes | `TranscriptFailed` with the reason; nothing in dead letters |
| Kafka rejects a record of it | the same |
| object store, Kafka, disk or call engine are not available, or no decoder starts | `Retryable`: the kernel calls again |
| its decoder dies twice, or the transcriber with it (`crash_counts`) | `TranscriptFailed` with the reason |
| an unexpected error | it is tried again, held, or given up (`steno.kafka.held_records`): then `TranscriptFailed` |
| it was cancelled before its results were being published | nothing more is published |

A recording is handled again after a crash or a rebalance: the same ids and the same text are written again.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

import structlog

from steno.audio_files import naming
from steno.errors import Permanent, Retryable
from steno.events.records import RecordingCancelled, RecordingSubmitted
from steno.kafka.messages import Message
from steno.storage.objects import ObjectStore, StoreUnavailable
from steno.telemetry import traces
from steno_transcriber import metrics
from steno_transcriber.audio.decoders import Decoders
from steno_transcriber.audio.errors import DecoderDied, Stopped, UnreadableAudio
from steno_transcriber.bounded_cache import BoundedCache
from steno_transcriber.crash_counts import CrashCount, CrashCounts, DecodingGivenUp
from steno_transcriber.decode_pool import DecodePool
from steno_transcriber.decode_slots import DecodeSlots
from steno_transcriber.engines.choice import Engines
from steno_transcriber.engines.port import UtteranceEngine
from steno_transcriber.fetch.fetcher import FetchedAudio, Fetcher
from steno_transcriber.fetch.slots import FetchSlots
from steno_transcriber.publisher import Publisher
from steno_transcriber.result import Transcript, document, document_key, recording_id
from steno_transcriber.steps import Steps
from steno_transcriber.transcribe import transcribe
from steno_transcriber.transcribe_by_reference import transcribe_by_reference
from steno_transcriber.transcribe_whole import transcribe_whole
from steno_transcriber.transcript_publisher import TranscriptPublisher

log = structlog.get_logger("steno.transcriber")

REMEMBERED = 10_000
KEPT_TRANSCRIPTS = 16


@dataclass(slots=True, eq=False)
class Work:
    """A recording that is being handled."""

    stop: threading.Event = field(default_factory=threading.Event)
    cancelled: bool = False
    done: bool = False
    transcribing: "asyncio.Task[Transcript] | None" = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    #: What its file is called, once that is known.
    name: str = ""


Key = tuple[str, str]
"""Call id and recording id."""


class Transcriber:
    """Handles the messages of the topic `recordings`."""

    def __init__(
        self,
        *,
        engines: Engines,
        fetcher: Fetcher,
        places: FetchSlots,
        store: ObjectStore,
        publisher: Publisher,
        decoders: Decoders,
        pool: DecodePool,
        recordings_pool: Executor,
        at_once: int,
        max_audio_ms: int,
        steps: Steps,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`pool` decodes speech; `recordings_pool` has a thread for each of the recordings that are decoded `at_once`."""
        self._engines = engines
        self._fetcher = fetcher
        self._places = places
        self._store = store
        self._publisher = publisher
        self._decoders = decoders
        self._attempts = CrashCounts(store)
        self._slots = DecodeSlots(at_once)
        self._pool = pool
        self._recordings_pool = recordings_pool
        self._max_audio_ms = max_audio_ms
        self._steps = steps
        self._now = now
        self._under_way: dict[Key, Work] = {}
        self._cancelled: BoundedCache[Key, None] = BoundedCache(REMEMBERED)
        # Transcripts that could not be stored or published yet, so that the next attempt need not decode again.
        self._kept: BoundedCache[Key, Transcript] = BoundedCache(KEPT_TRANSCRIPTS)

    async def handle(self, message: Message) -> None:
        """Handles a message of the topic `recordings`, for the kernel."""
        match message.record:
            case RecordingSubmitted() as recording:
                await self._once(recording)
            case RecordingCancelled() as cancellation:
                self._cancel((cancellation.call_id, cancellation.recording_id))
            case _:
                log.info("recordings.ignored", partition=message.partition, offset=message.offset)

    async def give_up(self, message: Message, error: Exception) -> None:
        """Fails a recording whose message goes to dead letters for an error of ours.

        Raises:
            Retryable: Kafka is not available.
        """
        recording = message.record
        if isinstance(recording, RecordingSubmitted) and (recording.call_id, recording_id(recording)) not in self._cancelled:
            reason = "an internal error of the transcriber; its log and the dead letters have the details"
            await self._fail(recording, naming(recording.file_name, reason), "internal")

    def _cancel(self, key: Key) -> None:
        """Stops a recording that is being handled, and prevents that it is handled later or again."""
        self._cancelled[key] = None
        work = self._under_way.get(key)
        log.info("recording.cancelled", recording_id=key[1], under_way=work is not None)
        if work is not None:
            work.cancelled = True
            work.stop.set()
            if work.transcribing is not None:
                work.transcribing.cancel()

    async def _once(self, recording: RecordingSubmitted) -> None:
        """Handles a recording, or waits for the end of the same one that is being handled already."""
        key = (recording.call_id, recording_id(recording))
        while (twin := self._under_way.get(key)) is not None:
            await twin.ended.wait()
            if twin.done:
                return
        if key in self._cancelled:
            log.info("recording.skipped", recording_id=key[1])
            return
        work = self._under_way[key] = Work(name=recording.file_name)
        try:
            await self._end(recording, work, key)
            work.done = True
            self._kept.pop(key, None)
        finally:
            work.stop.set()
            work.ended.set()
            del self._under_way[key]

    async def _end(self, recording: RecordingSubmitted, work: Work, key: Key) -> None:
        """Completes or fails a recording, or raises `Retryable`."""
        try:
            await self._complete(recording, work, key)
        except Retryable:
            raise
        except Stopped:
            metrics.RECORDINGS.labels("cancelled").inc()
            log.info("recording.dropped", recording_id=key[1])
        except UnreadableAudio as error:
            await self._fail(recording, naming(work.name, str(error)), "unreadable_audio")
        except Permanent as error:
            await self._fail(recording, naming(work.name, str(error)), error.error_class)

    async def _complete(self, recording: RecordingSubmitted, work: Work, key: Key) -> None:
        transcript = self._kept.get(key)
        if transcript is None:
            transcript = self._kept[key] = await self._unless_cancelled(self._transcribe(recording, work), work)
        if work.cancelled:
            raise Stopped("the recording is no longer wanted")
        await self._publish(recording, transcript)

    async def _unless_cancelled(self, transcribing: Coroutine[Any, Any, Transcript], work: Work) -> Transcript:
        """Waits for the transcript, or until the recording is cancelled."""
        work.transcribing = asyncio.create_task(transcribing)
        try:
            return await work.transcribing
        except asyncio.CancelledError:
            this = asyncio.current_task()
            if work.cancelled and this is not None and not this.cancelling():
                raise Stopped("the recording is no longer wanted") from None
            raise

    async def _transcribe(self, recording: RecordingSubmitted, work: Work) -> Transcript:
        if (engine := self._engines.choose_for_recording(recording.options)) is not None:
            await self._transcript_of(recording).publish_started()
            with traces.span("recording.recognise"):
                return await transcribe_by_reference(
                    recording,
                    engine=engine,
                    steps=self._steps.asked_for(recording.options),
                    is_cancelled=lambda: work.cancelled,
                )
        async with self._places.acquire(self._fetcher.host(recording.url)) as place:
            await self._transcript_of(recording).publish_started()
            async with AsyncExitStack() as while_read:
                with traces.span("recording.fetch"):
                    audio = await while_read.enter_async_context(
                        self._fetcher.fetch(recording.url, sha256=recording.sha256, file_name=recording.file_name)
                    )
                place.finish_fetch()
                work.name = audio.name
                with traces.span("recording.decode"):
                    return await self._decode(audio, recording, work)

    async def _decode(self, audio: FetchedAudio, recording: RecordingSubmitted, work: Work) -> Transcript:
        """Decodes, again where a decoder dies, and keeps the crash count in the store meanwhile."""
        identifier = recording_id(recording)
        past = await self._attempts.read(identifier)
        while True:
            past.check()
            async with self._slots.acquire(suspect=past.suspect):
                await self._attempts.write(identifier, past.after_death())
                try:
                    transcript = await asyncio.get_running_loop().run_in_executor(
                        self._recordings_pool, self._work_of(audio, recording, work)
                    )
                except DecoderDied as error:
                    log.warning("recording.decoder_died", recording_id=identifier, reason=str(error))
                    metrics.DECODER_DEATHS.inc()
                    past = past.after_crash()
                    await self._attempts.write(identifier, past)
                    continue
                except BaseException as error:
                    # It is over, or another comes to it: this attempt is not held against it.
                    work.stop.set()  # the thread must not go on when the file is closed
                    left = CrashCount() if isinstance(error, Permanent) or work.cancelled else past
                    await asyncio.shield(self._attempts.write(identifier, left))
                    raise
            await self._forget(identifier)
            return transcript

    def _transcript_of(self, recording: RecordingSubmitted) -> TranscriptPublisher:
        return TranscriptPublisher(
            self._publisher,
            call_id=recording.call_id,
            recording_id=recording_id(recording),
            tenant=recording.tenant,
            now=self._now,
        )

    async def _forget(self, identifier: str) -> None:
        """Deletes the crash count. If that fails, the recording is a suspect if it is handled again; that does no harm."""
        try:
            await self._attempts.write(identifier, CrashCount())
        except StoreUnavailable as error:
            log.warning("recording.mark_left", recording_id=identifier, reason=str(error))

    def _work_of(self, audio: FetchedAudio, recording: RecordingSubmitted, work: Work) -> Callable[[], Transcript]:
        engine = self._engines.choose(recording.options)
        if isinstance(engine, UtteranceEngine):
            work_of = partial(transcribe, engine=engine, pool=self._pool)
        else:
            work_of = partial(transcribe_whole, engine=engine, loop=asyncio.get_running_loop())
        return partial(
            work_of,
            audio,
            recording,
            decoders=self._decoders,
            steps=self._steps.asked_for(recording.options),
            max_audio_ms=self._max_audio_ms,
            stop=work.stop,
        )

    async def _publish(self, recording: RecordingSubmitted, transcript: Transcript) -> None:
        """Stores the result document first, since the completion names it; then publishes the phrases, then the completion."""
        identifier = recording_id(recording)
        content = await asyncio.to_thread(document, recording, transcript)
        url = await self._store.put(document_key(identifier), content)
        publish = self._transcript_of(recording)
        await asyncio.gather(*map(publish.publish_phrase, transcript.phrases))
        completed = await publish.publish_completed(
            phrase_count=len(transcript.phrases),
            channel_count=transcript.channel_count,
            duration_ms=transcript.duration_ms,
            observations=transcript.observations,
            engine=transcript.engine,
            locale=recording.locale,
            properties=recording.properties,
            result_url=url,
            supersedes=recording.supersedes,
            flaws=transcript.flaws,
        )
        metrics.RECORDINGS.labels(completed.outcome).inc()
        log.info(
            "recording.completed",
            recording_id=identifier,
            phrases=len(transcript.phrases),
            channels=transcript.channel_count,
            duration_ms=transcript.duration_ms,
            **{name: told for name, told in asdict(transcript.flaws).items() if told},
        )

    async def _fail(self, recording: RecordingSubmitted, reason: str, error: str) -> None:
        """Publishes that a recording failed, and why."""
        identifier = recording_id(recording)
        await self._transcript_of(recording).publish_failed(reason, error, properties=recording.properties)
        if error == DecodingGivenUp.error_class:
            await self._forget(identifier)
        metrics.RECORDINGS.labels("failed").inc()
        metrics.FAILURES.labels(error).inc()
        log.warning("recording.failed", recording_id=identifier, error_class=error, reason=reason)
