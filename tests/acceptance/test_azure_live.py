"""Live calls of one Steno that are recognised by another one: the engine `azure` through the Speech SDK to the door for it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from support.live_calls import Entry
from support.live_transcriber import LiveInstallation, live_installation, written
from support.speech import call_audio
from support.suite import SuiteUnderTest, running_suite

from steno.cli import api
from steno.events.records import AudioCodec, Phrase, TranscriptFailed

FAR = {"STENO_TRANSCRIBER_ENGINE": "scripted", "STENO_INGEST_SECOND_PASS": "false"}
SAMPLES_PER_SECOND = 16_000
CALLS, SECONDS = 3, 30
PLACED_MS = 300
"""Whoever hears the audio from another moment on may place the beginning of an utterance a little differently."""

Span = tuple[int, int, int]
"""Channel, begin and end."""


@pytest.fixture
async def far(tmp_path: Path) -> AsyncIterator[SuiteUnderTest]:
    async with running_suite(tmp_path / "far", FAR) as suite:
        yield suite


@pytest.fixture
async def near(kafka: str, topic_prefix: str, tmp_path: Path, far: SuiteUnderTest) -> AsyncIterator[LiveInstallation]:
    place = api.find_api(far.data)
    keys = tmp_path / "azure-keys"
    keys.write_text(f"{place.key}\n", "utf-8")
    keys.chmod(0o600)
    settings = {
        "STENO_TRANSCRIBER_ENGINE": "azure",
        "STENO_TRANSCRIBER_AZURE_ENDPOINTS": place.url,
        "STENO_TRANSCRIBER_AZURE_KEYS_FILE": str(keys),
    }
    async with live_installation(kafka, topic_prefix, tmp_path, settings) as made:
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


def spans(near: LiveInstallation, log: Sequence[Entry]) -> list[Span]:
    """Where somebody speaks in a call, by what was published: nothing twice, and nothing over another phrase of its channel."""
    by_id: dict[str, Phrase] = {}
    for phrase in near.made.of(Phrase):
        if phrase.call_id == log[0].record.call_id:
            known = by_id.setdefault(phrase.phrase_id, phrase)
            assert (known.text, known.duration_ms) == (phrase.text, phrase.duration_ms)
    found = sorted((p.channel, p.start_ms, p.start_ms + p.duration_ms) for p in by_id.values())
    for one, following in pairwise(found):
        assert one[0] != following[0] or one[2] <= following[1] + PLACED_MS, (one, following)
    return found


def covered(wanted: Sequence[Span], found: Sequence[Span]) -> bool:
    """Whether what was said in each of these spans was heard in the others as well."""
    return all(
        sum(max(0, min(end, other[2]) - max(begin, other[1])) for other in found if other[0] == channel) > 0.8 * (end - begin)
        for channel, begin, end in wanted
    )


@pytest.mark.timeout(300)
async def test_calls_are_whole_while_both_ends_are_killed(far: SuiteUnderTest, near: LiveInstallation) -> None:
    """The transcriber here, ingest and the transcriber there: nothing is lost, nothing is told twice."""
    calm, killed = calls("calm"), calls("killed")
    worker = near.worker("a")
    await worker.start()
    await asyncio.gather(*(near.play(log, faster=1.2) for log in calm))
    await near.completed(calm)
    undisturbed = [spans(near, log) for log in calm]
    assert all(len(found) > 3 for found in undisturbed)

    playing = asyncio.gather(*(near.play(log, faster=1.2) for log in killed))
    await asyncio.sleep(6)
    await far.kill("ingest")
    await asyncio.sleep(6)
    await worker.kill()
    await worker.start()
    await asyncio.sleep(4)
    await far.kill("transcriber")
    await playing
    await near.completed(killed)
    for log, expected in zip(killed, undisturbed, strict=True):
        found = spans(near, log)
        assert covered(expected, found)
        assert covered(found, expected)
    assert not near.made.of(TranscriptFailed)
    assert not near.made.dead_letters
