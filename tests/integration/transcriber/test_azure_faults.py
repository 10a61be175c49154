"""The Azure engine's batch half while Azure, or this process, fails: nothing is lost, and nothing is paid for twice."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from steno_transcriber import metrics
from steno_transcriber.azure.keys import key_of
from steno_transcriber.azure.sent import Sent, SentRecordings
from steno_transcriber.engines.port import EngineUnavailable
from support.azure_world import AzureWorld, at_work, azure_world, eventually, handled


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[AzureWorld]:
    async with azure_world(tmp_path) as made:
        yield made


@pytest.fixture
async def regions(tmp_path: Path) -> AsyncIterator[AzureWorld]:
    async with azure_world(tmp_path, endpoints=2) as made:
        yield made


@pytest.mark.parametrize(
    "answer",
    [
        ["POST /", 2, 429, 1],
        ["POST /", 2, 503, 0],
        ["POST /", 1, 500, 0],
        ["POST /", 1, 0, 0],
        ["GET /", 3, 503, 0],
        ["GET /", 3, 429, 1],
        ["GET /", 3, 0, 0],
        ["GET /", 3, 400, 1],
        ["GET /results", 2, 500, 0],
        ["/files", 2, 0, 0],
        ["POST /", 2, 403, 0],
        ["DELETE", 2, 503, 0],
    ],
    ids=lambda answer: f"{answer[0]}-{answer[2]}",
)
async def test_what_passes_is_waited_for(world: AzureWorld, answer: list[Any]) -> None:
    """A quota, a fault of Azure's, nonsense: the recording is transcribed in the end, sent once, and its job is deleted."""
    world.azure.faults.answers = [answer]
    engine = world.engine()
    async with at_work(engine):
        assert (await handled(engine, world.recording())).finals
        await eventually(lambda: not world.azure.open_jobs)
    assert answer[1] == 0, "the fault happened"
    assert list(world.azure.sent().values()) == [1]


async def test_a_quota_slows_down(world: AzureWorld) -> None:
    """Nothing is asked of an endpoint for as long as it wants to be left alone, and whoever waits is told for how long."""
    world.azure.faults.answers = [["POST /", 1, 429, 600]]
    engine = world.engine()
    async with at_work(engine):
        for name in ("a", "b"):
            with pytest.raises(EngineUnavailable) as raised:
                await engine.recognise(world.recording(name))
            assert 500 < raised.value.again_in_seconds <= 600
    assert world.azure.requests["POST /transcriptions"] == 1


@pytest.mark.parametrize("status", [400, 404])
async def test_jobs_that_cannot_be_listed_fail_no_recording(world: AzureWorld, status: int) -> None:
    """Where one may have been sent before: it waits until the endpoint can say."""
    world.azure.faults.lost_answers = 1
    world.azure.faults.answers = [["GET /speechtotext/transcriptions", 3, status, 1]]
    engine = world.engine()
    async with at_work(engine):
        assert (await handled(engine, world.recording())).finals
    assert list(world.azure.sent().values()) == [1]


async def test_a_key_that_is_revoked_is_replaced_by_the_other(world: AzureWorld) -> None:
    """In the middle of a job."""
    world.azure.faults.ends_after = 1.5
    engine = world.engine()
    async with at_work(engine):
        asking = asyncio.create_task(engine.recognise(world.recording()))
        await eventually(lambda: len(world.azure.jobs) == 1)
        world.azure.faults.keys = ["key-two"]
        assert (await asking).finals
        await eventually(lambda: not world.azure.open_jobs)
    assert list(world.azure.sent().values()) == [1]


async def test_without_any_valid_key_the_next_region_is_tried(regions: AzureWorld) -> None:
    """Both keys first."""
    west, north = regions.azures
    west.faults.keys = []
    engine = regions.engine()
    async with at_work(engine):
        assert (await handled(engine, regions.recording())).finals
        await eventually(lambda: not north.open_jobs)
    assert (len(west.jobs), len(north.jobs)) == (0, 1)
    assert west.requests.total() >= 2


async def test_without_any_valid_key_anywhere_a_recording_waits(regions: AzureWorld) -> None:
    """It does not fail; new keys end the wait, without a restart."""
    for azure in regions.azures:
        azure.faults.keys = ["key-new"]
    engine = regions.engine()
    async with at_work(engine):
        with pytest.raises(EngineUnavailable, match="401"):
            await engine.recognise(regions.recording())
        (regions.folder / "keys").write_text("key-new\n")
        assert (await handled(engine, regions.recording())).finals


async def test_a_job_is_waited_for_while_no_key_is_valid(world: AzureWorld) -> None:
    """It is where it is; the recording is not sent elsewhere."""
    world.azure.faults.ends_after = 1
    engine = world.engine()
    async with at_work(engine):
        asking = asyncio.create_task(engine.recognise(world.recording()))
        await eventually(lambda: len(world.azure.jobs) == 1)
        world.azure.faults.keys = []
        await asyncio.sleep(2)
        assert not asking.done()
        world.azure.faults.keys = ["key-one"]
        assert (await asking).finals
    assert list(world.azure.sent().values()) == [1]


async def test_an_answer_that_is_lost_is_not_sent_again(world: AzureWorld) -> None:
    """The job was made, though nobody was told: it is found by its name."""
    world.azure.faults.lost_answers = 1
    engine = world.engine()
    async with at_work(engine):
        assert (await handled(engine, world.recording())).finals
    assert list(world.azure.sent().values()) == [1]


async def test_of_jobs_found_twice_one_is_used(world: AzureWorld) -> None:
    """The earliest; the other is deleted."""
    world.azure.faults.made_twice = 1
    world.azure.faults.lost_answers = 1
    engine = world.engine()
    async with at_work(engine):
        assert (await handled(engine, world.recording())).finals
        await eventually(lambda: not world.azure.open_jobs)
    assert len(world.azure.jobs) == 2


