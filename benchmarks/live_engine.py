"""The embedded engine on live calls: word error rate beside batch, and how many calls a core keeps up with.

Calls: those of `engine.py`. Live, each utterance is decoded alone as soon as it has ended; in batch they share windows.

A core keeps up with as many two-channel calls as can be played in real time through voice activity, hypotheses and finals, in
one process on one core and without Kafka, while finals are there 1 s after the end of speech at the latest and hypotheses come
once a second at the least, both at the 95th percentile. What else the machine does on that core counts.
"""

import asyncio
import logging
import os
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count, pairwise

import numpy as np
import structlog
from engine import MODEL
from measured import report
from spoken import Call, real_calls
from steno_transcriber.decode_pool import DecodePool
from steno_transcriber.engines.choice import Engines
from steno_transcriber.engines.port import UtteranceEngine
from steno_transcriber.engines.whisper import WhisperEngine
from steno_transcriber.live.call import first_checkpoint
from steno_transcriber.live.decoding import PoolDecoder
from steno_transcriber.live.hypotheses import HypothesisResources
from steno_transcriber.live.resources import LiveResources
from steno_transcriber.live.worker import CallWorker
from steno_transcriber.models.store import ModelStore
from steno_transcriber.steps import Steps
from ways import LIVE_RATE, THREADS, batch, live, narrow

from steno.events.catalogue import CALL_AUDIO, Topic
from steno.events.records import (
    AudioChunk,
    AudioCodec,
    CallChannel,
    CallEnded,
    CallRecord,
    CallStarted,
    Hypothesis,
    Phrase,
    Record,
)
from steno.kafka.messages import Message

SAMPLE_RATE = LIVE_RATE
CHUNK_SECONDS = 0.1
CHUNK_SAMPLES = int(CHUNK_SECONDS * SAMPLE_RATE)

MOST_POINTS_BEHIND_BATCH = 5.0
CALLS_AIM = 8
FIRST_TRIED, STEP, ROUNDS = 8, 2, 4
PLAYED_SECONDS = 40
FINAL_SECONDS = 1.0
HYPOTHESIS_SECONDS = 1.0


def main() -> None:
    """Measure and print."""
    calls = real_calls()
    if not calls:
        print("no calls with references: neither ../shared/data/calls/hvb nor samples/ is there")
        return
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    directory = ModelStore().resolve(MODEL)
    measure_errors(calls, WhisperEngine(directory, threads=THREADS))
    core = min(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})  # before the engine makes its threads
    engine = WhisperEngine(directory)
    try:
        measure_calls(calls, engine)
    finally:
        engine.close()


def measure_errors(calls: list[Call], engine: UtteranceEngine) -> None:
    """Word error rates, live and in batch."""
    in_batch, alone = batch(engine), live(engine)
    for way in (in_batch, alone):
        way.run(calls)
    seconds = sum(call.audio.size for call in calls) / 16_000
    for way in (in_batch, alone):
        print(f"{way.name:10} {way.errors(calls):5.1f} % WER  {way.cpu_seconds / seconds:.4f} CPU s per s of a channel")
    report(
        "live word error rate",
        value=alone.errors(calls),
        unit="%",
        limit=in_batch.errors(calls) + MOST_POINTS_BEHIND_BATCH,
        higher_is_better=False,
        beside=f"batch in this run ({in_batch.errors(calls):.1f} %) and {MOST_POINTS_BEHIND_BATCH:.0f} points",
    )


def measure_calls(calls: list[Call], engine: UtteranceEngine) -> None:
    """How many calls a core keeps up with: more are tried while it does, fewer while it does not."""
    kept_up, tried = 0, FIRST_TRIED
    for _ in range(ROUNDS):
        played = asyncio.run(_play(calls, engine, tried))
        print(played.summary())
        if played.kept_up:
            kept_up = tried
        elif kept_up or tried <= STEP:
            break
        tried += STEP if played.kept_up else -STEP
        if tried <= kept_up:
            break
    report(
        "live calls a core",
        value=kept_up,
        unit="two-channel calls",
        limit=CALLS_AIM,
        higher_is_better=True,
        beside=f"the aim; load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores",
    )


def _part(call: Call, *, second: int) -> np.ndarray:
    """What is played of a call, from a second on, and from its beginning after its end."""
    return np.roll(narrow(call), -second * SAMPLE_RATE, axis=1)[:, : PLAYED_SECONDS * SAMPLE_RATE]


