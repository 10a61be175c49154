"""Records of live calls that Kafka will never take: they cost their call, and hold up no other."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from support.live_bed import PARTITION, Bed, log_of, message
from support.live_transcriber import written
from support.speech import call_audio

from steno.events.records import (
    CallCheckpoint,
    Phrase,
    Record,
    TranscriptCompleted,
    TranscriptFailed,
    TranscriptStarted,
)


@pytest.fixture
async def bed() -> AsyncIterator[Bed]:
    made = Bed()
    assert await made.handler.open(PARTITION) is None
    yield made
    await made.handler.close(PARTITION)


@pytest.mark.parametrize("kind", [TranscriptStarted, Phrase, TranscriptCompleted, CallCheckpoint])
async def test_a_record_that_kafka_refuses_fails_its_call_and_no_other(bed: Bed, kind: type[Record]) -> None:
    """Whichever it is, the call has failed with a reason, nothing is tried for ever, and the log goes on."""
    bed.topics.refuses = lambda record: isinstance(record, kind) and getattr(record, "call_id", "") == "call-1"
    log, other = log_of(), written("call-2", call_audio()[:, : 15 * 16_000])
    for entry in log[:50]:
        await bed.handler.handle(message(entry))
        for _ in range(5):
            await asyncio.sleep(0)
        await bed.handler.settle(PARTITION)
    await bed.play(log[50:])
    await bed.until(TranscriptFailed)
    (failed,) = bed.topics.of(TranscriptFailed)
    assert isinstance(failed, TranscriptFailed)
    assert (failed.call_id, failed.error) == ("call-1", "record_refused")
    end = log[-1].offset + 1
    assert await bed.handler.settle(PARTITION) == end
    later = [replace(entry, offset=entry.offset + end) for entry in other]
    await bed.play(later)
    await bed.until(TranscriptCompleted)
    assert await bed.handler.settle(PARTITION) == later[-1].offset + 1


@pytest.mark.parametrize("stubborn", [False, True])
async def test_a_failure_that_kafka_refuses_is_told_without_properties(bed: Bed, stubborn: bool) -> None:
    """Where not even that is taken the log has it, and the partition goes on."""
    bed.topics.refuses = lambda record: (
        isinstance(record, (TranscriptCompleted, TranscriptFailed)) and (stubborn or bool(record.properties))
    )
    log = log_of(properties={"notes": "x"})
    await bed.play(log)
    async with asyncio.timeout(60):
        while await bed.handler.settle(PARTITION) != log[-1].offset + 1 or not bed.topics.checkpoints["call-1"].done:
            await asyncio.sleep(0)
    assert [record.error for record in bed.topics.of(TranscriptFailed) if isinstance(record, TranscriptFailed)] == (
        [] if stubborn else ["record_refused"]
    )
