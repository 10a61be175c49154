"""What the tests of ingest share.

Their databases are copies of one that was migrated once: the migrations take longer than most tests.
"""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.ingest import Ingest, running_ingest
from support.postgres import Postgres

from steno.storage import database

KINDS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]


@pytest.fixture(params=KINDS)
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database of its own, of either kind, without a table."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/ingest.db"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture(params=KINDS)
def database_url(request: pytest.FixtureRequest) -> str:
    """A database of its own, of either kind, with ingest's tables."""
    url: str = request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "migrated_postgres_url")
    return url


@pytest.fixture
def sqlite_url(sqlite_tables: Path, tmp_path: Path) -> str:
    """An SQLite database of its own, with ingest's tables."""
    return f"sqlite:///{shutil.copy(sqlite_tables, tmp_path / 'ingest.db')}"


@pytest.fixture
def migrated_postgres_url(postgres: Postgres, postgres_tables: str) -> str:
    """A PostgreSQL database of its own, with ingest's tables."""
    return postgres.new_database(like=postgres_tables)


@pytest.fixture(scope="session")
def sqlite_tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite database that nobody uses but to copy it."""
    path = tmp_path_factory.mktemp("tables") / "ingest.db"
    _migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgres_tables(postgres: Postgres) -> str:
    """A PostgreSQL database that nobody uses but to copy it."""
    url = postgres.new_database()
    _migrate(url)
    return url


def _migrate(url: str) -> None:
    async def migrate() -> None:
        engine = database.connect(url)
        await database.migrate(engine, "steno_ingest")
        await engine.dispose()

    # On an event loop of its own, which leaves that of the tests alone.
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(migrate())


@pytest.fixture
async def ingest(database_url: str, tmp_path: Path) -> AsyncIterator[Ingest]:
    """Ingest on either database, without Kafka."""
    async with running_ingest(tmp_path, database_url) as ingest:
        yield ingest
