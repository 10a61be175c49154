"""Transactions, and inserts that both databases take."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from steno.storage.database import failures_told_apart


@asynccontextmanager
async def transaction(engine: AsyncEngine, *, snapshot: bool = False) -> AsyncIterator[AsyncConnection]:
    """One transaction, committed at the end of the block.

    Args:
        snapshot: All statements see one moment (on SQLite they do anyway).

    Raises:
        DatabaseUnavailable: the database is away, busy or full; nothing of the block was kept.
    """
    with failures_told_apart():
        async with engine.connect() as connection:
            if snapshot and engine.dialect.name == "postgresql":
                await connection.execution_options(isolation_level="REPEATABLE READ")
            async with connection.begin():
                yield connection


def insert_into(database: AsyncConnection | AsyncEngine, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An insert in the words of the database, which can say what happens where a row with the same key is there."""
    return sqlite.insert(table) if database.dialect.name == "sqlite" else postgresql.insert(table)


async def insert_once(connection: AsyncConnection, table: Table, values: Mapping[str, Any]) -> bool:
    """Inserts a row unless one with its primary key is there; says whether it did.

    On PostgreSQL it waits for a transaction that is inserting the same row.
    """
    result = await connection.execute(insert_into(connection, table).values(**values).on_conflict_do_nothing())
    return result.rowcount == 1
