"""SQLite as the database of one machine."""

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from steno.storage.database import connect, ping
from steno.storage.transactions import transaction


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


async def test_transactions_of_a_process_take_their_turns_on_sqlite(tmp_path: Path) -> None:
    """Who came first goes first, however many wait: nobody is passed over until it gives up."""
    engine = connect(f"sqlite:///{tmp_path}/turns.db")
    turns: list[int] = []

    async def take(turn: int) -> None:
        async with transaction(engine):
            turns.append(turn)

    await asyncio.gather(*(take(turn) for turn in range(30)))
    assert turns == list(range(30))
    await engine.dispose()


async def test_a_new_file_is_opened_by_many_at_once(tmp_path: Path) -> None:
    """None is refused while another one changes the file to WAL."""
    for attempt in range(20):
        engines = [connect(f"sqlite:///{tmp_path}/new-{attempt}.db") for _ in range(4)]
        modes = await asyncio.gather(*(journal_mode(engine) for engine in engines))
        assert modes == ["wal"] * len(engines)
        for engine in engines:
            await engine.dispose()


async def journal_mode(engine: AsyncEngine) -> str:
    async with engine.connect() as connection:
        return str((await connection.execute(text("PRAGMA journal_mode"))).scalar_one())


def test_another_kind_of_database_is_refused() -> None:
    """The error names the two that are kept."""
    with pytest.raises(ValueError, match="postgresql"):
        connect("mysql://host/name")
