"""SQLite as the database of one machine."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import text

from steno.storage.database import connect, ping


async def test_writers_side_by_side_wait_for_each_other(tmp_path: Path) -> None:
    """Read-then-write transactions at once neither fail nor lose a row."""
    engine = connect(f"sqlite:///{tmp_path}/rows.db")
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE counted (number INTEGER)"))

    async def add_one() -> None:
        async with engine.begin() as connection:
            count = (await connection.execute(text("SELECT count(*) FROM counted"))).scalar_one()
            await connection.execute(text("INSERT INTO counted VALUES (:number)"), {"number": count})

    await asyncio.gather(*(add_one() for _ in range(50)))
    async with engine.connect() as connection:
        numbers = (await connection.execute(text("SELECT number FROM counted ORDER BY number"))).scalars().all()
    assert list(numbers) == list(range(50))
    assert await ping(engine)
    await engine.dispose()


def test_another_kind_of_database_is_refused() -> None:
    """The error names the two that are kept."""
    with pytest.raises(ValueError, match="postgresql"):
        connect("mysql://host/name")
