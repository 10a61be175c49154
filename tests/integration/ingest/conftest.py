"""What the tests of ingest share."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.ingest import Ingest, running_ingest


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database of its own, of either kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/ingest.db"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
async def ingest(database_url: str, tmp_path: Path) -> AsyncIterator[Ingest]:
    """Ingest on either database, without Kafka."""
    async with running_ingest(tmp_path, database_url) as ingest:
        yield ingest