async def test_a_job_is_found_again_by_another_process(world: AzureWorld) -> None:
    """Which has nothing but the store and Azure; both may have jobs of many recordings, split among processes."""
    world.azure.faults.ends_after = 1.5
    recordings = [world.recording(f"r{index}") for index in range(5)]
    async with at_work(first := world.engine()):
        asking = asyncio.gather(*(first.recognise(recording) for recording in recordings), return_exceptions=True)
        await eventually(lambda: len(world.azure.jobs) == 1)
    assert {type(outcome) for outcome in await asking} == {EngineUnavailable}
    second, third = world.engine(), world.engine()
    async with at_work(second), at_work(third):
        answers = await asyncio.gather(
            *(handled(second, recording) for recording in recordings[:3]),
            *(handled(third, recording) for recording in recordings[2:]),
        )
        await eventually(lambda: not world.azure.open_jobs)
    assert all(answer.finals for answer in answers)
    assert set(world.azure.sent().values()) == {1}


async def test_an_answer_is_kept_for_whoever_asks_after_the_job_was_deleted(world: AzureWorld) -> None:
    """Offsets are committed after effects: a recording that is handled again is not paid for again."""
    recordings = [world.recording(name) for name in ("a", "b")]
    async with at_work(first := world.engine()):
        answers = await asyncio.gather(*map(first.recognise, recordings))
        await eventually(lambda: not world.azure.open_jobs)
    async with at_work(second := world.engine()):
        assert await asyncio.gather(*map(second.recognise, recordings)) == answers
    assert set(world.azure.sent().values()) == {1}


async def test_a_job_whose_results_were_copied_is_deleted_by_the_next_process(world: AzureWorld) -> None:
    """The one that copied them was killed before it could; they are not read again."""
    world.azure.faults.answers = [["DELETE", 1000, 503, 0]]
    async with at_work(first := world.engine()):
        assert (await first.recognise(world.recording())).finals
    world.azure.faults.answers = []
    read = world.azure.requests["GET /transcriptions"]
    assert len(world.azure.open_jobs) == 1
    async with at_work(world.engine()):
        await eventually(lambda: not world.azure.open_jobs)
    assert world.azure.requests["GET /transcriptions"] - read == 1, "the list alone"


async def test_what_was_noted_but_not_sent_is_sent(world: AzureWorld) -> None:
    """A process was killed in between: once it is certain that there is no job."""
    recording = world.recording()
    engine = world.engine()
    note = Sent(endpoint_url=world.urls[0], settled_at=engine._following.clock() + timedelta(seconds=60))
    await SentRecordings(world.store).write(key_of(recording), note)
    async with at_work(engine):
        asking = asyncio.create_task(handled(engine, recording, seconds=40))
        await asyncio.sleep(1)
        assert not world.azure.jobs
        world.ahead = timedelta(seconds=61)
        assert (await asking).finals
    assert list(world.azure.sent().values()) == [1]


async def test_a_job_that_does_not_start_is_reported_and_waited_for(world: AzureWorld) -> None:
    """By a metric; it is not sent again, and not lost."""
    world.azure.faults.never_start = True
    engine = world.engine(not_started_seconds=0.5)
    stalled = metrics.AZURE_JOBS_STALLED.labels(world.urls[0])
    async with at_work(engine):
        asking = asyncio.create_task(engine.recognise(world.recording()))
        await eventually(lambda: stalled._value.get() == 1)
        world.azure.faults.never_start = False
        assert (await asking).finals
    assert stalled._value.get() == 0
    assert list(world.azure.sent().values()) == [1]


async def test_a_recording_whose_url_expired_before_azure_read_it_is_sent_again(world: AzureWorld) -> None:
    """That is no fault of the recording."""
    world.azure.faults.ends_after = 1
    world.azure.faults.failing = {"a.wav": "The URL cannot be read."}
    engine = world.engine(url_hours=1)
    async with at_work(engine):
        asking = asyncio.create_task(handled(engine, world.recording()))
        await eventually(lambda: len(world.azure.jobs) == 1)
        world.ahead = timedelta(hours=2)
        await eventually(lambda: len(world.azure.jobs) == 2)
        world.azure.faults.failing = {}
        assert (await asking).finals


async def test_what_a_dead_process_left_is_cleared_away(world: AzureWorld) -> None:
    """Jobs that nobody waits for, an hour later: their results are kept, since somebody may ask yet."""
    async with at_work(first := world.engine()):
        asking = asyncio.create_task(first.recognise(world.recording()))
        await eventually(lambda: len(world.azure.jobs) == 1)
    await asyncio.gather(asking, return_exceptions=True)
    world.ahead = timedelta(hours=2)
    (job,) = world.azure.jobs.values()
    job.status, job.files = "Running", {}
    await asyncio.sleep(0.2)
    await world.azure._advance(job)
    async with at_work(second := world.engine()):
        await eventually(lambda: not world.azure.open_jobs)
        assert (await second.recognise(world.recording())).finals
    assert list(world.azure.sent().values()) == [1]


async def test_audio_is_counted_by_endpoint(world: AzureWorld) -> None:
    """Each channel for itself: that is what it costs."""
    engine = world.engine()
    async with at_work(engine):
        await engine.recognise(world.recording())
        await eventually(lambda: not world.azure.open_jobs)
    assert metrics.AZURE_AUDIO_SECONDS.labels(world.urls[0], "batch")._value.get() == 12
    assert metrics.AZURE_JOBS.labels(world.urls[0], "succeeded")._value.get() == 1
