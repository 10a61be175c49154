"""Live calls by Azure while the far end fails: nothing is lost or published twice, and what is for a person is said."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from http import HTTPStatus
from pathlib import Path

import pytest
from steno_transcriber.azure.live_engine import AzureLiveEngine
from steno_transcriber.engines.scripted_call import ScriptedCallEngine
from steno_transcriber.speech import SAMPLE_RATE
from support.azure_far_end import FarEnd, far_end
from support.azure_live import KEY, LiveBed, azure_engine
from support.live_bed import PARTITION, log_of
from support.live_calls import Entry
from support.live_transcriber import written
from support.speech import call_audio

from steno.events.records import TranscriptCompleted, TranscriptFailed


@pytest.fixture
async def there() -> AsyncIterator[FarEnd]:
    async with far_end() as made:
        yield made


async def heard(engine: AzureLiveEngine | ScriptedCallEngine, log: Sequence[Entry]) -> list[tuple[int, int, int, str]]:
    """What an engine hears of a call, from its beginning to its end."""
    bed = LiveBed(engine)
    await bed.handler.open(PARTITION)
    try:
        await bed.take(log)
        await bed.reaches(TranscriptCompleted)
    finally:
        await bed.handler.close(PARTITION)
    return bed.said


_UNDISTURBED: dict[int, list[tuple[int, int, int, str]]] = {}
"""By the length of the call: it takes seconds, and many tests need the same."""


async def undisturbed(folder: Path, seconds: int) -> list[tuple[int, int, int, str]]:
    """What a far end without faults hears of a call."""
    if seconds not in _UNDISTURBED:
        async with far_end() as calm, azure_engine(folder, [calm.host]) as engine:
            _UNDISTURBED[seconds] = await heard(engine, log_of(seconds))
    return _UNDISTURBED[seconds]


@pytest.mark.parametrize("stereo", [False, True])
async def test_a_call_is_heard_as_the_far_end_hears_it(there: FarEnd, tmp_path: Path, stereo: bool) -> None:
    """Every phrase with its channel and times, by one stream of both channels or by one a channel."""
    log = log_of(30)
    async with azure_engine(tmp_path, [there.host], stereo=stereo) as engine:
        said = await heard(engine, log)
    assert said == await undisturbed(tmp_path, 30)
    # Its samples have 16 bits there, so other words; where somebody speaks is the same.
    assert [phrase[:3] for phrase in said] == [phrase[:3] for phrase in await heard(ScriptedCallEngine(), log)]
    assert len(there.connections) == (1 if stereo else 2)


@pytest.mark.parametrize("stereo", [False, True])
async def test_a_connection_that_is_cut_loses_nothing(there: FarEnd, tmp_path: Path, stereo: bool) -> None:
    """Each connection is cut after ten seconds of audio: what was not answered is sent again."""
    log = log_of(30)
    there.faults.cut_after_ms = 12_000
    async with azure_engine(tmp_path, [there.host], stereo=stereo) as engine:
        assert await heard(engine, log) == await undisturbed(tmp_path, 30)
    assert len(there.connections) > 2


async def test_a_key_that_is_refused_is_followed_by_the_other_one(there: FarEnd, tmp_path: Path) -> None:
    """As when keys are rotated: the call goes on with the second of the line."""
    new = "f" * 32
    there.faults.keys = (new,)
    async with azure_engine(tmp_path, [there.host], keys=f"{KEY} {new}") as engine:
        assert await heard(engine, log_of(10)) == await undisturbed(tmp_path, 10)
    assert {KEY, new} == set(there.keys)


async def test_an_unreachable_endpoint_is_followed_by_the_next(there: FarEnd, tmp_path: Path) -> None:
    """Nothing listens at the first one."""
    async with far_end() as other:
        gone = other.host
    async with azure_engine(tmp_path, [gone, there.host]) as engine:
        assert await heard(engine, log_of(10)) == await undisturbed(tmp_path, 10)


@pytest.mark.parametrize("status", [HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.UNAUTHORIZED])
async def test_a_call_waits_while_azure_takes_none(there: FarEnd, tmp_path: Path, status: HTTPStatus) -> None:
    """And is whole when it does again."""
    there.faults.refuse = status
    asyncio.get_running_loop().call_later(3, lambda: setattr(there.faults, "refuse", None))
    async with azure_engine(tmp_path, [there.host]) as engine:
        assert await heard(engine, log_of(10)) == await undisturbed(tmp_path, 10)
    assert len(there.keys) > 2


async def test_a_call_that_azure_refuses_as_bad_fails_with_what_it_says(there: FarEnd, tmp_path: Path) -> None:
    """A person reads why; it is not tried again."""
    there.faults.close = 1007, 500
    async with azure_engine(tmp_path, [there.host]) as engine:
        bed = LiveBed(engine)
        await bed.handler.open(PARTITION)
        await bed.take(log_of(10))
        await bed.reaches(TranscriptFailed)
        await bed.handler.close(PARTITION)
    (failed,) = bed.topics.of(TranscriptFailed)
    assert isinstance(failed, TranscriptFailed)
    assert failed.error == "unsupported_option"
    assert "Azure refuses the call" in failed.reason
    assert "as the test wants it" in failed.reason


@pytest.mark.parametrize("code", [1001, 1012, 4429])
async def test_a_connection_that_is_closed_loses_nothing(there: FarEnd, tmp_path: Path, code: int) -> None:
    """A service that restarts, and one that has too many streams."""
    there.faults.close = code, 3_000
    asyncio.get_running_loop().call_later(3, lambda: setattr(there.faults, "close", None))
    async with azure_engine(tmp_path, [there.host]) as engine:
        assert await heard(engine, log_of(10)) == await undisturbed(tmp_path, 10)


async def test_nonsense_is_no_phrase(there: FarEnd, tmp_path: Path) -> None:
    """The call goes on once the far end answers sensibly again."""
    there.faults.nonsense = True
    asyncio.get_running_loop().call_later(3, lambda: setattr(there.faults, "nonsense", False))
    async with azure_engine(tmp_path, [there.host]) as engine:
        assert await heard(engine, log_of(10)) == await undisturbed(tmp_path, 10)


async def test_calls_wait_in_line_where_too_many_are_open(there: FarEnd, tmp_path: Path) -> None:
    """Four calls of two channels and two places: no more are open, and each call is whole."""
    logs = [written(f"call-{index}", call_audio()[:, : 10 * SAMPLE_RATE]) for index in range(4)]
    async with azure_engine(tmp_path, [there.host], streams=2) as engine:
        bed = LiveBed(engine)
        await bed.handler.open(PARTITION)
        for log in logs:
            await bed.take(log)
        await bed.reaches(TranscriptCompleted, len(logs))
        await bed.handler.close(PARTITION)
        by_call = [sorted((p.channel, p.start_ms, p.text) for p in bed.phrases if p.call_id == f"call-{i}") for i in range(4)]
    assert by_call[0]
    assert by_call == [by_call[0]] * 4
    assert there.most_open <= 2
