"""Short recordings by fast transcription: sent to Azure at once, or into a job where that is not possible."""

from collections.abc import AsyncIterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from steno_transcriber.audio.decoders import Decoders
from steno_transcriber.azure.batch import AzureBatch
from steno_transcriber.azure.endpoints import parse_endpoint
from steno_transcriber.azure.fast import FastTranscription
from steno_transcriber.engines.port import RecordingReference
from steno_transcriber.fetch.fetcher import Fetcher
from support.azure_world import AzureWorld, at_work, azure_world, handled, wav
from support.engine_contract import Recognitions, RecordingEngineContract


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[AzureWorld]:
    async with azure_world(tmp_path, mono=wav(channels=1), long=wav(seconds=12), broken=b"RIFF....") as made:
        yield made


@pytest.fixture
async def engine(world: AzureWorld, fetcher: Fetcher) -> AsyncIterator[AzureBatch]:
    with closing(Decoders()) as decoders:
        endpoints = tuple(map(parse_endpoint, world.urls))
        yield world.engine(
            make_fast=partial(FastTranscription, endpoints=endpoints, fetcher=fetcher, decoders=decoders, seconds=10)
        )


class TestAzureFast(RecordingEngineContract):
    @pytest.fixture
    async def engine(self, engine: AzureBatch) -> AzureBatch:
        return engine

    @pytest.fixture
    def recording(self, world: AzureWorld) -> RecordingReference:
        return world.recording()

    @pytest.fixture
    def recognitions(self, world: AzureWorld) -> Recognitions:
        return lambda: world.azure.fast + sum(world.azure.sent().values())


@pytest.mark.parametrize(("name", "channels"), [("a", {0, 1}), ("mono", {0})])
async def test_a_short_recording_makes_no_job(world: AzureWorld, engine: AzureBatch, name: str, channels: set[int]) -> None:
    """Its channels are those of its audio."""
    async with at_work(engine):
        answer = await engine.recognise(world.recording(name, channels=()))
    assert {final.channel for final in answer.finals} == channels
    assert answer.finals[0].recognition.text == "Fast 0 on 0."
    assert (world.azure.fast, len(world.azure.jobs)) == (1, 0)


async def test_a_longer_one_goes_into_a_job(world: AzureWorld, engine: AzureBatch) -> None:
    """It is not sent twice."""
    async with at_work(engine):
        assert (await engine.recognise(world.recording("long"))).finals
    assert (world.azure.fast, len(world.azure.jobs)) == (0, 1)


@pytest.mark.parametrize("status", [429, 503, 404, 400, 0])
async def test_where_azure_cannot_it_goes_into_a_job(world: AzureWorld, engine: AzureBatch, status: int) -> None:
    """A quota of its own, a region without it, nonsense."""
    world.azure.faults.answers = [[":transcribe", 1, status, 1]]
    async with at_work(engine):
        assert (await handled(engine, world.recording())).finals
    assert (world.azure.fast, len(world.azure.jobs)) == (0, 1)


async def test_what_cannot_be_decoded_here_azure_may_decode(world: AzureWorld, engine: AzureBatch) -> None:
    """Its reason becomes the recording's, where it cannot either."""
    world.azure.faults.failing = {"broken": "The audio format is not supported."}
    async with at_work(engine):
        with pytest.raises(Exception, match="The audio format is not supported"):
            await engine.recognise(world.recording("broken"))
    assert world.azure.fast == 0
