"""Live calls by a call engine, through the transcriber's process on a real Kafka, while it is killed."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.live_calls import Entry
from support.live_transcriber import LiveInstallation, live_installation, written
from support.speech import call_audio

from steno.events.records import AudioCodec, Phrase, TranscriptFailed

SAMPLES_PER_SECOND = 16_000
CALLS, SECONDS = 6, 30


@pytest.fixture
async def steno(kafka: str, topic_prefix: str, tmp_path: Path) -> AsyncIterator[LiveInstallation]:
    async with live_installation(kafka, topic_prefix, tmp_path, {"STENO_TRANSCRIBER_ENGINE": "scripted_call"}) as made:
        yield made


def calls(run: str) -> list[list[Entry]]:
    """Calls that differ, each as long; those of two runs say the same."""
    return [
        written(
            f"{run}-{index}",
            call_audio()[:, index * SAMPLES_PER_SECOND :][:, : SECONDS * SAMPLES_PER_SECOND],
            codec=AudioCodec.PCMU,
        )
        for index in range(CALLS)
    ]


def said(steno: LiveInstallation, log: list[Entry]) -> list[tuple[int, int, int, int, str]]:
    """What was published of a call: order, place and text."""
    return [
        (phrase.sequence, phrase.channel, phrase.start_ms, phrase.duration_ms, phrase.text) for phrase in steno.phrases(log)
    ]


async def test_calls_by_a_call_engine_are_whole_after_the_only_worker_was_killed_twice(steno: LiveInstallation) -> None:
    """Another session is sent what was not answered: as many phrases, at the same times, in the same words and order."""
    calm, killed = calls("calm"), calls("killed")
    worker = steno.worker("a")
    await worker.start()
    for log in calm:
        await steno.play(log)
    await steno.completed(calm)
    undisturbed = [said(steno, log) for log in calm]
    assert all(len(phrases) > 3 for phrases in undisturbed)

    before = len(steno.made.of(Phrase))
    playing = asyncio.gather(*(steno.play(log, faster=6) for log in killed))
    for heard in (6, 20):
        await steno.made.until(lambda heard=heard: len(steno.made.of(Phrase)) >= before + heard)  # type: ignore[misc]
        await worker.kill()
        await worker.start()
    await playing
    await steno.completed(killed)
    assert [said(steno, log) for log in killed] == undisturbed
    assert not steno.made.of(TranscriptFailed)
    assert not steno.made.dead_letters
