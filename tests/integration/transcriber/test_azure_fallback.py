"""Live calls while Azure does not answer: they go on with the engine that stands by, and go back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from steno_transcriber.azure import live_engine
from steno_transcriber.engines.choice import Engines
from steno_transcriber.live.utterance_session import UtteranceSession
from support.azure_far_end import FarEnd, far_end
from support.azure_live import LiveBed, azure_engine
from support.live_bed import PARTITION
from support.live_transcriber import written
from support.speech import call_audio

from steno.events.recognition import RecognitionOptions
from steno.events.records import Phrase, TranscriptCompleted

SAMPLE_RATE = 16_000


@pytest.fixture
async def there() -> AsyncIterator[FarEnd]:
    async with far_end() as made:
        yield made


@pytest.fixture(autouse=True)
def probes_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_engine, "PROBE_SECONDS", 0.3)


@asynccontextmanager
async def bed_with_standby(folder: Path, there: FarEnd, *, fallback_seconds: float) -> AsyncIterator[LiveBed]:
    """Calls by Azure, with the scripted engine standing by."""
    bed = LiveBed()

    def standby(channels: int, options: RecognitionOptions) -> UtteranceSession:
        return UtteranceSession(bed.engines, bed.decoder, channels=channels, options=options)

    async with azure_engine(folder, [there.host], fallback_seconds=fallback_seconds, standby=standby) as engine:
        bed.engines = Engines([engine, bed.decoder.engine])
        bed.handler = bed.another()
        await bed.handler.open(PARTITION)
        yield bed
        await bed.handler.close(PARTITION)


def engines_of(phrases: list[Phrase]) -> list[str]:
    """The names of the engines that heard them, each as long as it went on."""
    names = [phrase.engine.split()[0] for phrase in sorted(phrases, key=lambda phrase: phrase.start_ms)]
    return [name for index, name in enumerate(names) if not index or names[index - 1] != name]


def unavailable() -> float | None:
    return REGISTRY.get_sample_value("steno_transcriber_azure_unavailable")


async def back() -> None:
    """Returns when Azure answers again."""
    async with asyncio.timeout(30):
        while unavailable():
            await asyncio.sleep(0.05)


async def heard_by(bed: LiveBed, engine: str) -> None:
    """Returns when a phrase of an engine is there."""
    async with asyncio.timeout(30):
        while not any(phrase.engine.split()[0] == engine for phrase in bed.phrases):
            await asyncio.sleep(0.05)


async def test_a_call_goes_on_with_the_other_engine_and_goes_back(there: FarEnd, tmp_path: Path) -> None:
    """Azure stops answering in the middle of it: each phrase names its engine, none comes twice or lies over another."""
    log = written("call-1", call_audio()[:, : 30 * SAMPLE_RATE])
    third = len(log) // 3
    async with bed_with_standby(tmp_path, there, fallback_seconds=0.5) as bed:
        await bed.take(log[:third])
        await bed.reaches(Phrase)
        await there.stop()
        await bed.take(log[third : 2 * third])
        await heard_by(bed, "scripted")
        assert unavailable() == 1
        await there.start()
        await back()
        await bed.take(log[2 * third :])
        await bed.reaches(TranscriptCompleted)
        assert engines_of(bed.phrases) == ["azure", "scripted", "azure"]
        assert {phrase.channel for phrase in bed.phrases} == {0, 1}


async def test_a_new_call_goes_to_the_other_engine_at_once(there: FarEnd, tmp_path: Path) -> None:
    """As long as Azure does not answer; one that begins later goes to Azure."""
    there.faults.refuse = HTTPStatus.SERVICE_UNAVAILABLE
    logs = [written(f"call-{index}", call_audio()[:, : 10 * SAMPLE_RATE]) for index in range(3)]
    async with bed_with_standby(tmp_path, there, fallback_seconds=1.0) as bed:
        await bed.take(logs[0])
        await bed.reaches(TranscriptCompleted)
        asked = len(there.keys)
        await bed.take(logs[1])
        await bed.reaches(TranscriptCompleted, 2)
        assert engines_of(bed.phrases) == ["scripted"]
        assert len(there.keys) <= asked + 10, "the second call has asked Azure again"
        there.faults.refuse = None
        await back()
        await bed.take(logs[2])
        await bed.reaches(TranscriptCompleted, 3)
        assert engines_of([phrase for phrase in bed.phrases if phrase.call_id == "call-2"]) == ["azure"]


async def test_without_the_setting_calls_wait_for_azure(there: FarEnd, tmp_path: Path) -> None:
    """They are whole when it is back."""
    there.faults.refuse = HTTPStatus.SERVICE_UNAVAILABLE
    async with bed_with_standby(tmp_path, there, fallback_seconds=0) as bed:
        await bed.take(written("call-1", call_audio()[:, : 10 * SAMPLE_RATE]), pause=0.02)
        there.faults.refuse = None
        await bed.reaches(TranscriptCompleted)
        assert engines_of(bed.phrases) == ["azure"]
