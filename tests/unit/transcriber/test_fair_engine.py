"""Live calls beside a flood, with the real line before an engine that takes its time: what others say is not late for it."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

from steno_transcriber.decode_pool import DecodePool
from steno_transcriber.engines.choice import Engines
from steno_transcriber.engines.port import Pack
from steno_transcriber.engines.scripted import ScriptedEngine
from steno_transcriber.live.decoding import PoolDecoder
from steno_transcriber.live.hypotheses import HypothesisResources
from steno_transcriber.live.resources import LiveResources
from steno_transcriber.live.transcriber import LiveTranscriber
from steno_transcriber.speech import Recognition
from steno_transcriber.steps import Steps
from support.live_bed import PARTITION, Topics, message
from support.live_calls import BEGAN, CallWriter, Entry
from support.live_transcriber import undisturbed, written
from support.speech import call_audio

from steno.events.catalogue import Topic
from steno.events.recognition import RecognitionOptions
from steno.events.records import Phrase, Record, TranscriptCompleted

CALLS = 5
FASTER = 10
"""The good calls are played so many times as fast as their records say, and the engine is as much faster."""
ENGINE_SHARE = 0.05
"""Of real time that the engine takes: two threads keep up with forty channels."""
FLOOD_MINUTES = 6


class SlowEngine(ScriptedEngine):
    """Takes as long as a real one, without the processor."""

    def decode(self, pack: Pack, options: RecognitionOptions) -> list[Recognition]:
        time.sleep(sum(utterance.duration_ms for utterance in pack.utterances) / 1000 * ENGINE_SHARE / FASTER)
        return super().decode(pack, options)


class TimedTopics(Topics):
    """Notes when each phrase was there."""

    def __init__(self) -> None:
        super().__init__()
        self.at: dict[tuple[str, int], float] = {}

    async def send(self, topic: Topic, record: Record, *, event_id: str | None = None) -> None:
        if isinstance(record, Phrase):
            self.at[record.call_id, record.sequence] = time.monotonic()
        await super().send(topic, record, event_id=event_id)


@asynccontextmanager
async def transcriber() -> AsyncIterator[tuple[LiveTranscriber, TimedTopics]]:
    engine, topics = SlowEngine(), TimedTopics()
    with DecodePool(2) as pool:
        engines = Engines([engine])
        resources = LiveResources(
            engines=engines,
            decoder=PoolDecoder(engines, pool),
            publisher=topics,
            hypotheses=HypothesisResources(pool=pool),
            steps=Steps(),
        )
        handler = LiveTranscriber(resources, read_checkpoints=topics.read)
        await handler.open(PARTITION)
        yield handler, topics
        await handler.close(PARTITION)


async def late_seconds(handler: LiveTranscriber, topics: TimedTopics, logs: Sequence[list[Entry]]) -> float:
    """Plays calls side by side in their time; how late the latest phrase came, in the time of the test."""
    entries = sorted((entry for log in logs for entry in log), key=lambda entry: entry.written_at)
    began = time.monotonic()
    for offset, entry in enumerate(entries):
        due = began + (entry.written_at - BEGAN).total_seconds() / FASTER
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        await handler.handle(message(replace(entry, offset=100_000 + offset)))
    names = {log[0].record.call_id for log in logs}

    def done() -> int:
        return sum(isinstance(record, TranscriptCompleted) and record.call_id in names for record in topics.published)

    async with asyncio.timeout(60):
        while done() < len(logs):
            await asyncio.sleep(0.01)
    found = [record for record in topics.published if isinstance(record, Phrase) and record.call_id in names]
    assert len(found) > 2 * len(logs)
    return max(
        topics.at[phrase.call_id, phrase.sequence] - began - (phrase.start_ms + phrase.duration_ms) / 1000 / FASTER
        for phrase in found
    )


def good_calls() -> list[list[Entry]]:
    return [written(f"call-{number}", call_audio()[:, number * 8000 : number * 8000 + 15 * 16_000]) for number in range(CALLS)]


def flood() -> list[Entry]:
    call = CallWriter(call_id="flood")
    call.start()
    for _ in range(FLOOD_MINUTES * 60 * 16_000 // call_audio().shape[1] + 1):
        call.say(call_audio(), chunk=2000)
    call.end()
    return [replace(entry, written_at=BEGAN + timedelta(milliseconds=index)) for index, entry in enumerate(call.log)]


async def test_what_others_say_is_as_soon_there_beside_a_flood_on_their_partition() -> None:
    """The flood is minutes of work for the engine, and comes before them; it says the same in the end."""
    async with transcriber() as (handler, topics):
        calm = await late_seconds(handler, topics, good_calls())
    async with transcriber() as (handler, topics):
        log = flood()
        for entry in log:
            await handler.handle(message(entry))
        began = time.monotonic()
        flooded = await late_seconds(handler, topics, good_calls())
        async with asyncio.timeout(60):
            while not any(isinstance(record, TranscriptCompleted) and record.call_id == "flood" for record in topics.published):
                await asyncio.sleep(0.01)
        took = time.monotonic() - began
        said = [record for record in topics.published if isinstance(record, Phrase) and record.call_id == "flood"]
    print(f"late by {calm:.3f} s calm, {flooded:.3f} s beside a flood that took {took:.1f} s")
    assert said == undisturbed(log, ScriptedEngine())
    # Who waited for the flood would come when it is done.
    assert flooded < max(3 * calm + 0.5, took / 2)
