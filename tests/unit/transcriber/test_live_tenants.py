"""What is made of a live call is of the tenant that its start names, whoever takes it over."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from steno_transcriber.live.call import LiveCall, first_checkpoint
from support.live_bed import PARTITION, Bed, log_of

from steno.events.records import Phrase, Record, TranscriptCompleted, TranscriptFailed


@pytest.fixture
async def bed() -> AsyncIterator[Bed]:
    made = Bed()
    assert await made.handler.open(PARTITION) is None
    yield made
    await made.handler.close(PARTITION)


async def test_phrases_and_transcript_are_the_tenants(bed: Bed) -> None:
    """And so is the checkpoint, from which another process goes on."""
    log = log_of(tenant="acme")
    await bed.play(log)
    await bed.until(TranscriptCompleted)
    await bed.handler.settle(PARTITION)
    made: list[Any] = [*bed.topics.of(Phrase), *bed.topics.of(TranscriptCompleted), bed.topics.checkpoints["call-1"]]
    assert len(made) > 3
    assert {record.tenant for record in made} == {"acme"}


async def test_a_failure_is_the_tenants(bed: Bed) -> None:
    """It is told to its webhooks alone."""

    def refuses(record: Record) -> bool:
        return isinstance(record, TranscriptCompleted)

    bed.topics.refuses = refuses
    await bed.play(log_of(tenant="acme"))
    await bed.until(TranscriptFailed)
    (failed,) = bed.topics.of(TranscriptFailed)
    assert isinstance(failed, TranscriptFailed)
    assert failed.tenant == "acme"


def test_a_call_that_is_taken_over_stays_the_tenants() -> None:
    """The checkpoint of a checkpoint names it still."""
    (start, *_) = log_of(tenant="acme")
    first = first_checkpoint(start.record, start.offset)  # type: ignore[arg-type]  # a CallStarted
    again = LiveCall(first).checkpoint(log_end=start.offset + 1, saved_at=first.saved_at)
    assert LiveCall(again).tenant == "acme"
