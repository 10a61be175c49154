"""The tables that the migrations make, and a database that is away."""

import asyncio
import os
import time
from datetime import timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text
from steno_ingest.tables import metadata
from support.ingest import Ingest, problem, running_ingest

from steno.storage import database
from steno.storage.database import DatabaseUnavailable
from steno.storage.objects import ObjectStore
from steno.storage.transactions import transaction


async def test_the_migrations_make_the_tables(ingest: Ingest) -> None:
    """What they make is what the code works with, names of indexes included."""

    def compared(connection: Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection), metadata))

    async with ingest.engine.connect() as connection:
        assert await connection.run_sync(compared) == []


async def test_two_may_migrate_at_once(empty_database_url: str) -> None:
    """Instances that start side by side on an empty database do not get in each other's way."""
    engines = [database.connect(empty_database_url) for _ in range(3)]
    await asyncio.gather(*(database.migrate(engine, "steno_ingest") for engine in engines))
    for engine in engines:
        async with engine.connect() as connection:
            assert (await connection.execute(text("SELECT count(*) FROM recordings"))).scalar_one() == 0
        await engine.dispose()


async def test_a_database_that_is_away_is_said(tmp_path: Path) -> None:
    """It is a reason to try again, and readiness says no."""
    engine = database.connect(f"postgresql://nobody@/nothing?host={tmp_path}")
    with pytest.raises(DatabaseUnavailable):
        async with transaction(engine):
            pass
    assert not await database.ping(engine)
    await engine.dispose()


async def test_a_locked_database_is_said(tmp_path: Path) -> None:
    """When another transaction does not end, a POST is answered 503, and accepted once it has."""
    url = f"sqlite:///{tmp_path}/ingest.db"
    async with running_ingest(tmp_path, url) as ingest:
        async with ingest.engine.connect() as only_one:
            await only_one.execute(text("PRAGMA busy_timeout = 50"))
        other = database.connect(url)
        async with other.begin():
            response = await ingest.upload(b"audio")
            assert problem(response, 503)["type"] == "urn:steno:problem:database_unavailable"
        assert (await ingest.upload(b"audio")).status_code == 202
        await other.dispose()


async def test_abandoned_uploads_are_swept(tmp_path: Path) -> None:
    """What a killed process left of an upload goes after a day; newer ones and recordings stay."""
    store = ObjectStore((tmp_path / "objects").as_uri())
    for key in ("uploads/old", "uploads/new", "recordings/old/audio.wav"):
        await store.put(key, b"audio")
    unfinished = tmp_path / "objects" / "uploads" / "unfinished#1"
    unfinished.write_bytes(b"au")
    long_ago = time.time() - 90_000
    for path in (tmp_path / "objects/uploads/old", unfinished, tmp_path / "objects/recordings/old/audio.wav"):
        os.utime(path, (long_ago, long_ago))
    assert await store.sweep("uploads", older_than=timedelta(days=1)) == 2
    assert sorted(path.name for path in (tmp_path / "objects").rglob("*") if path.is_file()) == ["audio.wav", "new"]
    memory = ObjectStore("memory:///")
    await memory.put("uploads/new", b"audio")
    assert await memory.sweep("uploads", older_than=timedelta(days=1)) == 0
    assert await memory.sweep("uploads", older_than=timedelta(seconds=-60)) == 1
