"""The Azure engine's batch half against the emulator: the contract, jobs, results, and their reasons."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from steno_transcriber.azure.batch import AzureBatch
from steno_transcriber.engines.port import RecognitionFailed, RecordingReference, UnsupportedLocale
from support.azure_emulator import AzureEmulator
from support.azure_world import AzureWorld, at_work, azure_world, eventually, handled, wav
from support.engine_contract import Recognitions, RecordingEngineContract

from steno.events.recognition import RecognitionOptions

VERSIONS = ("v3.2", "2024-11-15")


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[AzureWorld]:
    async with azure_world(tmp_path, mono=wav(channels=1), silent=wav(seconds=0.01)) as made:
        yield made


@pytest.mark.parametrize("version", VERSIONS, scope="class")
class TestAzureBatch(RecordingEngineContract):
    @pytest.fixture
    async def engine(self, world: AzureWorld, version: str) -> AzureBatch:
        return world.engine(api_version=version)

    @pytest.fixture
    def recording(self, world: AzureWorld) -> RecordingReference:
        return world.recording()

    @pytest.fixture
    def recognitions(self, world: AzureWorld) -> Recognitions:
        return lambda: sum(world.azure.sent().values())


@pytest.mark.parametrize("version", VERSIONS)
async def test_recordings_are_gathered_into_jobs(world: AzureWorld, version: str) -> None:
    """By number, or after a time; with the same options only. Jobs are deleted afterwards, and files read without the key."""
    engine = world.engine(api_version=version, job_recordings=4, job_seconds=0.3)
    german = RecognitionOptions(locale="de-DE")
    async with at_work(engine):
        recordings = [world.recording(f"r{index}") for index in range(9)] + [world.recording("g", options=german)]
        answers = await asyncio.gather(*map(engine.recognise, recordings))
        await eventually(lambda: not world.azure.open_jobs)
    assert sorted(len(job.urls) for job in world.azure.jobs.values()) == [1, 1, 4, 4]
    assert set(world.azure.sent().values()) == {1}
    assert {job.body["locale"] for job in world.azure.jobs.values()} == {"en-US", "de-DE"}
    assert all(len(answer.finals) == 6 for answer in answers)
    assert world.azure.leaks == 0


async def test_words_confidence_and_channels_come_through(world: AzureWorld) -> None:
    """As Azure tells them, in milliseconds."""
    engine = world.engine()
    async with at_work(engine):
        answer = await engine.recognise(world.recording())
    first, second, *_ = answer.finals
    assert (first.channel, first.start_ms, first.recognition.text) == (0, 0, "Phrase 0 on 0.")
    assert (second.channel, second.start_ms, second.recognition.confidence) == (1, 100, 0.87)
    assert [(word.text, word.start_ms, word.duration_ms) for word in second.recognition.words] == [
        ("phrase", 100, 250),
        ("0", 400, 250),
    ]
    assert (answer.channel_count, answer.duration_ms) == (2, 6000)


async def test_a_recording_with_one_channel_has_one(world: AzureWorld) -> None:
    """Nobody has to say how many there are."""
    engine = world.engine()
    async with at_work(engine):
        answer = await engine.recognise(world.recording("mono", channels=()))
    assert (answer.channel_count, {final.channel for final in answer.finals}) == (1, {0})


async def test_two_recordings_of_one_address_are_in_different_jobs(world: AzureWorld) -> None:
    """Results are told apart by address; a query does not count, since signatures change."""
    engine = world.engine()
    recordings = [world.recording("a", url=f"{world.recordings_url}/a.wav?part={part}") for part in (1, 2)]
    async with at_work(engine):
        await asyncio.gather(*map(engine.recognise, recordings))
    assert [len(job.urls) for job in world.azure.jobs.values()] == [1, 1]


async def test_a_reason_of_the_report_is_the_recordings(world: AzureWorld) -> None:
    """The others of its job have their words; the job is not paid for again."""
    world.azure.faults.failing = {"broken": "The audio is damaged at 00:12."}
    engine = world.engine()
    async with at_work(engine):
        good, bad, missing = await asyncio.gather(
            *(engine.recognise(world.recording(name)) for name in ("good", "broken", "none")), return_exceptions=True
        )
    assert not isinstance(good, BaseException)
    assert isinstance(bad, RecognitionFailed)
    assert str(bad) == "Azure could not transcribe it: InvalidUri: The audio is damaged at 00:12."
    assert isinstance(missing, RecognitionFailed)
    assert len(world.azure.jobs) == 1


async def test_a_job_that_fails_as_a_whole_costs_only_the_recording_at_fault(world: AzureWorld) -> None:
    """Each is sent alone then, and has its own reason."""
    world.azure.faults.failing_jobs = "broken"
    engine = world.engine()
    async with at_work(engine):
        good, bad = await asyncio.gather(
            *(engine.recognise(world.recording(name)) for name in ("good", "broken")), return_exceptions=True
        )
        await eventually(lambda: not world.azure.open_jobs)
    assert not isinstance(good, BaseException)
    assert isinstance(bad, RecognitionFailed)
    assert "InvalidData: The recordings URI contains invalid data." in str(bad)


async def test_missing_channels_are_a_failure_that_a_person_understands(world: AzureWorld) -> None:
    """Not a transcript of one half of the call."""
    world.azure.faults.without_channel = 1
    engine = world.engine()
    async with at_work(engine):
        with pytest.raises(RecognitionFailed, match="nothing for channel 1 of the recording, only for 0"):
            await engine.recognise(world.recording())


async def test_a_result_that_is_nonsense_is_a_failure_with_a_reason(world: AzureWorld) -> None:
    """After it was read again in vain."""
    world.azure.faults.nonsense_results = True
    engine = world.engine()
    async with at_work(engine):
        with pytest.raises(RecognitionFailed, match="cannot be read"):
            await engine.recognise(world.recording())
        await eventually(lambda: not world.azure.open_jobs)


async def test_more_channels_than_two_are_asked_for(world: AzureWorld) -> None:
    """Azure takes the first two where none are named."""
    engine = world.engine()
    async with at_work(engine):
        with pytest.raises(RecognitionFailed, match="channel 2"):
            await engine.recognise(world.recording(channels=(0, 1, 2)))
    (job,) = world.azure.jobs.values()
    assert job.body["properties"]["channels"] == [0, 1, 2]


async def test_among_languages_azure_chooses(world: AzureWorld) -> None:
    """Where candidates are named; without any language it cannot be asked."""
    engine = world.engine()
    async with at_work(engine):
        await engine.recognise(world.recording(options=RecognitionOptions(candidate_locales=("en-GB", "de-DE"))))
        with pytest.raises(UnsupportedLocale, match="needs a language"):
            await engine.recognise(world.recording(options=RecognitionOptions()))
    (job,) = world.azure.jobs.values()
    assert job.body["properties"]["languageIdentification"]["candidateLocales"] == ["en-GB", "de-DE"]


async def test_a_cancelled_recording_is_deleted_at_azure(world: AzureWorld) -> None:
    """Its job goes where no other recording of it is wanted, as soon as Azure allows it."""
    world.azure.faults.ends_after = 2
    engine = world.engine()
    async with at_work(engine):
        asking = asyncio.create_task(handled(engine, world.recording()))
        await eventually(lambda: len(world.azure.open_jobs) == 1)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await engine.forget(world.recording())
        await eventually(lambda: not world.azure.open_jobs)
    assert not any("results" in path for path in world.azure.requests)


class SlowAzure(AzureEmulator):
    """Azure, which makes a job and answers when a test lets it."""

    def __init__(self) -> None:
        super().__init__()
        self.may_answer = asyncio.Event()

    async def _submit(self, request: web.Request) -> web.StreamResponse:
        answer = await super()._submit(request)
        await self.may_answer.wait()
        return answer


async def test_a_recording_that_is_cancelled_while_it_is_sent_is_deleted_at_azure(tmp_path: Path) -> None:
    """Its job is not there yet when it is given up; else it would be transcribed, and paid for."""
    azure = SlowAzure()
    azure.faults.never_start = True
    async with azure_world(tmp_path, azures=[azure]) as world:
        engine = world.engine()
        async with at_work(engine):
            asking = asyncio.create_task(handled(engine, world.recording()))
            await eventually(lambda: len(azure.open_jobs) == 1)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            await engine.forget(world.recording())
            azure.may_answer.set()
            await eventually(lambda: not azure.open_jobs)


async def test_a_job_that_is_sent_while_its_process_stops_is_kept(tmp_path: Path) -> None:
    """The next process waits for it."""
    azure = SlowAzure()
    async with azure_world(tmp_path, azures=[azure]) as world:
        first = world.engine()
        asking = asyncio.create_task(handled(first, world.recording()))
        await eventually(lambda: len(azure.open_jobs) == 1)
        asking.cancel()
        azure.may_answer.set()
        await first.stop()
        second = world.engine()
        async with at_work(second):
            assert (await handled(second, world.recording())).finals
    assert len(azure.jobs) == 1


async def test_a_cancelled_recording_leaves_the_others_of_its_job(world: AzureWorld) -> None:
    """They are transcribed, and the job is deleted at its end."""
    world.azure.faults.ends_after = 1
    engine = world.engine()
    async with at_work(engine):
        kept, dropped = (asyncio.create_task(handled(engine, world.recording(name))) for name in ("kept", "dropped"))
        await eventually(lambda: len(world.azure.open_jobs) == 1)
        dropped.cancel()
        await asyncio.gather(dropped, return_exceptions=True)
        await engine.forget(world.recording("dropped"))
        assert (await kept).finals
        await eventually(lambda: not world.azure.open_jobs)
