"""What the notifier's tests share."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine
from steno_notifier.caption_streams import FOLLOWED, CaptionStreams
from steno_notifier.tables import metadata
from support.kernel import cluster_without_broker
from support.postgres import Postgres

from steno.crypto import SecretBox, make_secret_key
from steno.kafka import FollowedKeys
from steno.storage import database
from steno.storage.transactions import transaction


class Clock:
    """A clock that stands still until it is told."""

    def __init__(self) -> None:
        self.time = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time

    def pass_by(self, **time: float) -> None:
        """So much time passes."""
        self.time += timedelta(**time)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def secret_key() -> str:
    return make_secret_key()


@pytest.fixture
def box(secret_key: str) -> SecretBox:
    return SecretBox(SecretStr(secret_key))


@pytest.fixture(scope="session")
def notifier_postgres_url(postgres: Postgres) -> str:
    """A PostgreSQL database of the notifier's tests."""
    return postgres.new_database()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database of either kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/notifier.db"
    url: str = request.getfixturevalue("notifier_postgres_url")
    return url


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    """The notifier's tables, empty."""
    engine = database.connect(database_url)
    await database.migrate(engine, "steno_notifier")
    async with transaction(engine) as connection:
        for table in reversed(metadata.sorted_tables):
            await connection.execute(table.delete())
    yield engine
    await engine.dispose()


@pytest.fixture
def no_captions() -> CaptionStreams:
    """Captions of a process that has not reached Kafka."""
    cluster = cluster_without_broker("notifier")
    return CaptionStreams(cluster, FollowedKeys(cluster, FOLLOWED), most_readers=1, holds=lambda _: True)
