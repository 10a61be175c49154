"""Live calls by Azure, through the transcriber's process on a real Kafka, while it is killed and while Azure is down."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.azure_far_end import FarEnd, far_end
from support.live_calls import Entry
from support.live_transcriber import LiveInstallation, live_installation, written
from support.speech import call_audio

from steno.events.records import AudioCodec, Phrase, TranscriptFailed

SAMPLES_PER_SECOND = 16_000
CALLS, SECONDS = 4, 30
KEY = "0123456789abcdef0123456789abcdef"


@pytest.fixture
async def there() -> AsyncIterator[FarEnd]:
    async with far_end() as made:
        yield made


@pytest.fixture
async def steno(kafka: str, topic_prefix: str, tmp_path: Path, there: FarEnd) -> AsyncIterator[LiveInstallation]:
    keys = tmp_path / "azure-keys"
    keys.write_text(KEY + "\n", "utf-8")
    keys.chmod(0o600)
    settings = {
        "STENO_TRANSCRIBER_ENGINE": "azure,scripted",
        "STENO_TRANSCRIBER_AZURE_ENDPOINTS": there.host,
        "STENO_TRANSCRIBER_AZURE_KEYS_FILE": str(keys),
        "STENO_TRANSCRIBER_AZURE_FALLBACK_SECONDS": "1",
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


def said(steno: LiveInstallation, log: list[Entry]) -> list[tuple[int, int, int, str, str]]:
    """What was published of a call, by channel and time: one of each id.

    One that is published again after a kill says the same; its place among those of the other channel may be another.
    """
    by_id: dict[str, Phrase] = {}
    for phrase in steno.made.of(Phrase):
        if phrase.call_id == log[0].record.call_id:
            known = by_id.setdefault(phrase.phrase_id, phrase)
            assert known.model_copy(update={"sequence": phrase.sequence}) == phrase
    return sorted((p.channel, p.start_ms, p.duration_ms, p.text, p.engine.split()[0]) for p in by_id.values())


async def test_calls_by_azure_are_whole_after_the_only_worker_was_killed_twice(steno: LiveInstallation) -> None:
    """What Azure had not answered is sent again: as many phrases, at the same times, in the same words."""
    calm, killed = calls("calm"), calls("killed")
    worker = steno.worker("a")
    await worker.start()
    for log in calm:
        await steno.play(log)
    await steno.completed(calm)
    undisturbed = [said(steno, log) for log in calm]
    assert all(len(phrases) > 3 for phrases in undisturbed)
    assert {phrase[4] for phrases in undisturbed for phrase in phrases} == {"azure"}

    before = len(steno.made.of(Phrase))
    playing = asyncio.gather(*(steno.play(log, faster=6) for log in killed))
    for heard in (5, 14):
        await steno.made.until(lambda heard=heard: len(steno.made.of(Phrase)) >= before + heard)  # type: ignore[misc]
        await worker.kill()
        await worker.start()
    await playing
    await steno.completed(killed)
    assert [said(steno, log) for log in killed] == undisturbed
    assert not steno.made.of(TranscriptFailed)
    assert not steno.made.dead_letters


async def test_a_process_whose_azure_does_not_answer_transcribes_by_the_next_engine(
    steno: LiveInstallation, there: FarEnd
) -> None:
    """And says so in each phrase, until Azure is back."""
    first, second = calls("away")[0], calls("back")[1]
    await there.stop()
    worker = steno.worker("a")
    await worker.start()
    await steno.play(first)
    await steno.completed([first])
    assert {phrase[4] for phrase in said(steno, first)} == {"scripted"}
    await there.start()
    async with asyncio.timeout(60):
        while "steno_transcriber_azure_unavailable 0.0" not in await worker.metrics():
            await asyncio.sleep(0.2)
    await steno.play(second)
    await steno.completed([second])
    assert {phrase[4] for phrase in said(steno, second)} == {"azure"}
