"""The Azure engine's batch half, killed between every two steps: each recording is in one job, and has its answer."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from steno_transcriber.azure.sending import SETTLED_AFTER
from support.azure_emulator import AzureEmulator
from support.azure_world import AzureWorld, azure_world, eventually, handled
from support.effort import EFFORT

from steno.storage.objects import ObjectStore

RECORDINGS = 2
MOST_STEPS = 60
APART = 1 if EFFORT > 1 else 3
"""In `make test` a process is killed at each third step, in `make soak` at each."""


class Steps:
    """Counts the steps of an engine, before and after each has its effect, and holds it at one of them."""

    def __init__(self) -> None:
        self.hold_at = 0
        self.held = asyncio.Event()
        self._taken = 0

    def begin(self, hold_at: int) -> None:
        """Holds at the next step of that number."""
        self.hold_at, self._taken = hold_at, 0
        self.held.clear()

    async def take(self) -> None:
        """Takes a step; returns never where it is the one to hold at."""
        self._taken += 1
        if self._taken == self.hold_at:
            self.held.set()
            await asyncio.Event().wait()


class SteppedStore(ObjectStore):
    """A store whose uses are steps."""

    steps: Steps

    async def create(self, key: str, data: bytes) -> bool:
        await self.steps.take()
        made = await super().create(key, data)
        await self.steps.take()
        return made

    async def put(self, key: str, data: bytes | AsyncIterator[bytes]) -> str:
        await self.steps.take()
        url = await super().put(key, data)
        await self.steps.take()
        return url


class SteppedAzure(AzureEmulator):
    """Azure, whose requests are steps."""

    steps: Steps

    def app(self) -> web.Application:
        app = super().app()
        app.middlewares.insert(0, self._step)
        return app

    @web.middleware
    async def _step(self, request: web.Request, handler: Any) -> web.StreamResponse:
        await self.steps.take()
        answer = await handler(request)
        await self.steps.take()
        return answer  # type: ignore[no-any-return]


@pytest.fixture
async def steps() -> Steps:
    return Steps()


@pytest.fixture
async def world(tmp_path: Path, steps: Steps) -> AsyncIterator[AzureWorld]:
    azure = SteppedAzure()
    azure.steps = steps
    async with azure_world(tmp_path, azures=[azure]) as made:
        store = SteppedStore((tmp_path / "objects").as_uri())
        store.steps = steps
        made.store = store
        yield made


@pytest.mark.effort
@pytest.mark.timeout(400)
async def test_whatever_step_a_process_is_killed_at_nothing_is_sent_twice(world: AzureWorld, steps: Steps) -> None:
    """Before and after each note, request and copy; the next process has nothing but the store and Azure."""
    killed = 0
    for step in range(1, MOST_STEPS, APART):
        recordings = [world.recording(f"s{step}r{index}") for index in range(RECORDINGS)]
        first = world.engine(job_recordings=RECORDINGS)
        steps.begin(step)
        asking = asyncio.gather(*(handled(first, recording) for recording in recordings), return_exceptions=True)
        held = asyncio.create_task(steps.held.wait())
        deleted = asyncio.create_task(_all_deleted(asking, world.azure))
        await asyncio.wait({held, deleted}, return_when=asyncio.FIRST_COMPLETED)
        was_held = steps.held.is_set()
        for task in (held, deleted, asking):
            task.cancel()
        await asyncio.gather(held, deleted, asking, return_exceptions=True)
        await first.stop()
        if not was_held:
            break
        killed += 1
        steps.begin(0)
        world.ahead += SETTLED_AFTER + timedelta(seconds=1)
        second = world.engine(job_recordings=RECORDINGS)
        answers = await asyncio.gather(*(handled(second, recording) for recording in recordings))
        assert all(answer.finals for answer in answers), step
        world.ahead += timedelta(hours=2)  # what was answered before it was killed is cleared away
        await second._clear()
        await eventually(lambda: not world.azure.open_jobs)
        await second.stop()
        assert set(world.azure.sent().values()) == {1}, step
    assert killed > 15 // APART


async def _all_deleted(asking: "asyncio.Future[Any]", azure: AzureEmulator) -> None:
    await asyncio.wait({asking})
    await eventually(lambda: not azure.open_jobs)