@dataclass(slots=True, kw_only=True)
class Played:
    """What was published while so many calls were played, and when. Stands where a producer does."""

    calls: int
    began: dict[str, float] = field(default_factory=dict)
    #: From the end of speech to its phrase.
    finals: list[float] = field(default_factory=list)
    #: While somebody spoke: for how long nobody heard of it, or of the rest of it.
    silences: list[float] = field(default_factory=list)
    hypotheses: int = 0
    cpu_share: float = 0.0
    _told: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    async def send(self, topic: Topic, record: Record, *, event_id: str | None = None) -> None:
        """Notes when a record came."""
        now = time.monotonic()
        match record:
            case Hypothesis():
                self.hypotheses += 1
                self._told[record.phrase_id].append(now)
            case Phrase():
                begin = self.began[record.call_id] + record.start_ms / 1000
                end = begin + record.duration_ms / 1000
                self.finals.append(now - end)
                told = [moment for moment in self._told[record.phrase_id] if moment < end]
                self.silences += [later - earlier for earlier, later in pairwise([begin, *told, end])]

    @property
    def kept_up(self) -> bool:
        """Whether finals were soon and hypotheses often enough."""
        return _p95(self.finals) <= FINAL_SECONDS and _p95(self.silences) <= HYPOTHESIS_SECONDS

    def summary(self) -> str:
        """One line."""
        return (
            f"{self.calls:3} calls  {'kept up ' if self.kept_up else 'too many'}  {100 * self.cpu_share:3.0f} % of the core  "
            f"{len(self.finals)} finals p50 {np.median(self.finals):.2f} p95 {_p95(self.finals):.2f} s  "
            f"{self.hypotheses} hypotheses p50 {np.median(self.silences):.2f} p95 {_p95(self.silences):.2f} s"
        )


async def _play(calls: list[Call], engine: UtteranceEngine, number: int) -> Played:
    """Plays so many calls at once, each from another moment of another recording."""
    played = Played(calls=number)
    pool = DecodePool(1)
    engines = Engines([engine])
    resources = LiveResources(
        engines=engines,
        decoder=PoolDecoder(engines, pool),
        publisher=played,
        hypotheses=HypothesisResources(pool=pool),
        steps=Steps(),
    )
    audio = [_part(calls[index % len(calls)], second=7 * index) for index in range(number)]
    cpu, wall = time.process_time(), time.monotonic()
    async with asyncio.TaskGroup() as group:
        for index, heard in enumerate(audio):
            begins = wall + CHUNK_SECONDS * index / number
            group.create_task(_one(f"call-{index}", heard, resources, played, begins=begins))
    played.cpu_share = (time.process_time() - cpu) / (time.monotonic() - wall)
    await asyncio.to_thread(pool.shutdown)
    return played


async def _one(call_id: str, audio: np.ndarray, resources: LiveResources, played: Played, *, begins: float) -> None:
    offsets = count()
    started = CallStarted(
        call_id=call_id,
        codec=AudioCodec.S16LE,
        sample_rate=SAMPLE_RATE,
        channels=tuple(CallChannel(channel=channel) for channel in range(len(audio))),
        started_at=datetime.now(UTC),
    )
    worker = CallWorker(first_checkpoint(started, next(offsets)), resources, trace={})
    played.began[call_id] = begins
    for record in _records(call_id, audio):
        # Audio is there when its last sample was said.
        said = begins + (record.position + (CHUNK_SAMPLES if isinstance(record, AudioChunk) else 0)) / SAMPLE_RATE
        await asyncio.sleep(max(0.0, said - time.monotonic()))
        worker.add_record(_message(record, next(offsets)))
    while not worker.done:
        await asyncio.sleep(CHUNK_SECONDS)


def _records(call_id: str, audio: np.ndarray) -> Iterator[AudioChunk | CallEnded]:
    for sequence, begin in enumerate(range(0, audio.shape[1], CHUNK_SAMPLES)):
        piece = audio[:, begin : begin + CHUNK_SAMPLES]
        yield AudioChunk(call_id=call_id, sequence=sequence, position=begin, audio=piece.T.tobytes())
    yield CallEnded(call_id=call_id, position=audio.shape[1], complete=True, ended_at=datetime.now(UTC))


def _message(record: CallRecord, offset: int) -> Message:
    return Message(
        topic=CALL_AUDIO,
        partition=0,
        offset=offset,
        key=record.call_id,
        record=record,
        headers={},
        timestamp=datetime.now(UTC),
    )


def _p95(seconds: Sequence[float]) -> float:
    return float(np.quantile(seconds, 0.95))


if __name__ == "__main__":
    main()
