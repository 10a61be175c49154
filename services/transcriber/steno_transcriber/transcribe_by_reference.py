"""Transcribes a recording by an engine that fetches it itself."""

import asyncio
from collections.abc import Callable
from time import perf_counter

from steno.events.records import RecordingSubmitted
from steno_transcriber import metrics
from steno_transcriber.engines.port import RecordingEngine, RecordingReference
from steno_transcriber.result import Spoken, Transcript, engine_name, phrases, recording_id, without_words
from steno_transcriber.steps import Steps


async def transcribe_by_reference(
    recording: RecordingSubmitted, *, engine: RecordingEngine, steps: Steps, is_cancelled: Callable[[], bool]
) -> Transcript:
    """Transcribe a recording. Where the task is cancelled because the recording is no longer wanted, the engine forgets it.

    Raises: as `RecordingEngine.recognise`.
    """
    reference = RecordingReference(
        call_id=recording.call_id,
        recording_id=recording_id(recording),
        url=recording.url,
        channels=tuple(sorted({entry.channel for entry in recording.channels})),
        options=recording.options,
    )
    began = perf_counter()
    try:
        answer = await engine.recognise(reference)
    except asyncio.CancelledError:
        if is_cancelled():
            await engine.forget(reference)
        raise
    seconds = answer.duration_ms / 1000
    metrics.AUDIO_SECONDS.inc(seconds)
    if seconds:
        metrics.REAL_TIME_FACTOR.observe((perf_counter() - began) / seconds)
    spoken = [Spoken.of(final, final.recognition) for final in answer.finals]
    found = steps.apply_to_all(phrases(recording, spoken, engine=engine.info))
    return Transcript(
        phrases=tuple(found if recording.options.words else map(without_words, found)),
        channel_count=answer.channel_count,
        duration_ms=answer.duration_ms,
        engine=engine_name(engine.info),
    )
