"""Tones and music in a live call: told once it is over, whoever has it then, and never as talk."""

import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from steno_transcriber.audio.decoders import Decoders
from steno_transcriber.decode_pool import DecodePool
from steno_transcriber.engines.scripted import ScriptedEngine
from steno_transcriber.fetch.fetcher import FetchedAudio
from steno_transcriber.steps import Steps
from steno_transcriber.transcribe import transcribe
from support import made_media
from support.live_bed import PARTITION, Bed
from support.live_calls import Entry, Heard
from support.live_transcriber import written
from support.non_speech import MUSIC, TONES, as_heard
from support.speech import call_audio

from steno.events.observations import Observation
from steno.events.records import Phrase, RecordingSubmitted, TranscriptCompleted, TranscriptStarted


@pytest.fixture
async def bed() -> AsyncIterator[Bed]:
    made = Bed()
    await made.handler.open(PARTITION)
    yield made
    await made.handler.close(PARTITION)


def one_sided(*parts: Heard) -> Heard:
    """On channel 1, one after the other; channel 0 is silent."""
    sound = np.concatenate(parts)
    return np.stack([np.zeros_like(sound), sound]).astype(np.float32)


WAITING = one_sided(as_heard(TONES["ringing, Europe"], 8_000), as_heard(MUSIC["organ 1"], 8_000))
SERVED = np.concatenate([WAITING, call_audio()[:, : 12 * 16_000]], axis=1)


async def completed(bed: Bed, log: Sequence[Entry]) -> TranscriptCompleted:
    await bed.play(log)
    await bed.until(TranscriptCompleted)
    (record,) = bed.topics.of(TranscriptCompleted)
    assert isinstance(record, TranscriptCompleted)
    return record


def in_seconds(spans: Sequence[Observation]) -> list[tuple[str, int, int, int]]:
    return [(span.kind, span.channel, round(span.start_ms / 1000), round(span.duration_ms / 1000)) for span in spans]


WAITED = [("tone", 1, 0, 1), ("tone", 1, 5, 1), ("music", 1, 10, 10)]


async def test_a_call_in_which_somebody_only_waits_has_no_speech(bed: Bed) -> None:
    """It rings twice, then there is music: each is told where it was, and there is no phrase."""
    record = await completed(bed, written("call-1", WAITING))
    assert (record.phrase_count, bed.topics.of(Phrase)) == (0, [])
    assert in_seconds(record.observations) == WAITED


def test_its_recording_has_none_either(tmp_path: Path, decoders: Decoders) -> None:
    """The second pass and the live one agree on whether anybody spoke, and on what was heard instead."""
    path = made_media.write(tmp_path / "waiting.wav", "pcm_s16le", (WAITING[:, ::2] * 32767).astype(np.int16), rate=8_000)
    with DecodePool(1) as pool:
        transcript = transcribe(
            FetchedAudio(path=path, name=path.name),
            RecordingSubmitted(call_id="call-1", url=path.as_uri()),
            decoders=decoders,
            engine=ScriptedEngine(),
            steps=Steps(),
            pool=pool,
            max_audio_ms=60_000,
            stop=threading.Event(),
        )
    assert transcript.phrases == ()
    assert in_seconds(transcript.observations) == WAITED


async def test_what_is_said_behind_it_is_talk(bed: Bed) -> None:
    """Nothing of the conversation is told as anything else."""
    record = await completed(bed, written("call-1", SERVED))
    assert record.phrase_count > 2
    assert in_seconds(record.observations) == WAITED
    last = max(span.start_ms + span.duration_ms for span in record.observations)
    assert all(last <= phrase.start_ms for phrase in bed.topics.of(Phrase) if isinstance(phrase, Phrase))


@pytest.mark.parametrize("killed_at", [30, 90, 150, 215, 300])
async def test_whoever_takes_over_tells_the_same(bed: Bed, killed_at: int) -> None:
    """Wherever the first one was killed: what it had observed is in its checkpoint."""
    log = written("call-1", SERVED)
    await bed.play(log[:killed_at])
    await bed.until(TranscriptStarted)
    begin = await bed.hand_over()
    record = await completed(bed, [entry for entry in log if entry.offset >= begin])
    assert in_seconds(record.observations) == WAITED
