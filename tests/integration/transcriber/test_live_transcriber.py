"""Live calls through the transcriber's process on a real Kafka, whatever happens to it."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from steno_transcriber.engines.scripted import ScriptedEngine
from support.live_calls import Entry
from support.live_transcriber import LiveInstallation, live_installation, undisturbed, written
from support.speech import call_audio

from steno.events import ids
from steno.events.records import (
    AudioCodec,
    Phrase,
    Role,
    TranscriptCompleted,
    TranscriptFailed,
    TranscriptStarted,
)

SAMPLES_PER_SECOND = 16_000


@pytest.fixture
async def steno(kafka: str, topic_prefix: str, tmp_path: Path) -> AsyncIterator[LiveInstallation]:
    async with live_installation(kafka, topic_prefix, tmp_path) as made:
        yield made


def calls(count: int, *, seconds: int = 30) -> list[list[Entry]]:
    """Calls that differ, each as long."""
    return [
        written(f"call-{index}", call_audio()[:, index * SAMPLES_PER_SECOND :][:, : seconds * SAMPLES_PER_SECOND])
        for index in range(count)
    ]


async def unharmed(steno: LiveInstallation, logs: list[list[Entry]]) -> None:
    """All calls are complete, and their phrases those of an undisturbed run: in words, times, ids and order."""
    await steno.completed(logs)
    for log in logs:
        expected = undisturbed(log, ScriptedEngine())
        await steno.made.until(lambda log=log, expected=expected: len(steno.phrases(log)) >= len(expected))  # type: ignore[misc]
        assert steno.phrases(log) == expected
    assert not steno.made.of(TranscriptFailed)
    assert not steno.made.dead_letters


async def test_a_live_call_comes_back_with_its_phrases(steno: LiveInstallation) -> None:
    """Started, phrases with roles and ids of the live pass, completed; and the next worker has nothing to do again."""
    log = written("one", call_audio(), codec=AudioCodec.PCMU, properties={"queue": "cards"})
    worker = steno.worker("a")
    await worker.start()
    await steno.play(log)
    await unharmed(steno, [log])
    phrases = steno.phrases(log)
    assert len(phrases) > 5
    assert {phrase.role for phrase in phrases} == {Role.AGENT, Role.CUSTOMER}
    assert [phrase.sequence for phrase in phrases] == list(range(len(phrases)))
    (started,), (completed,) = steno.made.of(TranscriptStarted), steno.made.of(TranscriptCompleted)
    assert started.recording_id == completed.recording_id == ids.live_pass_id("one")
    assert (completed.phrase_count, completed.channel_count, completed.result_url) == (len(phrases), 2, "")
    assert completed.duration_ms == call_audio().shape[1] // 16
    assert completed.properties == {"queue": "cards"}
    shown = await worker.metrics()
    assert f"steno_transcriber_live_final_seconds_count {len(phrases)}.0" in shown
    assert await worker.stop() == 0
    await worker.start()
    other = written("two", call_audio()[:, :160_000])
    await steno.play(other)
    await unharmed(steno, [other])
    assert len(steno.made.of(Phrase)) == len(phrases) + len(steno.phrases(other))


async def test_a_call_in_another_language_fails_with_a_reason(steno: LiveInstallation) -> None:
    """At once, and calls beside it do not notice."""
    foreign = written("foreign", call_audio()[:, :320_000], locale="fi-FI")
    plain = written("plain", call_audio()[:, :320_000])
    await steno.worker("a").start()
    await steno.play(foreign)
    await steno.play(plain)
    await steno.completed([plain])
    (failed,) = steno.made.of(TranscriptFailed)
    assert (failed.call_id, failed.error) == ("foreign", "unsupported_locale")
    assert "fi-FI" in failed.reason
    assert steno.phrases(plain) == undisturbed(plain, ScriptedEngine())


async def test_finals_are_the_same_after_the_only_worker_was_killed_twice(steno: LiveInstallation) -> None:
    """Killed in the middle of six calls, and started again."""
    logs = calls(6)
    worker = steno.worker("a")
    await worker.start()
    playing = asyncio.gather(*(steno.play(log, faster=6) for log in logs))
    for heard in (6, 20):
        await steno.made.until(lambda heard=heard: len(steno.made.of(Phrase)) >= heard)  # type: ignore[misc]
        await worker.kill()
        await worker.start()
    await playing
    await unharmed(steno, logs)


async def test_finals_are_the_same_when_one_of_two_workers_is_killed(steno: LiveInstallation) -> None:
    """The other one takes its calls over when the session has run out."""
    logs = calls(6)
    for name in ("a", "b"):
        await steno.worker(name).start()
    for worker in steno.workers:
        await worker.ready()
    playing = asyncio.gather(*(steno.play(log, faster=4) for log in logs))
    await steno.made.until(lambda: len(steno.made.of(Phrase)) >= 10)
    await steno.workers[0].kill()
    await playing
    await unharmed(steno, logs)


async def test_finals_are_the_same_when_a_worker_stands_still_past_its_session(steno: LiveInstallation) -> None:
    """Another one has taken over by the time it goes on, and what it still says changes nothing."""
    logs = calls(6)
    for name in ("a", "b"):
        await steno.worker(name).start()
    for worker in steno.workers:
        await worker.ready()
    still = steno.workers[0].pid
    playing = asyncio.gather(*(steno.play(log, faster=2) for log in logs))
    await steno.made.until(lambda: len(steno.made.of(Phrase)) >= 10)
    os.kill(still, signal.SIGSTOP)
    try:
        await steno.completed(logs, seconds=120)
    finally:
        os.kill(still, signal.SIGCONT)
    await playing
    late = written("late", call_audio()[:, :480_000])
    await steno.play(late)
    await unharmed(steno, [*logs, late])
