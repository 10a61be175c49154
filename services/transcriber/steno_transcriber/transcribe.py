"""Transcribes a local file by an utterance engine: decodes, cuts, recognises. Blocks; run it in a thread."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from time import perf_counter

from steno.errors import Permanent
from steno.events.observations import Observation
from steno.events.records import RecordingSubmitted
from steno_transcriber import metrics
from steno_transcriber.audio.decoders import DecodedAudio, Decoders
from steno_transcriber.audio.errors import Stopped
from steno_transcriber.audio.wire_format import Block
from steno_transcriber.decode_pool import DecodePool
from steno_transcriber.engines.port import SpeechEngine, UtteranceEngine
from steno_transcriber.fetch.fetcher import FetchedAudio
from steno_transcriber.recognise import recognise
from steno_transcriber.result import Spoken, Transcript, engine_name, phrases, without_words
from steno_transcriber.screening import Screen
from steno_transcriber.segmenter import SegmenterOptions
from steno_transcriber.steps import Steps
from steno_transcriber.utterances import utterances


class AudioTooLong(Permanent):
    """The audio is longer than one recording may be."""

    error_class = "audio_too_long"


def transcribe(
    audio: FetchedAudio,
    recording: RecordingSubmitted,
    *,
    decoders: Decoders,
    engine: UtteranceEngine,
    pool: DecodePool,
    steps: Steps,
    max_audio_ms: int,
    stop: threading.Event,
) -> Transcript:
    """Transcribe a recording.

    Audio is decoded no further ahead than the engine needs: what is queued in the pool, and one pack more.

    Raises:
        UnreadableAudio: the file is not audio.
        DecoderDied: the process that decoded the file died.
        DecoderLost: no decoder process is available; try again later.
        Unsupported: the engine cannot serve what is asked of it.
        AudioTooLong: it is longer than `max_audio_ms`.
        Stopped: `stop` was set.
    """
    screen = Screen()
    with open_audio(audio, recording, decoders, stop=stop) as file:
        blocks = limit_audio(file, max_audio_ms=max_audio_ms, stop=stop)
        found = utterances(blocks, report=screen.observations.add, options=SegmenterOptions.of(recording.options))
        heard = screen.filter(found)
        spoken = []
        for utterance, recognition in recognise(engine, heard, executor=pool, in_flight=pool.places, options=recording.options):
            screen.add_result(utterance, recognition)
            spoken.append(Spoken.of(utterance, recognition))
    observations = screen.observations.in_order_at_end(heard_on={part.channel for part in spoken})
    return make_transcript(recording, spoken, file=file, engine=engine, steps=steps, observations=observations)


@contextmanager
def open_audio(
    audio: FetchedAudio, recording: RecordingSubmitted, decoders: Decoders, *, stop: threading.Event
) -> Iterator[DecodedAudio]:
    """Open the audio of a recording for the block that transcribes it, and count both in the metrics.

    Raises: as `transcribe`.
    """
    if stop.is_set():  # its file may be gone
        raise Stopped("the recording is no longer wanted")
    began = perf_counter()
    with decoders.open(audio.path, name=audio.name, headerless=recording.format or None, stop=stop.is_set) as file:
        yield file
        seconds = file.duration_ms / 1000
    metrics.AUDIO_SECONDS.inc(seconds)
    if seconds:
        metrics.REAL_TIME_FACTOR.observe((perf_counter() - began) / seconds)


def make_transcript(
    recording: RecordingSubmitted,
    spoken: Iterable[Spoken],
    *,
    file: DecodedAudio,
    engine: SpeechEngine,
    steps: Steps,
    observations: tuple[Observation, ...] = (),
) -> Transcript:
    """Make the transcript of what was recognised, as it is published."""
    found = steps.apply_to_all(phrases(recording, spoken, engine=engine.info))
    return Transcript(
        phrases=tuple(found if recording.options.words else map(without_words, found)),
        channel_count=file.format.channels,
        duration_ms=file.duration_ms,
        engine=engine_name(engine.info),
        flaws=file.flaws,
        observations=observations,
    )


def limit_audio(file: DecodedAudio, *, max_audio_ms: int, stop: threading.Event) -> Iterator[Block]:
    """Give the audio of a recording; raises once it is too long, or `stop` is set."""
    for block in file.blocks():
        if stop.is_set():
            raise Stopped("the recording is no longer wanted")
        if file.duration_ms > max_audio_ms:
            raise AudioTooLong(f"the audio is longer than the {max_audio_ms / 3_600_000:g} hours a recording may have")
        yield block
