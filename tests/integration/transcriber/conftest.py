"""A fetcher that may reach the machine it runs on, and a folder."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from steno_transcriber.fetch.fetcher import Fetcher, fetching_session
from support.fetching import LIMITS, LOOPBACK

from steno.storage.objects import ObjectStore


@pytest.fixture
async def inside() -> AsyncIterator[aiohttp.ClientSession]:
    """A client that may reach the test server."""
    async with fetching_session(LIMITS, allowed_networks=(LOOPBACK,)) as session:
        yield session


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return ObjectStore((tmp_path / "objects").as_uri())


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def fetcher(inside: aiohttp.ClientSession, store: ObjectStore, tmp_path: Path, pauses: list[float]) -> Fetcher:
    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    (tmp_path / "temporary").mkdir()
    (tmp_path / "calls").mkdir()
    return Fetcher(
        store=store,
        session=inside,
        limits=LIMITS,
        folders=(tmp_path / "calls",),
        temporary_folder=tmp_path / "temporary",
        sleep=pause,
    )
