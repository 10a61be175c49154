"""From a file to its transcript: parallel over channels, bounded ahead of the engine, and stoppable."""

import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from steno_transcriber.audio.decoders import Decoders
from steno_transcriber.audio.errors import Stopped
from steno_transcriber.decode_pool import DecodePool
from steno_transcriber.engines.port import Pack
from steno_transcriber.engines.scripted import ScriptedEngine
from steno_transcriber.fetch.fetcher import FetchedAudio
from steno_transcriber.result import Transcript
from steno_transcriber.speech import Recognition, Utterance
from steno_transcriber.steps import Steps
from steno_transcriber.transcribe import transcribe
from support.recordings import excerpt, sample_call

from steno.events.recognition import RecognitionOptions
from steno.events.records import RecordingSubmitted

RECORDING = RecordingSubmitted(call_id="call-1", url="https://recorder.example/call-1.wav")


def run(
    path: Path, engine: ScriptedEngine, pool: DecodePool, decoders: Decoders, stop: threading.Event | None = None
) -> Transcript:
    return transcribe(
        FetchedAudio(path=path, name=path.name),
        RECORDING,
        decoders=decoders,
        engine=engine,
        pool=pool,
        steps=Steps(),
        max_audio_ms=3_600_000,
        stop=stop or threading.Event(),
    )


class MeetingEngine(ScriptedEngine):
    """Decodes its first two packs only together."""

    def __init__(self) -> None:
        super().__init__()
        self.barrier = threading.Barrier(2)
        self.met: list[int] = []

    def decode(self, pack: Pack, options: RecognitionOptions) -> list[Recognition]:
        if len(self.met) < 2:
            self.barrier.wait(20)
            self.met.append(pack.utterances[0].channel)
        return super().decode(pack, options)


def test_packs_of_one_recording_are_decoded_side_by_side(tmp_path: Path, decoders: Decoders) -> None:
    """One call keeps every thread busy."""
    engine = MeetingEngine()
    with DecodePool(2) as pool:
        transcript = run(excerpt(tmp_path / "call.wav", seconds=8), engine, pool, decoders)
    assert len(engine.met) == 2
    assert len(transcript.phrases) >= 2


class CountingEngine(ScriptedEngine):
    """Counts how many packs were made and not decoded."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()
        self.ahead = 0
        self.most_ahead = 0
        self.packs_made = 0

    def packs(self, utterances: Iterable[Utterance]) -> Iterator[Pack]:
        for pack in super().packs(utterances):
            with self.lock:
                self.packs_made += 1
                self.ahead += 1
                self.most_ahead = max(self.most_ahead, self.ahead)
            yield pack

    def decode(self, pack: Pack, options: RecognitionOptions) -> list[Recognition]:
        recognitions = super().decode(pack, options)
        with self.lock:
            self.ahead -= 1
        return recognitions


def test_audio_is_decoded_only_a_little_ahead_of_the_engine(decoders: Decoders) -> None:
    """Memory does not grow with the length of a recording: two packs a thread are open at most."""
    engine = CountingEngine()
    with DecodePool(1) as pool:
        run(sample_call(), engine, pool, decoders)
    assert engine.packs_made > 4
    assert engine.most_ahead <= 2


def test_the_line_before_the_engine_is_bounded_over_all_recordings() -> None:
    """Whoever finds no place waits until another's pack is done; a cancelled one gives its place back."""
    release = threading.Event()
    with DecodePool(1) as pool, ThreadPoolExecutor(1) as other_recording:
        running = pool.submit(release.wait, 20)
        lined_up = pool.submit(int)
        third = other_recording.submit(pool.submit, int)
        with pytest.raises(TimeoutError):
            third.result(0.05)
        lined_up.cancel()
        fourth = third.result(20)
        release.set()
        assert (running.result(20), fourth.result(20)) == (True, 0)


def test_threads_make_no_difference_to_the_transcript(decoders: Decoders) -> None:
    """One thread or three: the same phrases."""
    transcripts = []
    for threads in (1, 3):
        with DecodePool(threads) as pool:
            transcripts.append(run(sample_call(), ScriptedEngine(), pool, decoders))
    assert transcripts[0] == transcripts[1]


def test_work_stops_when_it_is_told_to(decoders: Decoders) -> None:
    """At the next second of audio."""
    stop = threading.Event()
    stop.set()
    with DecodePool(1) as pool, pytest.raises(Stopped):
        run(sample_call(), ScriptedEngine(), pool, decoders, stop)
